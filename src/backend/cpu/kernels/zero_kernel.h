// The result of a contraction that no product reaches: an empty batch, K == 0, no channels, or
// nothing at all.
#ifndef SINTER_BACKEND_CPU_KERNELS_ZERO_KERNEL_H_
#define SINTER_BACKEND_CPU_KERNELS_ZERO_KERNEL_H_

#include <cstring>
#include <memory>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

class ZeroKernel final : public PreparedKernel {
 public:
  explicit ZeroKernel(std::int64_t bytes) : bytes_(bytes) {}
  void run(void* const*, void* const* outputs, void*) const override {
    if (bytes_ > 0) std::memset(outputs[0], 0, static_cast<std::size_t>(bytes_));
  }

 private:
  std::int64_t bytes_;
};

inline std::unique_ptr<PreparedKernel> prepare_zero(const KernelCall& call) {
  return std::make_unique<ZeroKernel>(call.outputs[0].shape.elements() *
                                      static_cast<std::int64_t>(size_of(call.output_dtypes[0])));
}

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_ZERO_KERNEL_H_
