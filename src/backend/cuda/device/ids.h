// Ids as kernels read them, and how they report those out of range.
#ifndef SINTER_BACKEND_CUDA_DEVICE_IDS_H_
#define SINTER_BACKEND_CUDA_DEVICE_IDS_H_

#include <cstdint>

#include "backend/cuda/device/error_slot.h"
#include "backend/cuda/device/language.h"

namespace sinter::backend::cuda {

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

#endif  // SINTER_BACKEND_CUDA_DEVICE_IDS_H_
