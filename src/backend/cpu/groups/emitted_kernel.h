// Emission with a listing, for debugging.
#ifndef SINTER_BACKEND_CPU_GROUPS_EMITTED_KERNEL_H_
#define SINTER_BACKEND_CPU_GROUPS_EMITTED_KERNEL_H_

#include <memory>
#include <string>

#include "backend/cpu/groups/group_kernel.h"

namespace sinter::backend::cpu {

// Thrown while code is emitted for a group that the emitter does not support. emit_group() then
// gives no kernel, and the interpreter runs the group.
struct NotEmitted {
  const char* why = "";
};

// Values of a body are spilled; accumulators of reductions, and what folds them, stay in registers.
struct OutOfRegisters : NotEmitted {
  OutOfRegisters() : NotEmitted{"its reductions need more registers than there are"} {}
};

// As emit_group(); appends the machine code as text to `listing` unless that is null. Where there
// is no kernel, `why` (unless null) becomes the reason.
std::unique_ptr<GroupKernel> emit_group_listing(const ir::Group& group, Isa isa,
                                                std::string* listing, const char** why = nullptr);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_EMITTED_KERNEL_H_
