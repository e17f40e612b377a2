#include "backend/cuda/device/failure.h"
#include "backend/cuda/device/ids.h"
#include "backend/cuda/device/launch.h"

namespace sinter::backend::cuda {
namespace {

struct SettleParams {
  ErrorSlot* slot;
  std::int32_t step;
  Ids ids;
};

__global__ void settle(SettleParams p) {
  const unsigned long long key = p.slot->key;
  if (key == kNoError || key == p.slot->settled) return;
  if (key >> kPositionBits != static_cast<unsigned long long>(p.step)) return;
  p.slot->settled = key;
  p.slot->value = p.ids.at(static_cast<std::int64_t>(key & ((1ULL << kPositionBits) - 1)));
  p.slot->limit = p.ids.limit;
}

}  // namespace

void settle_ids(cudaStream_t stream, ErrorSlot* slot, std::int32_t step, const Ids& ids) {
  device::check(cuda::launch(settle, dim3(1), dim3(1), 0, stream, SettleParams{slot, step, ids}),
                "the check of ids");
}

}  // namespace sinter::backend::cuda
