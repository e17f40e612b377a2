#include "compile/axes.h"

#include <algorithm>

#include "ir/internal_error.h"

namespace sinter::compile_detail {

std::optional<AxisMap> aligned_map(const Shape& shape, const Shape& space) {
  const int offset = space.rank() - shape.rank();
  AxisMap map(static_cast<std::size_t>(shape.rank()), -1);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    if (axis + offset < 0 || space[axis + offset] != shape[axis]) return std::nullopt;
    map[static_cast<std::size_t>(axis)] = axis + offset;
  }
  return map;
}

AxisMap operand_map(const Shape& operand, const Shape& result_shape, const AxisMap& result) {
  const int offset = result_shape.rank() - operand.rank();
  AxisMap map(static_cast<std::size_t>(operand.rank()), -1);
  for (int axis = 0; axis < operand.rank(); ++axis) {
    if (operand[axis] != 1) {
      map[static_cast<std::size_t>(axis)] = result[static_cast<std::size_t>(axis + offset)];
    }
  }
  return map;
}

namespace {

// Reshapes that only add or drop axes of length 1.
std::optional<AxisMap> squeezed_map(const Shape& from, const AxisMap& input, const Shape& to) {
  AxisMap map(static_cast<std::size_t>(to.rank()), -1);
  int axis = 0;
  for (int i = 0; i < to.rank(); ++i) {
    if (to[i] == 1) continue;
    while (axis < from.rank() && from[axis] == 1) ++axis;
    if (axis == from.rank() || from[axis] != to[i]) return std::nullopt;
    map[static_cast<std::size_t>(i)] = input[static_cast<std::size_t>(axis++)];
  }
  while (axis < from.rank() && from[axis] == 1) ++axis;
  return axis == from.rank() ? std::optional<AxisMap>(map) : std::nullopt;
}

}  // namespace

std::optional<AxisMap> view_map(const ir::Op& op, const Shape& input_shape, const AxisMap& input,
                                const Shape& result_shape, const Shape& space) {
  if (op.moves == ir::ViewMoves::in_order) return squeezed_map(input_shape, input, result_shape);
  if (op.moves == ir::ViewMoves::anything) return std::nullopt;
  // Axes that were of length 1 become whole ones: only known when the result is the space itself.
  const std::optional<AxisMap> map = aligned_map(result_shape, space);
  if (!map) return std::nullopt;
  const AxisMap back = operand_map(input_shape, result_shape, *map);
  return back == input ? map : std::nullopt;
}

namespace {

// The view that makes a value; -1: none.
std::int32_t view_of(const ir::Graph& graph, ir::OpList ops, ir::ValueId value) {
  const std::int32_t node = graph.values[static_cast<std::size_t>(value)].node;
  if (node < 0) return -1;
  const ir::Node& producer = graph.nodes[static_cast<std::size_t>(node)];
  return ir::find(ops, producer.op).kind == ir::OpKind::view ? node : -1;
}

}  // namespace

ViewChain resolve_views(const ir::Graph& graph, ir::OpList ops, ir::ValueId value) {
  ViewChain chain;
  chain.root = value;
  for (std::int32_t view; (view = view_of(graph, ops, chain.root)) >= 0;) {
    chain.views.push_back(view);
    chain.root = graph.nodes[static_cast<std::size_t>(view)].inputs[0];
  }
  std::reverse(chain.views.begin(), chain.views.end());
  return chain;
}

ir::ValueId root_of(const ir::Graph& graph, ir::OpList ops, ir::ValueId value) {
  for (std::int32_t view; (view = view_of(graph, ops, value)) >= 0;) {
    value = graph.nodes[static_cast<std::size_t>(view)].inputs[0];
  }
  return value;
}

ir::Layout layout_through(const ir::Graph& graph, ir::OpList ops, const ViewChain& chain) {
  ir::Layout layout = ir::dense_layout(graph.type_of(chain.root).shape);
  for (const std::int32_t view : chain.views) {
    const ir::Node& node = graph.nodes[static_cast<std::size_t>(view)];
    const auto next =
        ir::find(ops, node.op).view(layout, graph.type_of(node.results[0]), node.attributes);
    if (!next) throw ir::InternalError("a view was not materialized");
    layout = *next;
  }
  return layout;
}

std::optional<AxisMap> map_through(const ir::Graph& graph, ir::OpList ops, const ViewChain& chain,
                                   const AxisMap& root, const Shape& space) {
  std::optional<AxisMap> map = root;
  for (const std::int32_t view : chain.views) {
    const ir::Node& node = graph.nodes[static_cast<std::size_t>(view)];
    map = view_map(ir::find(ops, node.op), graph.type_of(node.inputs[0]).shape, *map,
                   graph.type_of(node.results[0]).shape, space);
    if (!map) return std::nullopt;
  }
  return map;
}

std::optional<AxisMap> map_back(const ir::Graph& graph, ir::OpList ops, const ViewChain& chain,
                                const AxisMap& value) {
  std::optional<AxisMap> map = value;
  for (std::size_t i = chain.views.size(); map && i-- > 0;) {
    const ir::Node& node = graph.nodes[static_cast<std::size_t>(chain.views[i])];
    const Shape& from = graph.type_of(node.inputs[0]).shape;
    const Shape& to = graph.type_of(node.results[0]).shape;
    switch (ir::find(ops, node.op).moves) {
      case ir::ViewMoves::in_order:
        map = squeezed_map(to, *map, from);
        break;
      case ir::ViewMoves::spread:
        map = operand_map(from, to, *map);
        break;
      default:
        map = std::nullopt;
    }
  }
  return map;
}

}  // namespace sinter::compile_detail
