// The table of all structured kernels.
#include "backend/cpu/kernels/kernel.h"

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

}  // namespace sinter::backend::cpu
