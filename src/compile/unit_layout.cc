#include "compile/unit_layout.h"

#include <algorithm>

#include "compile/axes.h"
#include "ir/reduction.h"
#include "ir/symbolic.h"

namespace sinter::compile_detail {

namespace {

// How often a device that hoists computes a value that is the same in all of a loop: once for each
// piece that it deals out, and those run side by side.
constexpr double kPieces = 4;
// A value that is the same along the innermost axis takes a whole vector's instruction.
constexpr double kLanes = 8;

// A reduction's input shape; with an axis of length 1 in front when nothing is really reduced, so
// that there is an axis to reduce.
Shape reduction_space(const Shape& shape, const std::vector<std::int64_t>& axes) {
  for (const std::int64_t axis : axes) {
    if (shape[static_cast<int>(axis)] != 1) return shape;
  }
  std::vector<std::int64_t> lengths = shape.to_vector();
  lengths.insert(lengths.begin(), 1);
  return Shape(lengths);
}

// Whether the reduced axes are the innermost (preferred) or the outermost ones, axes of length 1
// aside.
bool classify(const Shape& space, const std::vector<std::uint8_t>& reduced, ir::GroupKind* kind,
              int* count) {
  int first_reduced = space.rank();
  int last_reduced = -1;
  int first_kept = space.rank();
  int last_kept = -1;
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (space[axis] == 1) continue;
    if (reduced[static_cast<std::size_t>(axis)] != 0) {
      first_reduced = std::min(first_reduced, axis);
      last_reduced = axis;
    } else {
      first_kept = std::min(first_kept, axis);
      last_kept = axis;
    }
  }
  if (last_reduced < 0) {  // one element per result
    *kind = ir::GroupKind::outer;
    *count = 1;
    return space.rank() > 0 && space[0] == 1;
  }
  if (first_reduced > last_kept) {
    *kind = ir::GroupKind::inner;
    *count = space.rank() - first_reduced;
    return true;
  }
  *kind = ir::GroupKind::outer;
  *count = last_reduced + 1;
  return last_reduced < first_kept;
}

// Whether a value with this map runs along some reduced axis.
bool runs_along_reduced(const Fusion::Unit& unit, const AxisMap& map) {
  if (unit.kind == ir::GroupKind::map) return false;
  const int kept = unit.space.rank() - unit.reduced_axes;
  return std::any_of(map.begin(), map.end(), [&](int axis) {
    return axis >= 0 &&
           (unit.kind == ir::GroupKind::inner ? axis >= kept : axis < unit.reduced_axes);
  });
}

bool runs_along(const AxisMap& map, int axis) {
  return std::find(map.begin(), map.end(), axis) != map.end();
}

// Whether a value runs along all axes from `first` on before `last`, those of length 1 aside.
bool runs_along_all(const Shape& space, const AxisMap& map, int first, int last) {
  for (int axis = first; axis < last; ++axis) {
    if (space[axis] != 1 && !runs_along(map, axis)) return false;
  }
  return true;
}

}  // namespace

UnitLayout::UnitLayout(const ir::Graph& graph, ir::OpList ops, const backend::FusionLimits& limits,
                       const std::vector<std::uint8_t>& uniform)
    : graph_(graph),
      ops_(ops),
      limits_(limits),
      uniform_(uniform),
      facts_(graph.nodes.size()),
      readers_(graph.values.size()),
      kept_(graph.values.size()),
      marks_(graph.values.size()) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) gather(static_cast<std::int32_t>(i));
  const auto keep = [&](ir::ValueId value) {
    kept_[static_cast<std::size_t>(root_of(graph, ops, value))] = 1;
  };
  for (const ir::ValueId output : graph.outputs) keep(output);
  for (const ir::StateUse& use : graph.state_out) keep(use.value);
}

void UnitLayout::gather(std::int32_t node) {
  Facts& facts = facts_[static_cast<std::size_t>(node)];
  const ir::OpKind kind = ir::find(ops_, node_at(node).op).kind;
  if (kind == ir::OpKind::view || is_uniform(result_of(node))) return;
  for (const ir::ValueId input : node_at(node).inputs) {
    facts.inputs.push_back(resolve_views(graph_, ops_, input));
    auto& readers = readers_[static_cast<std::size_t>(facts.inputs.back().root)];
    if (readers.empty() || readers.back() != node) readers.push_back(node);
  }
  facts.is_reduction = kind == ir::OpKind::reduce;
  if (kind == ir::OpKind::pointwise) count_instructions(node, facts);
}

