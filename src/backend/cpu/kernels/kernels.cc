// The table of all structured kernels, and the choice among several for one op.
#include <algorithm>
#include <string>

#include "backend/cpu/kernels/kernel.h"
#include "base/switches.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {
namespace {

constexpr std::array<const Kernel*, ir::kStructuredOpCount> kKernels = {
#define SINTER_NO_KERNEL(Name, id) nullptr,
#define SINTER_KERNEL(Name, id) &k##Name,
    SINTER_STRUCTURED_OPS(SINTER_NO_KERNEL, SINTER_KERNEL)
#undef SINTER_NO_KERNEL
#undef SINTER_KERNEL
};

}  // namespace

const Kernel* find_kernel(ir::OpId op) {
  const auto i = static_cast<std::size_t>(op);
  return i < kKernels.size() ? kKernels[i] : nullptr;
}

std::vector<const Provider*> providers_of(const Kernel& kernel, const KernelCall& call) {
  std::vector<const Provider*> serving;
  for (const Provider& provider : kernel.providers) {
    if (provider.serves(call)) serving.push_back(&provider);
  }
  const auto is_disabled = [](const Provider* provider) {
    return switches().disabled(provider->name);
  };
  if (!std::all_of(serving.begin(), serving.end(), is_disabled)) {
    serving.erase(std::remove_if(serving.begin(), serving.end(), is_disabled), serving.end());
  }
  return serving;
}

std::unique_ptr<PreparedKernel> prepare_kernel(const Kernel& kernel, const KernelCall& call,
                                               const std::string& provider,
                                               const ir::Group* epilogue) {
  if (kernel.providers.empty()) return epilogue != nullptr ? nullptr : kernel.prepare(call);
  for (const Provider* const each : providers_of(kernel, call)) {
    if (!provider.empty() && provider != each->name) continue;
    if (epilogue == nullptr) return each->prepare(call);
    return each->prepare_with == nullptr ? nullptr : each->prepare_with(call, *epilogue);
  }
  throw ir::InternalError("there is no kernel \"" + provider + "\" for such a call");
}

}  // namespace sinter::backend::cpu
