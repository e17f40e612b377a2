#include "compile/group_builder.h"

#include <algorithm>
#include <map>
#include <utility>

#include "compile/axes.h"
#include "ir/internal_error.h"
#include "ir/symbolic.h"

namespace sinter::compile_detail {

namespace {

class GroupBuilder {
 public:
  GroupBuilder(const ir::Graph& graph, ir::OpList ops, const Fusion::Unit& unit,
               const std::vector<std::uint8_t>& uniform)
      : graph_(graph), ops_(ops), unit_(unit), uniform_(uniform) {}

  BuiltGroup run(const std::vector<std::uint8_t>& stored) {
    for (const std::int32_t node : unit_.nodes) {
      if (node != unit_.contraction) append(node);
    }
    ir::Group& group = built_.group;
    group.kind = unit_.kind;
    group.space = unit_.space;
    group.reduced_axes = unit_.kind == ir::GroupKind::map ? 0 : unit_.reduced_axes;
    if (unit_.contraction >= 0) put_first(node_at(unit_.contraction).results[0]);
    for (const std::int32_t node : unit_.nodes) {
      if (node == unit_.contraction) continue;
      const ir::ValueId value = node_at(node).results[0];
      if (stored[static_cast<std::size_t>(value)] != 0) store(value);
    }
    group.body = builder_.body();
    if (first_ > 0) {
      for (ir::ScalarInst& inst : group.body) {
        if (inst.op == ir::ScalarOp::load && (inst.imm == 0 || inst.imm == first_)) {
          inst.imm = first_ - inst.imm;
        }
      }
    }
    return std::move(built_);
  }

 private:
  const ir::Node& node_at(std::int32_t node) const {
    return graph_.nodes[static_cast<std::size_t>(node)];
  }

  // The load of a root changes places with the first; the body is told at the end.
  void put_first(ir::ValueId root) {
    const auto found = std::find_if(built_.loads.begin(), built_.loads.end(),
                                    [&](const GroupLoad& load) { return load.root == root; });
    if (found == built_.loads.end()) throw ir::InternalError("an epilogue that reads no result");
    first_ = found - built_.loads.begin();
    std::swap(built_.loads[0], *found);
    std::swap(built_.group.operands[0], built_.group.operands[static_cast<std::size_t>(first_)]);
  }

  void append(std::int32_t index) {
    const ir::Node& node = node_at(index);
    const ir::Op& op = ir::find(ops_, node.op);
    const ir::TensorType& type = graph_.type_of(node.results[0]);
    const AxisMap& map = unit_.maps.at(node.results[0]);
    std::int32_t position = -1;
    if (op.kind == ir::OpKind::reduce) {
      const Shape& shape = graph_.type_of(node.inputs[0]).shape;
      const std::int32_t input = read(node.inputs[0], shape, *aligned_map(shape, unit_.space));
      position = append_reduction(op.reduction, type.dtype, input);
    } else {
      std::vector<std::int32_t> inputs;
      for (const ir::ValueId input : node.inputs) inputs.push_back(read(input, type.shape, map));
      position = append_pointwise(node, op, inputs, &map);
    }
    positions_[node.results[0]] = position;
  }

  // 16-bit types fold in f32 and round once, at the end.
  std::int32_t append_reduction(ir::ScalarOp reduction, Dtype dtype, std::int32_t input) {
    if (!is_half(dtype)) return builder_.append({reduction, dtype, input, -1, -1, 0});
    const std::int32_t wide = builder_.convert(input, Dtype::f32);
    return builder_.convert(builder_.append({reduction, Dtype::f32, wide, -1, -1, 0}), dtype);
  }

  // `map` is where the result lies; null for a uniform value, which lies nowhere.
  std::int32_t append_pointwise(const ir::Node& node, const ir::Op& op,
                                const std::vector<std::int32_t>& inputs, const AxisMap* map) {
    std::vector<ir::TensorType> types;
    for (const ir::ValueId input : node.inputs) types.push_back(graph_.type_of(input));
    ir::OpCall call{types, node.attributes};
    if (map != nullptr) call.space_axes = *map;
    return op.append(builder_, call, inputs);
  }