void UnitLayout::count_instructions(std::int32_t node, Facts& facts) const {
  ir::BodyBuilder builder;
  std::vector<ir::TensorType> types;
  std::vector<std::int32_t> inputs;
  for (const ir::ValueId input : node_at(node).inputs) {
    types.push_back(graph_.type_of(input));
    inputs.push_back(builder.load(types.back().dtype, static_cast<int>(inputs.size())));
  }
  ir::find(ops_, node_at(node).op).append(builder, {types, node_at(node).attributes}, inputs);
  for (const ir::ScalarInst& inst : builder.body()) {
    if (inst.op != ir::ScalarOp::load && inst.op != ir::ScalarOp::constant) ++facts.instructions;
    if (inst.op == ir::ScalarOp::index) facts.uses_index = true;
    if (size_of(inst.type) == 8) facts.is_wide = true;
  }
}

Shape UnitLayout::space_of(std::int32_t node) const {
  if (!facts(node).is_reduction) return shape_of(result_of(node));
  return reduction_space(shape_of(node_at(node).inputs[0]),
                         node_at(node).attributes.integers("axes"));
}

std::optional<FittedUnit> UnitLayout::fit(const std::vector<std::int32_t>& nodes) {
  ++attempt_;
  FittedUnit fitted;
  Fusion::Unit& unit = fitted.unit;
  unit.nodes = nodes;
  unit.is_group = true;
  for (const std::int32_t node : nodes) {
    Mark& result = mark(result_of(node));
    result.attempt = attempt_;
    result.has_map = result.is_behind = result.is_kept = false;
    result.pass = 0;
  }
  if (!choose_space(unit) || !choose_kind(unit) || !place_values(unit)) return std::nullopt;
  double extra = 0;
  for (const std::int32_t node : nodes) {
    if (!check_node(node, unit)) return std::nullopt;
    extra += extra_instructions(node, unit);
  }
  if (extra > static_cast<double>(limits_.kernel_instructions)) return std::nullopt;
  if (!collect_memory(fitted) || widens_loop(unit)) return std::nullopt;
  for (const std::int32_t node : nodes) unit.maps[result_of(node)] = mark(result_of(node)).map;
  return fitted;
}

// The largest shape that one of the nodes loops over.
bool UnitLayout::choose_space(Fusion::Unit& unit) const {
  bool first = true;
  for (const std::int32_t node : unit.nodes) {
    const Shape shape = space_of(node);
    if (first || shape.elements() > unit.space.elements() ||
        (shape.elements() == unit.space.elements() && shape.rank() > unit.space.rank())) {
      unit.space = shape;
    }
    first = false;
  }
  return unit.nodes.size() == 1 || unit.space.elements() > 0;
}

// All reductions fold the same axes of the whole space.
bool UnitLayout::choose_kind(Fusion::Unit& unit) const {
  for (const std::int32_t node : unit.nodes) {
    if (!facts(node).is_reduction) continue;
    const Shape& shape = shape_of(node_at(node).inputs[0]);
    if (shape.elements() != unit.space.elements()) return false;
    const std::optional<AxisMap> map = aligned_map(shape, unit.space);
    if (!map) return false;
    std::vector<std::uint8_t> reduced(static_cast<std::size_t>(unit.space.rank()));
    for (const std::int64_t axis : node_at(node).attributes.integers("axes")) {
      const int place = (*map)[static_cast<std::size_t>(axis)];
      if (place >= 0) reduced[static_cast<std::size_t>(place)] = 1;
    }
    ir::GroupKind kind = ir::GroupKind::outer;
    int count = 1;
    if (!classify(unit.space, reduced, &kind, &count)) return false;
    if (unit.kind != ir::GroupKind::map && (unit.kind != kind || unit.reduced_axes != count)) {
      return false;
    }
    unit.kind = kind;
    unit.reduced_axes = count;
  }
  return true;
}

void UnitLayout::set_map(ir::ValueId value, AxisMap map) {
  mark(value).map = std::move(map);
  mark(value).has_map = true;
}

