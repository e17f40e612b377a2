// The shared memory of the running block.
#ifndef SINTER_BACKEND_CUDA_EMULATED_SHARED_MEMORY_H_
#define SINTER_BACKEND_CUDA_EMULATED_SHARED_MEMORY_H_

#include <cstddef>
#include <vector>

#include "backend/cuda/emulated/include/sinter_emulated/device.h"

namespace sinter_emulated {

// Shared memory of a block, as on sm_90.
inline constexpr std::size_t kStaticSharedBytes = 48 * 1024;
inline constexpr std::size_t kMostSharedBytes = 227 * 1024;

// Each object is an allocation of its own, full of ones when a block first asks for it. With
// AddressSanitizer it is allocated anew for each block, between red zones; with ThreadSanitizer
// each block of a launch has its own addresses, so that blocks, which a GPU would run at the same
// time, are never seen to race for shared memory; otherwise memory is used again and a guard behind
// each object is looked at when the block ends.
class SharedMemory {
 public:
  void begin_block(std::size_t dynamic_bytes);
  void* object(const SharedSite& site);
  void* dynamic();
  // The name of an object that somebody wrote past the end of, or null.
  const char* end_block();

  // Bytes that static objects of the block take so far.
  std::size_t static_bytes() const { return static_bytes_; }

  // ThreadSanitizer: a fresh place to synchronise on; null in other builds.
  void* sync_word();
  // ThreadSanitizer: whether the addresses left are too few for another block.
  bool is_exhausted() const;
  // All addresses may be used again.
  void begin_epoch();

 private:
  struct Object {
    const SharedSite* site;
    std::size_t bytes;
    char* memory;
    bool is_of_this_block;
  };

  char* allocate(std::size_t bytes, std::size_t alignment);
  void* fresh(const SharedSite& site);

  std::vector<Object> objects_;
  SharedSite dynamic_site_{0, 16, "dynamic shared memory"};
  std::size_t static_bytes_ = 0;
  char* arena_ = nullptr;  // ThreadSanitizer
  std::size_t arena_used_ = 0;
};

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_SHARED_MEMORY_H_
