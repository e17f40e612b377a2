// Device memory that Tensors share, from a pool.
#ifndef SINTER_TENSOR_STORAGE_H_
#define SINTER_TENSOR_STORAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "sinter/error.h"

namespace sinter {

// A block of device memory: its own, 64-byte aligned, which goes back to the pool when its last
// user lets go, or another's. Thread-safe.
class Storage {
 public:
  Storage(backend::Backend* backend, std::size_t bytes);
  // Memory of another owner, which outlives this; nothing writes to it.
  Storage(backend::Backend* backend, const void* memory, std::size_t bytes)
      : backend_(backend), memory_(const_cast<void*>(memory)), bytes_(bytes), is_own_(false) {}
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* memory() const { return static_cast<std::byte*>(memory_); }
  std::size_t bytes() const { return bytes_; }
  backend::Backend* backend() const { return backend_; }

 private:
  backend::Backend* backend_;
  void* memory_;
  std::size_t bytes_;
  bool is_own_ = true;
};

// What the pool holds. Blocks are kept by size for reuse, so that a loop that makes the same
// tensors again and again allocates nothing after its first rounds. Of each device at most as many
// free bytes as were ever in use at once are kept (and limits::kFreeBytes in any case): ever new
// sizes need at most twice the memory of the largest ones.
struct PoolCounts {
  std::int64_t bytes_in_use = 0;
  std::int64_t bytes_free = 0;
  std::int64_t allocations = 0;  // calls of the back end's allocate() so far
};
PoolCounts pool_counts();
// Gives all free blocks back to the back ends.
void release_pool();

// Runs `allocate`, and once more without the pool's free blocks when it fails and there are any: a
// device may have no more memory than these.
template <class Allocate>
auto with_pool_released(Allocate&& allocate) {
  try {
    return allocate();
  } catch (const Error&) {
    if (pool_counts().bytes_free == 0) throw;
  }
  release_pool();
  return allocate();
}

}  // namespace sinter

#endif  // SINTER_TENSOR_STORAGE_H_