// Where each value lies: whole ones and reductions as the space says, smaller ones as their inputs
// or readers do.
bool UnitLayout::place_values(const Fusion::Unit& unit) {
  std::vector<std::int32_t> small;
  for (const std::int32_t node : unit.nodes) {
    const ir::ValueId result = result_of(node);
    Mark& own = mark(result);
    if (facts(node).is_reduction) {
      AxisMap map = *aligned_map(shape_of(node_at(node).inputs[0]), unit.space);
      for (const std::int64_t axis : node_at(node).attributes.integers("axes")) {
        map[static_cast<std::size_t>(axis)] = -1;
      }
      set_map(result, std::move(map));
      own.is_behind = true;
      continue;
    }
    for (const ViewChain& chain : inputs(node)) {
      own.is_behind = own.is_behind || (is_member(chain.root) && mark(chain.root).is_behind);
    }
    std::optional<AxisMap> map;
    if (is_whole(result, unit)) map = aligned_map(shape_of(result), unit.space);
    if (!map) map = map_of_equal_input(node, unit);
    if (map) {
      set_map(result, std::move(*map));
    } else if (is_whole(result, unit) || own.is_behind) {
      return false;
    } else {
      small.push_back(node);
    }
  }
  return place_small(unit, small);
}

bool UnitLayout::place_small(const Fusion::Unit& unit, const std::vector<std::int32_t>& small) {
  for (auto node = small.rbegin(); node != small.rend(); ++node) {
    std::optional<AxisMap> map = map_wanted(*node, unit);
    if (!map) map = aligned_map(shape_of(result_of(*node)), unit.space);
    if (!map) return false;
    set_map(result_of(*node), std::move(*map));
  }
  return true;
}

// A value lies where an input of its shape lies.
std::optional<AxisMap> UnitLayout::map_of_equal_input(std::int32_t node, const Fusion::Unit& unit) {
  const Shape& shape = shape_of(result_of(node));
  for (std::size_t i = 0; i < inputs(node).size(); ++i) {
    const ViewChain& chain = inputs(node)[i];
    if (!is_member(chain.root) || !mark(chain.root).has_map) continue;
    if (shape_of(node_at(node).inputs[i]) != shape) continue;
    return map_through(graph_, ops_, chain, mark(chain.root).map, unit.space);
  }
  return std::nullopt;
}

// A value lies where a reader in the unit wants it.
std::optional<AxisMap> UnitLayout::map_wanted(std::int32_t node, const Fusion::Unit& unit) {
  const ir::ValueId result = result_of(node);
  for (const std::int32_t reader : readers(result)) {
    const ir::ValueId value = result_of(reader);
    if (!is_member(value) || !mark(value).has_map || facts(reader).is_reduction) continue;
    for (std::size_t i = 0; i < inputs(reader).size(); ++i) {
      const ViewChain& chain = inputs(reader)[i];
      if (chain.root != result) continue;
      const AxisMap wanted =
          operand_map(shape_of(node_at(reader).inputs[i]), shape_of(value), mark(value).map);
      if (auto map = map_back(graph_, ops_, chain, wanted)) return map;
    }
  }
  static_cast<void>(unit);
  return std::nullopt;
}

// Whether inputs from the unit lie where they are wanted, and the value may lie where it does.
bool UnitLayout::check_node(std::int32_t node, const Fusion::Unit& unit) {
  const ir::ValueId result = result_of(node);
  const AxisMap& map = mark(result).map;
  for (std::size_t i = 0; i < inputs(node).size(); ++i) {
    const ViewChain& chain = inputs(node)[i];
    if (!is_member(chain.root)) continue;
    const Shape& shape = shape_of(node_at(node).inputs[i]);
    const AxisMap wanted = facts(node).is_reduction ? *aligned_map(shape, unit.space)
                                                    : operand_map(shape, shape_of(result), map);
    const auto seen = map_through(graph_, ops_, chain, mark(chain.root).map, unit.space);
    if (!seen || *seen != wanted) return false;
    const bool loops = facts(node).is_reduction || is_whole(result, unit);
    if (loops && mark(chain.root).is_behind && !may_loop_again(unit)) return false;
  }
  return facts(node).is_reduction || is_whole(result, unit) || check_small(node, unit);
}

