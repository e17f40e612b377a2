// Where kernels report numbers that do not fit (an id out of range), in device memory.
//
// The report with the lowest (step, position) wins, whatever the order in which threads come: both
// are packed into one number, which atomicMin lowers. The id itself does not fit in there, so a
// kernel of one thread, settle_ids, reads it from its place before anything can overwrite it.
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

// A row of ids, i32 or i64, of which values from 0 to limit - 1 are valid.
struct Ids {
  const void* from;
  bool wide;
  std::int64_t limit;

  __device__ std::int64_t at(std::int64_t position) const {
    return wide ? static_cast<const std::int64_t*>(from)[position]
                : static_cast<const std::int32_t*>(from)[position];
  }
  __device__ bool is_valid(std::int64_t id) const { return id >= 0 && id < limit; }
};

__device__ inline void report_id(ErrorSlot* slot, std::int32_t step, std::int64_t position) {
  atomicMin(&slot->key, static_cast<unsigned long long>(step) << kPositionBits |
                            static_cast<unsigned long long>(position));
}

// Enqueues what completes the reports of the kernels enqueued before with the same step.
void settle_ids(cudaStream_t stream, ErrorSlot* slot, std::int32_t step, const Ids& ids);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_DEVICE_ERROR_SLOT_H_
