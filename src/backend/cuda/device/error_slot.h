// Where kernels report numbers that do not fit (an id out of range), in device memory.
//
// The report with the lowest (step, position) wins, whatever the order in which threads come: both
// are packed into one number, which atomicMin lowers. The id itself does not fit in there, so a
// kernel of one thread (ids.h) reads it from its place before anything can overwrite it.
#ifndef SINTER_BACKEND_CUDA_DEVICE_ERROR_SLOT_H_
#define SINTER_BACKEND_CUDA_DEVICE_ERROR_SLOT_H_

#include <cstdint>

#include "backend/cuda/device/language.h"

namespace sinter::backend::cuda {

// All bits set: nothing was reported.
struct ErrorSlot {
  unsigned long long key;      // step << kPositionBits | position
  unsigned long long settled;  // the key that value and limit belong to
  std::int64_t value;
  std::int64_t limit;
};

inline constexpr int kPositionBits = 40;
inline constexpr unsigned long long kNoError = ~0ULL;

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_DEVICE_ERROR_SLOT_H_