// Nothing that follows a reduction runs along what it folded.
bool UnitLayout::check_small(std::int32_t node, const Fusion::Unit& unit) {
  const Mark& own = mark(result_of(node));
  return !own.is_behind || !runs_along_reduced(unit, own.map);
}

// Whether values of the whole space may follow a reduction in the same unit.
bool UnitLayout::may_loop_again(const Fusion::Unit& unit) const {
  if (unit.space.elements() == 1) return true;
  if (unit.kind != ir::GroupKind::inner) return false;
  std::int64_t rows = 1;
  for (int axis = 0; axis < unit.space.rank() - unit.reduced_axes; ++axis) rows *= unit.space[axis];
  const std::int64_t length = rows == 0 ? 0 : unit.space.elements() / rows;
  return rows >= limits_.min_rows || length <= ir::kInnerChunk;
}

// Whether a value that only comes along would halve the vectors of all others: vectors have as many
// elements as the widest type in a loop allows. Not where values of rows can be computed before the
// rows' loops, which takes rows that fold nothing, or are long.
bool UnitLayout::widens_loop(const Fusion::Unit& unit) {
  if (!limits_.hoists) return false;
  bool has_wide_small = false;
  bool is_apart = unit.kind == ir::GroupKind::inner;
  bool folds = false;
  std::int64_t length = 1;
  for (int axis = unit.space.rank() - unit.reduced_axes; axis < unit.space.rank(); ++axis) {
    length *= unit.space[axis];
  }
  for (const std::int32_t node : unit.nodes) {
    const ir::ValueId result = result_of(node);
    const bool loops = facts(node).is_reduction || mark(result).is_behind || is_whole(result, unit);
    folds = folds || facts(node).is_reduction;
    if (facts(node).is_wide && loops) return false;
    if (!facts(node).is_wide) continue;
    has_wide_small = true;
    is_apart = is_apart && !runs_along_reduced(unit, mark(result).map);
  }
  return has_wide_small && !(is_apart && (!folds || length > ir::kInnerChunk));
}

// What it costs to compute a smaller value in every turn of the loop that needs it, instead of
// once.
double UnitLayout::extra_instructions(std::int32_t node, const Fusion::Unit& unit) {
  const ir::ValueId result = result_of(node);
  if (facts(node).is_reduction || mark(result).is_behind || is_whole(result, unit)) return 0;
  const AxisMap& map = mark(result).map;
  const auto points = static_cast<double>(unit.space.elements());
  const auto own = static_cast<double>(shape_of(result).elements());
  int innermost = unit.space.rank() - 1;
  while (innermost > 0 && unit.space[innermost] == 1) --innermost;
  const bool is_row = unit.kind != ir::GroupKind::map && !runs_along_reduced(unit, map);
  double times = points;
  if (is_row) {
    times = unit.kind == ir::GroupKind::inner
                ? kLanes * own
                : own * (1 + points / own / static_cast<double>(ir::kOuterChunk));
  } else if (!limits_.hoists) {
    times = points / 4;
  } else if (!runs_along(map, innermost)) {
    const bool is_scalar = std::all_of(map.begin(), map.end(), [](int axis) { return axis < 0; });
    times = kLanes * (is_scalar ? kPieces : points / static_cast<double>(unit.space[innermost]));
  }
  return std::max(0.0, times - own) * facts(node).instructions;
}

