// The table of all structured kernels.
#include <cstring>

#include "backend/cuda/kernels/kernel.h"

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

}  // namespace sinter::backend::cuda
