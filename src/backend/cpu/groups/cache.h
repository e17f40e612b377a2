// Kernels for fused groups: made once for each content, then shared.
#ifndef SINTER_BACKEND_CPU_GROUPS_CACHE_H_
#define SINTER_BACKEND_CPU_GROUPS_CACHE_H_

#include <cstddef>
#include <memory>

#include "backend/cpu/groups/group_kernel.h"
#include "base/switches.h"

namespace sinter::backend::cpu {

// What runs groups in this process: the instruction set that SINTER_ISA names, else the best that
// this processor has; or the interpreter, also where the process may make no machine code.
struct GroupTarget {
  bool emits = false;
  Isa isa = Isa::avx2;
};
// Throws Error when SINTER_ISA names an instruction set that the processor lacks.
GroupTarget group_target();
// The same for a given choice, on a processor that has what is said.
GroupTarget group_target_for(IsaChoice choice, bool has_avx2, bool has_avx512);

// True when this processor, and the operating system, can run code for `isa`.
bool supports(Isa isa);

// The kernel for `group`: machine code where the emitter supports the group, else interpreted. The
// same kernel for equal groups, until limits::kGroupKernels others have been asked for; it stays
// good as long as the caller holds it. Safe to call from several threads. With SINTER_DEBUG=5 a
// new kernel's machine code is written to standard error.
// REQUIRES: verify(group) passes.
std::shared_ptr<const GroupKernel> group_kernel(const ir::Group& group);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_CACHE_H_
