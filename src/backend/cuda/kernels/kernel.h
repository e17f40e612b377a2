// The interface of the structured CUDA kernels, and the table of all of them: the mirror of
// backend/cpu/kernels/kernel.h.
#ifndef SINTER_BACKEND_CUDA_KERNELS_KERNEL_H_
#define SINTER_BACKEND_CUDA_KERNELS_KERNEL_H_

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "backend/cuda/device/error_slot.h"

namespace sinter::backend::cuda {

// What one launch is given: addresses of the first elements (layout offsets added by the caller)
// and workspace_bytes() of 64-byte aligned device memory.
struct LaunchCall {
  cudaStream_t stream;
  void* const* inputs;
  void* const* outputs;
  void* workspace;
  ErrorSlot* errors;  // of the context, in device memory
  std::int32_t step;  // names this call in the slot
};

// A kernel call made ready: shapes, strides and attributes are baked in.
class PreparedKernel {
 public:
  virtual ~PreparedKernel() = default;
  // Enqueues, or records into a capture; allocates nothing and reads no device memory. Throws
  // device::Failure when a launch fails.
  virtual void launch(const LaunchCall& call) const = 0;
  virtual std::int64_t workspace_bytes() const { return 0; }
};

struct Kernel {
  // Whether input `input` is taken with its layout; null: dense ones only.
  bool (*accepts)(const KernelCall& call, int input) = nullptr;
  // Throws Error for what there is no kernel for. Needs no device.
  std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall& call) = nullptr;
};

// A structured op's name and kernel.
struct KernelEntry {
  ir::OpId op;
  const char* name;
  const Kernel* kernel;
};
// Null when no op with a kernel has this name.
const KernelEntry* find_kernel(const char* name);

// The kernels of ir/op_list.h.
#define SINTER_NO_KERNEL(Name, id)
#define SINTER_DECLARE_KERNEL(Name, id) extern const Kernel k##Name;
SINTER_STRUCTURED_OPS(SINTER_NO_KERNEL, SINTER_DECLARE_KERNEL)
#undef SINTER_NO_KERNEL
#undef SINTER_DECLARE_KERNEL

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_KERNELS_KERNEL_H_
