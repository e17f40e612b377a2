// The interface of the CPU's structured kernels, and the table of all of them.
#ifndef SINTER_BACKEND_CPU_KERNELS_KERNEL_H_
#define SINTER_BACKEND_CPU_KERNELS_KERNEL_H_

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "backend/backend.h"

namespace sinter::backend::cpu {

// A kernel call made ready: shapes, strides and attributes are baked in, primitives created.
class PreparedKernel : public ir::Prepared {
 public:
  // Addresses of the first elements (layout offsets added by the caller), and workspace_bytes() of
  // 64-byte aligned memory. Allocates nothing of 4 KiB or more. Runs on the calling thread and
  // whatever parallel_for or oneDNN use.
  virtual void run(void* const* inputs, void* const* outputs, void* workspace) const = 0;
  virtual std::int64_t workspace_bytes() const { return 0; }
  // What runs in place of the kernel that was chosen first, and why; null where that one runs.
  virtual const char* substituted_because() const { return nullptr; }
};

// One of several kernels for the calls of one op.
struct Provider {
  const char* name;
  // Whether it can run the call on this machine.
  bool (*serves)(const KernelCall& call);
  std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall& call);
  // With an epilogue (ir::Step::epilogue), whose other inputs and outputs run() gets behind the
  // call's inputs and in place of its outputs. Null, or gives null: it does not take it. Else the
  // result has the bits that `prepare` gives before the group follows on it.
  std::unique_ptr<PreparedKernel> (*prepare_with)(const KernelCall& call,
                                                  const ir::Group& epilogue) = nullptr;
};

struct Kernel {
  // Whether input `input` is taken with its layout; null: dense ones only.
  bool (*accepts)(const KernelCall& call, int input) = nullptr;
  // Null: one of the providers does it, of which one at least serves every call.
  std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall& call) = nullptr;
  std::span<const Provider> providers = {};
};

// The providers that serve the call, the one to take first; not those that SINTER_DISABLE names,
// unless they are all. Empty for a kernel without providers.
std::vector<const Provider*> providers_of(const Kernel& kernel, const KernelCall& call);
// A kernel's provider of this name, or without a name the first that serves. Throws InternalError
// where there is none.
std::unique_ptr<PreparedKernel> prepare_kernel(const Kernel& kernel, const KernelCall& call,
                                               const std::string& provider,
                                               const ir::Group* epilogue);

// Null for an op without a kernel of its own.
const Kernel* find_kernel(ir::OpId op);

// The kernels of ir/op_list.h.
#define SINTER_NO_KERNEL(Name, id)
#define SINTER_DECLARE_KERNEL(Name, id) extern const Kernel k##Name;
SINTER_STRUCTURED_OPS(SINTER_NO_KERNEL, SINTER_DECLARE_KERNEL)
#undef SINTER_NO_KERNEL
#undef SINTER_DECLARE_KERNEL

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_KERNEL_H_
