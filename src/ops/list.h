// All ops. Each structured op is defined in the file of its family: how it infers, its gradient,
// its cost, next to the user function. list.cc puts them in the order of their ids.
#ifndef SINTER_OPS_LIST_H_
#define SINTER_OPS_LIST_H_

#include <array>

#include "ir/op.h"

namespace sinter {

// All ops, indexed by OpId. What ir and the back ends receive.
ir::OpList op_list();

namespace ops {

// The structured ops of ir/op_list.h.
#define SINTER_DECLARE_OP(Name, id) extern const ir::Op k##Name;
SINTER_STRUCTURED_OPS(SINTER_DECLARE_OP, SINTER_DECLARE_OP)
#undef SINTER_DECLARE_OP

// pointwise.cc: in the order of pointwise_list.h
extern const std::array<ir::Op, ir::kOpCount - ir::kStructuredOpCount> kPointwiseOps;

}  // namespace ops
}  // namespace sinter

#endif  // SINTER_OPS_LIST_H_
