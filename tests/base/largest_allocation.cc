#include "largest_allocation.h"

#include <cstdlib>
#include <new>

namespace sinter {

std::atomic<std::size_t> largest_allocation{0};

}  // namespace sinter

void* operator new(std::size_t bytes) {
  if (bytes > sinter::largest_allocation) sinter::largest_allocation = bytes;
  void* memory = std::malloc(bytes != 0 ? bytes : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
