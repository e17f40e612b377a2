// The table of all structured kernels, and the choice among several for one op.
#include <cstring>

#include "backend/cuda/device/failure.h"
#include "backend/cuda/kernels/provider.h"
#include "backend/cuda/vendor/providers.h"

namespace sinter::backend::cuda {
namespace {

constexpr KernelEntry kEntries[] = {
#define SINTER_NO_KERNEL(Name, id)
#define SINTER_KERNEL(Name, id) {ir::OpId::id, #id, &k##Name},
    SINTER_STRUCTURED_OPS(SINTER_NO_KERNEL, SINTER_KERNEL)
#undef SINTER_NO_KERNEL
#undef SINTER_KERNEL
};

}  // namespace

const KernelEntry* find_kernel(const char* name) {
  for (const KernelEntry& entry : kEntries) {
    if (std::strcmp(entry.name, name) == 0) return &entry;
  }
  return nullptr;
}

std::vector<const char*> candidates_of(const KernelEntry& entry, const KernelCall& call) {
  std::vector<const char*> names;
  for (const Provider& provider : vendor_providers(entry.op)) {
    if (provider.serves(call) && provider.problem().empty()) names.push_back(provider.name);
  }
  names.push_back(names.empty() ? "" : kOwnKernel);
  return names;
}

ChosenKernel prepare_kernel(const KernelEntry& entry, const KernelCall& call,
                            const std::string& name, const EpilogueForm* epilogue) {
  ChosenKernel chosen;
  for (const Provider& provider : vendor_providers(entry.op)) {
    if (!provider.serves(call)) continue;
    const std::string problem = provider.problem();
    if (!problem.empty()) {
      chosen.substituted += (chosen.substituted.empty() ? "" : "; ") + std::string(provider.name) +
                            " is passed over: " + problem;
    } else if (name.empty() || name == provider.name) {
      if (epilogue == nullptr) {
        chosen.kernel = provider.prepare(call);
      } else if (provider.prepare_with != nullptr) {
        chosen.kernel = provider.prepare_with(call, *epilogue);
      }
      return chosen;
    }
  }
  if (!name.empty() && name != kOwnKernel) {
    throw device::Failure(kSinterCudaBadCall, std::string(entry.name) + ": there is no kernel \"" +
                                                  name + "\" for such a call");
  }
  if (epilogue == nullptr) chosen.kernel = entry.kernel->prepare(call);
  return chosen;
}

}  // namespace sinter::backend::cuda
