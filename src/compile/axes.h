// How the axes of values in a fused group correspond to the axes of the group's space.
#ifndef SINTER_COMPILE_AXES_H_
#define SINTER_COMPILE_AXES_H_

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace sinter::compile_detail {

// For each axis of a value the axis of the space that it runs along; -1 for an axis of length 1.
using AxisMap = std::vector<int>;

// The map of a value whose shape is aligned with the space at the innermost axis (broadcasting);
// nothing when a length differs from the space's.
std::optional<AxisMap> aligned_map(const Shape& shape, const Shape& space);

// The map of an operand that broadcasts to a result with map `result`: aligned at the innermost
// axis.
AxisMap operand_map(const Shape& operand, const Shape& result_shape, const AxisMap& result);

// The map of a view's result, when its input has map `input` and the view only adds, drops or
// broadcasts axes of length 1, so that elements stay where they are in the space. Nothing
// otherwise.
std::optional<AxisMap> view_map(const ir::Op& op, const Shape& input_shape, const AxisMap& input,
                                const Shape& result_shape, const Shape& space);

// A value behind a chain of views: the value that memory holds, and the view nodes from it, first
// first.
struct ViewChain {
  ir::ValueId root = -1;
  std::vector<std::int32_t> views;
};
ViewChain resolve_views(const ir::Graph& graph, ir::OpList ops, ir::ValueId value);
// Its root alone.
ir::ValueId root_of(const ir::Graph& graph, ir::OpList ops, ir::ValueId value);

// The layout of the value behind `chain` on its root's memory. REQUIRES: views that strides can
// express, which materialize() sees to.
ir::Layout layout_through(const ir::Graph& graph, ir::OpList ops, const ViewChain& chain);

// The map of `value`, seen through `chain` from a root with map `root`; nothing when a view moves
// elements.
std::optional<AxisMap> map_through(const ir::Graph& graph, ir::OpList ops, const ViewChain& chain,
                                   const AxisMap& root, const Shape& space);

// The other way: where the root lies when the value behind `chain` has map `value`; nothing when a
// view moves elements.
std::optional<AxisMap> map_back(const ir::Graph& graph, ir::OpList ops, const ViewChain& chain,
                                const AxisMap& value);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_AXES_H_
