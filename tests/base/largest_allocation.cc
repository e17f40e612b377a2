#include "largest_allocation.h"

#include <cstdlib>
#include <new>

namespace sinter {

std::atomic<std::size_t> largest_allocation{0};

}  // namespace sinter

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  if (bytes > sinter::largest_allocation) sinter::largest_allocation = bytes;
  return std::malloc(bytes != 0 ? bytes : 1);
}
void* operator new(std::size_t bytes) {
  void* memory = operator new(bytes, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
