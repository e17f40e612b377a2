// When a fused group may write an output over one of its inputs.
#ifndef SINTER_IR_IN_PLACE_H_
#define SINTER_IR_IN_PLACE_H_

#include "ir/group.h"

namespace sinter::ir {

// Whether operand `output` may be the same memory as operand `input`, with the same first element:
// the strides and sizes are equal, and no pass over a row reads the input after the pass that
// stores the output.
bool may_run_in_place(const Group& group, int input, int output);

}  // namespace sinter::ir

#endif  // SINTER_IR_IN_PLACE_H_
