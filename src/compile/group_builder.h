// From the nodes of a unit to the loop that computes them.
#ifndef SINTER_COMPILE_GROUP_BUILDER_H_
#define SINTER_COMPILE_GROUP_BUILDER_H_

#include <vector>

#include "compile/pass.h"

namespace sinter::compile_detail {

// Memory that a group reads: a root value (not a view) through a layout.
struct GroupLoad {
  ir::ValueId root = -1;
  ir::Layout layout;
};

// Operand i of the group is loads[i], then the values of `stores`.
struct BuiltGroup {
  ir::Group group;
  std::vector<GroupLoad> loads;
  std::vector<ir::ValueId> stores;
};

// `stored`: for each value of the graph, whether something outside of its unit reads it.
BuiltGroup build_group(const ir::Graph& graph, ir::OpList ops, const Fusion::Unit& unit,
                       const std::vector<std::uint8_t>& uniform,
                       const std::vector<std::uint8_t>& stored);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_GROUP_BUILDER_H_
