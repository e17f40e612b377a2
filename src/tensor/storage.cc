#include "tensor/storage.h"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>

#include "base/cache_limits.h"

namespace sinter {

namespace {

// Free blocks by back end and size. Never destroyed: Tensors with static storage may outlive it.
class Pool {
 public:
  void* take(backend::Backend* backend, std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      Device& device = devices_[backend];
      device.use(static_cast<std::int64_t>(bytes));
      if (void* const memory = device.find(bytes)) return memory;
      ++allocations_;
    }
    try {
      return backend->allocate(bytes);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      devices_[backend].use(-static_cast<std::int64_t>(bytes));
      throw;
    }
  }

  void give_back(backend::Backend* backend, void* memory, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    Device& device = devices_[backend];
    device.use(-static_cast<std::int64_t>(bytes));
    device.keep(memory, bytes);
    device.release_beyond(*backend, device.bytes_to_keep());
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [backend, device] : devices_) device.release_beyond(*backend, 0);
  }

  PoolCounts counts() {
    const std::lock_guard lock(mutex_);
    PoolCounts counts;
    counts.allocations = allocations_;
    for (const auto& [backend, device] : devices_) {
      counts.bytes_in_use += device.bytes_in_use;
      counts.bytes_free += device.bytes_free;
    }
    return counts;
  }

 private:
  struct Block {
    void* memory;
    std::size_t bytes;
  };

  // What one back end has given.
  struct Device {
    std::int64_t bytes_in_use = 0;
    std::int64_t most_in_use = 0;
    std::int64_t bytes_free = 0;
    std::list<Block> blocks;  // free ones, the last freed first
    std::map<std::size_t, std::list<std::list<Block>::iterator>> by_size;  // in the same order

    void use(std::int64_t bytes) {
      bytes_in_use += bytes;
      most_in_use = std::max(most_in_use, bytes_in_use);
    }

    // A loop needs again what it needed before, and never more of it at once.
    std::int64_t bytes_to_keep() const { return std::max(most_in_use, limits::kFreeBytes); }

    void* find(std::size_t bytes) {
      const auto found = by_size.find(bytes);
      if (found == by_size.end()) return nullptr;
      void* const memory = found->second.front()->memory;
      blocks.erase(found->second.front());
      found->second.pop_front();
      if (found->second.empty()) by_size.erase(found);
      bytes_free -= static_cast<std::int64_t>(bytes);
      return memory;
    }

    void keep(void* memory, std::size_t bytes) {
      blocks.push_front({memory, bytes});
      by_size[bytes].push_front(blocks.begin());
      bytes_free += static_cast<std::int64_t>(bytes);
    }

    // What was freed longest ago goes first.
    void release_beyond(backend::Backend& backend, std::int64_t bytes) {
      while (!blocks.empty() && bytes_free > bytes) {
        const Block oldest = blocks.back();
        const auto equals = by_size.find(oldest.bytes);
        equals->second.pop_back();
        if (equals->second.empty()) by_size.erase(equals);
        blocks.pop_back();
        bytes_free -= static_cast<std::int64_t>(oldest.bytes);
        backend.release(oldest.memory, oldest.bytes);
      }
    }
  };

  std::mutex mutex_;
  std::map<backend::Backend*, Device> devices_;
  std::int64_t allocations_ = 0;
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

Storage::~Storage() {
  if (is_own_) pool().give_back(backend_, memory_, block_bytes(bytes_));
}

PoolCounts pool_counts() { return pool().counts(); }

void release_pool() { pool().release(); }

}  // namespace sinter
