// Offsets in the arena for blobs with known lifetimes.
#ifndef SINTER_COMPILE_MEMORY_H_
#define SINTER_COMPILE_MEMORY_H_

#include <cstdint>
#include <vector>

namespace sinter::compile_detail {

// Memory that must not be shared from step `first` to step `last`, both included.
struct Blob {
  std::int64_t bytes = 0;
  std::int32_t first = 0;
  std::int32_t last = 0;
  std::int64_t offset = -1;  // set by place_blobs(): a multiple of 64
  // Of its last bytes, a multiple of 64 with what is lost to alignment: those that no other blob
  // has at any time.
  std::int64_t kept_bytes = 0;
};

// Chooses offsets so that blobs alive together do not overlap; returns the bytes needed. Largest
// first, each at the lowest offset that is free during its life (offline best-fit by size).
std::int64_t place_blobs(std::vector<Blob>& blobs);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_MEMORY_H_