  // The position of an operand that is broadcast to a result of `result_shape` at `result_map`.
  std::int32_t read(ir::ValueId value, const Shape& result_shape, const AxisMap& result_map) {
    if (uniform_[static_cast<std::size_t>(value)] != 0) return read_uniform(value);
    const ViewChain chain = resolve_views(graph_, ops_, value);
    const auto own = positions_.find(chain.root);
    if (own != positions_.end()) return own->second;
    const ir::Layout layout = layout_through(graph_, ops_, chain);
    const AxisMap map = operand_map(layout.shape, result_shape, result_map);
    ir::GroupOperand operand;
    operand.dtype = graph_.type_of(value).dtype;
    operand.strides.assign(static_cast<std::size_t>(unit_.space.rank()), 0);
    for (std::size_t axis = 0; axis < map.size(); ++axis) {
      if (map[axis] >= 0)
        operand.strides[static_cast<std::size_t>(map[axis])] = layout.strides[axis];
    }
    return builder_.load(operand.dtype, load_operand(chain.root, layout, operand));
  }

  int load_operand(ir::ValueId root, const ir::Layout& layout, const ir::GroupOperand& operand) {
    for (std::size_t i = 0; i < built_.loads.size(); ++i) {
      const bool same_memory =
          built_.loads[i].root == root && built_.loads[i].layout.offset == layout.offset;
      if (same_memory && built_.group.operands[i] == operand) return static_cast<int>(i);
    }
    built_.loads.push_back({root, layout});
    built_.group.operands.push_back(operand);
    return static_cast<int>(built_.loads.size()) - 1;
  }

  std::int32_t read_uniform(ir::ValueId value) {
    const ir::ValueId root = root_of(graph_, ops_, value);
    const auto known = positions_.find(root);
    if (known != positions_.end()) return known->second;
    const ir::Node& node = node_at(graph_.values[static_cast<std::size_t>(root)].node);
    std::vector<std::int32_t> inputs;
    for (const ir::ValueId input : node.inputs) inputs.push_back(read_uniform(input));
    const std::int32_t position = append_pointwise(node, ir::find(ops_, node.op), inputs, nullptr);
    positions_[root] = position;
    return position;
  }

  void store(ir::ValueId value) {
    const ir::TensorType& type = graph_.type_of(value);
    const AxisMap& map = unit_.maps.at(value);
    const std::vector<std::int64_t> own = ir::row_major_strides(type.shape);
    ir::GroupOperand operand;
    operand.dtype = type.dtype;
    operand.output = true;
    operand.strides.assign(static_cast<std::size_t>(unit_.space.rank()), 0);
    for (std::size_t axis = 0; axis < map.size(); ++axis) {
      if (map[axis] >= 0) operand.strides[static_cast<std::size_t>(map[axis])] = own[axis];
    }
    const auto index = static_cast<std::int64_t>(built_.group.operands.size());
    builder_.append({ir::ScalarOp::store, type.dtype, positions_.at(value), -1, -1, index});
    built_.group.operands.push_back(operand);
    built_.stores.push_back(value);
  }

  const ir::Graph& graph_;
  ir::OpList ops_;
  const Fusion::Unit& unit_;
  const std::vector<std::uint8_t>& uniform_;
  ir::BodyBuilder builder_;
  std::map<ir::ValueId, std::int32_t> positions_;
  std::ptrdiff_t first_ = 0;  // the load that became the first one
  BuiltGroup built_;
};

}  // namespace

BuiltGroup build_group(const ir::Graph& graph, ir::OpList ops, const Fusion::Unit& unit,
                       const std::vector<std::uint8_t>& uniform,
                       const std::vector<std::uint8_t>& stored) {
  return GroupBuilder(graph, ops, unit, uniform).run(stored);
}

}  // namespace sinter::compile_detail
