// The interface of the CPU's structured kernels, and the table of all of them.
#ifndef SINTER_BACKEND_CPU_KERNELS_KERNEL_H_
#define SINTER_BACKEND_CPU_KERNELS_KERNEL_H_

#include <array>
#include <cstddef>
#include <memory>

#include "backend/backend.h"

namespace sinter::backend::cpu {

// A kernel call made ready: shapes, strides and attributes are baked in, primitives created.
class PreparedKernel {
 public:
  virtual ~PreparedKernel() = default;
  // Addresses of the first elements (layout offsets added by the caller), and workspace_bytes() of
  // 64-byte aligned memory. Allocates nothing of 4 KiB or more. Runs on the calling thread and
  // whatever parallel_for or oneDNN use.
  virtual void run(void* const* inputs, void* const* outputs, void* workspace) const = 0;
  virtual std::int64_t workspace_bytes() const { return 0; }
  // What runs in place of the kernel that was chosen first, and why; null where that one runs.
  virtual const char* substituted_because() const { return nullptr; }
};

struct Kernel {
  // Whether input `input` is taken with its layout; null: dense ones only.
  bool (*accepts)(const KernelCall& call, int input) = nullptr;
  std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall& call) = nullptr;
};

// One entry per op that needs a kernel of its own, found by OpId; ops of kind pointwise, reduce,
// view and composite have none (they run as fused groups). kernels.cc holds the constexpr array,
// checked at compile time against the stems' list.
const Kernel* find_kernel(ir::OpId op);

// matmul.cc
extern const Kernel kMatmul;
// conv2d.cc
extern const Kernel kConv2d;
extern const Kernel kConv2dInputGradient;
extern const Kernel kConv2dWeightGradient;
// max_pool2d.cc
extern const Kernel kMaxPool2d;
extern const Kernel kMaxPool2dGradient;
extern const Kernel kMaxPool2dGather;
// gather.cc
extern const Kernel kGather;
// segment_sum.cc
extern const Kernel kSegmentSum;
// random.cc
extern const Kernel kBernoulli;
extern const Kernel kUniform;
// pad.cc, pack.cc
extern const Kernel kPad;
extern const Kernel kPack;

// copy.cc: a dense copy of an input with any strides
extern const Kernel kCopy;

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_KERNEL_H_
