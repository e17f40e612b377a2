// Emission with a listing, for debugging.
#ifndef SINTER_BACKEND_CPU_EMITTED_KERNEL_H_
#define SINTER_BACKEND_CPU_EMITTED_KERNEL_H_

#include <memory>
#include <string>

#include "backend/cpu/group_kernel.h"

namespace sinter::backend::cpu {

// Thrown while code is emitted for a body with more values alive at once than there are registers.
// emit_group() then gives no kernel, and the interpreter runs the group.
struct OutOfRegisters {};

// As emit_group(); appends the machine code as text to `listing` unless that is null.
std::unique_ptr<GroupKernel> emit_group_listing(const ir::Group& group, Isa isa,
                                                std::string* listing);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_EMITTED_KERNEL_H_
