// The cost (sinter/cost.h) of ops and of fused groups.
#ifndef SINTER_IR_COST_H_
#define SINTER_IR_COST_H_

#include <span>

#include "ir/group.h"
#include "ir/op.h"

namespace sinter::ir {

// The unit of contractions with operands of this type. REQUIRES: it is a float.
Unit contraction_unit(Dtype operands);
// The unit of all other arithmetic on this type.
Unit vector_unit(Dtype dtype);

// What one call of the op costs: as Op::cost says, else an operation for each element of the
// results, and the bytes of inputs and results. Pointwise ops and reductions have no `work` of
// their own: see group_work().
Cost cost_of(const Op& op, const OpCall& call, std::span<const TensorType> results);

// Adds the operations of a group's body: each instruction as often as its value differs, which is
// once for a value that is the same in all of the space. Loads, stores, constants, indices and
// bitcasts are none.
void add_group_work(const Group& group, Cost& cost);

}  // namespace sinter::ir

#endif  // SINTER_IR_COST_H_