// Whether the reduced axes are one for every operand in memory, as the device wants them.
bool UnitLayout::folds_one_axis(const Fusion::Unit& unit) {
  if (unit.kind == ir::GroupKind::map || !limits_.folds_one_axis) return true;
  const int first = unit.kind == ir::GroupKind::outer ? 0 : unit.space.rank() - unit.reduced_axes;
  std::vector<int> axes;
  for (int axis = first; axis < first + unit.reduced_axes; ++axis) {
    if (unit.space[axis] != 1) axes.push_back(axis);
  }
  if (axes.size() < 2) return true;
  for (const std::int32_t node : unit.nodes) {
    if (facts(node).uses_index) return false;
    for (std::size_t i = 0; i < inputs(node).size(); ++i) {
      const ViewChain& chain = inputs(node)[i];
      if (is_member(chain.root) || is_uniform(node_at(node).inputs[i])) continue;
      const ir::Layout layout = layout_through(graph_, ops_, chain);
      const Shape& looped = facts(node).is_reduction ? layout.shape : shape_of(result_of(node));
      const AxisMap map = operand_map(
          layout.shape, looped,
          facts(node).is_reduction ? *aligned_map(looped, unit.space) : mark(result_of(node)).map);
      std::vector<std::int64_t> strides(static_cast<std::size_t>(unit.space.rank()));
      for (std::size_t axis = 0; axis < map.size(); ++axis) {
        if (map[axis] >= 0) strides[static_cast<std::size_t>(map[axis])] = layout.strides[axis];
      }
      for (std::size_t at = 0; at + 1 < axes.size(); ++at) {
        const auto outer = static_cast<std::size_t>(axes[at]);
        const auto inner = static_cast<std::size_t>(axes[at + 1]);
        if (strides[outer] != strides[inner] * unit.space[axes[at + 1]]) return false;
      }
    }
  }
  return true;
}

// Finds the pass over a row that computes a node, once those of its inputs are known. Returns how
// many values of earlier passes that takes that no other node has taken.
int UnitLayout::set_pass(std::int32_t node) {
  int& pass = mark(result_of(node)).pass;
  for (const ViewChain& chain : inputs(node)) {
    if (!is_member(chain.root)) continue;
    const bool folds = facts(graph_.values[static_cast<std::size_t>(chain.root)].node).is_reduction;
    pass = std::max(pass, mark(chain.root).pass + (folds ? 1 : 0));
  }
  int taken = 0;
  for (const ViewChain& chain : inputs(node)) {
    if (!is_member(chain.root)) continue;
    Mark& source = mark(chain.root);
    if (source.pass == pass || source.is_kept) continue;
    source.is_kept = true;
    ++taken;
  }
  return taken;
}

// What the unit reads and stores. Values that are stored run along all kept axes and no others.
bool UnitLayout::collect_memory(FittedUnit& fitted) {
  const Fusion::Unit& unit = fitted.unit;
  int kept = 0;
  for (const std::int32_t node : unit.nodes) {
    kept += set_pass(node) + (facts(node).is_reduction ? 1 : 0);
    for (std::size_t i = 0; i < inputs(node).size(); ++i) {
      const ir::ValueId input = node_at(node).inputs[i];
      if (!is_member(inputs(node)[i].root) && !is_uniform(input)) fitted.reads.push_back(input);
    }
    const ir::ValueId result = result_of(node);
    const auto& all = readers(result);
    if (is_kept(result) || std::any_of(all.begin(), all.end(), [&](std::int32_t reader) {
          return !is_member(result_of(reader));
        })) {
      fitted.stores.push_back(result);
    }
  }
  std::sort(fitted.reads.begin(), fitted.reads.end());
  fitted.reads.erase(std::unique(fitted.reads.begin(), fitted.reads.end()), fitted.reads.end());
  if (unit.nodes.size() == 1) return true;
  const std::size_t operands = fitted.reads.size() + fitted.stores.size();
  if (static_cast<int>(operands) + kept > limits_.operands) return false;
  return store_rows_of_map(fitted) && folds_one_axis(unit);
}

// A loop without reductions that stores values smaller than its space is one over rows, each of
// which stores them once.
bool UnitLayout::store_rows_of_map(FittedUnit& fitted) {
  Fusion::Unit& unit = fitted.unit;
  const int rank = unit.space.rank();
  bool is_map = unit.kind == ir::GroupKind::map;
  for (const ir::ValueId value : fitted.stores) {
    if (is_whole(value, unit)) continue;
    const AxisMap& map = mark(value).map;
    if (is_map) {
      if (!limits_.stores_rows_of_maps) return false;
      int last = -1;
      for (const int axis : map) last = std::max(last, axis);
      unit.kind = ir::GroupKind::inner;
      unit.reduced_axes = rank - 1 - last;
      is_map = false;
    }
    if (runs_along_reduced(unit, map)) return false;
    const int first = unit.kind == ir::GroupKind::outer ? unit.reduced_axes : 0;
    if (!runs_along_all(unit.space, map, first, first + rank - unit.reduced_axes)) return false;
  }
  return true;
}

}  // namespace sinter::compile_detail
