// Several kernels for the calls of one op: our own, which serves every call, and before it those of
// vendors' libraries. The mirror of the providers in backend/cpu/kernels/kernel.h.
#ifndef SINTER_BACKEND_CUDA_KERNELS_PROVIDER_H_
#define SINTER_BACKEND_CUDA_KERNELS_PROVIDER_H_

#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/kernels/kernel.h"
#include "backend/epilogue_form.h"

namespace sinter::backend::cuda {

struct Provider {
  const char* name;
  // Whether it could run the call, its library apart. By the call and the environment alone.
  bool (*serves)(const KernelCall& call);
  // Why its library cannot be used, in one line; empty: it can. The same at every call.
  std::string (*problem)();
  std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall& call);
  // With an epilogue, whose inputs a launch gets behind the call's own and whose outputs in place
  // of the call's. Null, or gives null: it does not take it. Else the outputs have the bits of what
  // `prepare` gives with the epilogue following on it.
  std::unique_ptr<PreparedKernel> (*prepare_with)(const KernelCall& call,
                                                  const EpilogueForm& epilogue) = nullptr;
};

// What our own kernel of an op is called where there is another one to choose.
inline constexpr const char* kOwnKernel = "own";

// The kernels that serve the call, by name, the one to take first; one of no name where only our
// own does.
std::vector<const char*> candidates_of(const KernelEntry& entry, const KernelCall& call);

struct ChosenKernel {
  std::unique_ptr<PreparedKernel> kernel;  // null: it does not take the epilogue
  std::string substituted;  // what was passed over before it and why, in one line; empty: nothing
};
// The kernel of this name, or without a name the first that serves, with an epilogue (null: none).
// Throws device::Failure where there is no such kernel.
ChosenKernel prepare_kernel(const KernelEntry& entry, const KernelCall& call,
                            const std::string& name, const EpilogueForm* epilogue);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_KERNELS_PROVIDER_H_
