#include "tensor/storage.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace sinter {

namespace {

// Free blocks by back end and size. Never destroyed: Tensors with static storage may outlive it.
class Pool {
 public:
  void* take(backend::Backend* backend, std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      counts_.bytes_in_use += static_cast<std::int64_t>(bytes);
      auto found = free_.find({backend, bytes});
      if (found != free_.end() && !found->second.empty()) {
        void* memory = found->second.back();
        found->second.pop_back();
        counts_.bytes_free -= static_cast<std::int64_t>(bytes);
        return memory;
      }
      ++counts_.allocations;
    }
    try {
      return backend->allocate(bytes);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      counts_.bytes_in_use -= static_cast<std::int64_t>(bytes);
      throw;
    }
  }

  void give_back(backend::Backend* backend, void* memory, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    counts_.bytes_in_use -= static_cast<std::int64_t>(bytes);
    counts_.bytes_free += static_cast<std::int64_t>(bytes);
    free_[{backend, bytes}].push_back(memory);
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [key, blocks] : free_) {
      for (void* memory : blocks) key.first->release(memory, key.second);
    }
    free_.clear();
    counts_.bytes_free = 0;
  }

  PoolCounts counts() {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<backend::Backend*, std::size_t>, std::vector<void*>> free_;
  PoolCounts counts_;
};

Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

// Sizes are rounded so that nearly equal ones share blocks.
std::size_t block_bytes(std::size_t bytes) {
  const std::size_t unit = bytes < 4096 ? 64 : 4096;
  return (bytes + unit - 1) / unit * unit + (bytes == 0 ? unit : 0);
}

}  // namespace

Storage::Storage(backend::Backend* backend, std::size_t bytes)
    : backend_(backend),
      memory_(with_pool_released([&] { return pool().take(backend, block_bytes(bytes)); })),
      bytes_(bytes) {}

Storage::~Storage() { pool().give_back(backend_, memory_, block_bytes(bytes_)); }

PoolCounts pool_counts() { return pool().counts(); }

void release_pool() { pool().release(); }

}  // namespace sinter
