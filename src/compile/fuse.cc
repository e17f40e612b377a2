// Which nodes share a loop. Nodes are taken in recorded order; each joins the latest unit among its
// producers' that it fits, and units that meet in it merge. A unit is legal when its values line up
// in one space (axes.h), its reductions are of one kind, and no path leaves it and comes back.
#include <algorithm>
#include <map>
#include <set>

#include "compile/axes.h"
#include "compile/pass.h"
#include "ir/reduction.h"

namespace sinter::compile_detail {

namespace {

// Below this many rows, loops after a reduction over long rows would leave cores idle.
constexpr std::int64_t kMinParallelRows = 8;

// A unit while it is built, and which of its values need a finished reduction.
struct Candidate {
  Fusion::Unit unit;
  std::set<ir::ValueId> reduced;  // values that depend on a reduction of the unit
};

class Fuser {
 public:
  Fuser(const ir::Graph& graph, ir::OpList ops)
      : graph_(graph), ops_(ops), uniform_(uniform_values(graph, ops)) {
    for (const ir::Node& node : graph.nodes) {
      std::vector<ViewChain> chains;
      for (const ir::ValueId input : node.inputs)
        chains.push_back(resolve_views(graph, ops, input));
      inputs_.push_back(std::move(chains));
    }
    fusion_.unit_of.assign(graph.nodes.size(), -1);
  }

  Fusion run(bool enabled) {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const auto node = static_cast<std::int32_t>(i);
      if (kind(node) == ir::OpKind::view || is_uniform(node)) continue;
      if (!is_fusable(node)) {
        Candidate alone;
        alone.unit.nodes = {node};
        add_unit(std::move(alone));
      } else {
        place(node, enabled);
      }
    }
    add_uniform_units();
    drop_empty_units();
    return std::move(fusion_);
  }

 private:
  const ir::Node& node_at(std::int32_t node) const {
    return graph_.nodes[static_cast<std::size_t>(node)];
  }
  ir::OpKind kind(std::int32_t node) const { return ir::find(ops_, node_at(node).op).kind; }
  bool is_uniform(std::int32_t node) const {
    return uniform_[static_cast<std::size_t>(node_at(node).results[0])] != 0;
  }
  bool is_fusable(std::int32_t node) const {
    return kind(node) == ir::OpKind::pointwise || kind(node) == ir::OpKind::reduce;
  }
  const Shape& shape_of(ir::ValueId value) const { return graph_.type_of(value).shape; }
  std::int32_t producer(ir::ValueId value) const {
    return graph_.values[static_cast<std::size_t>(value)].node;
  }
  std::int32_t unit_of_value(ir::ValueId root) const {
    const std::int32_t node = producer(root);
    return node < 0 ? -1 : fusion_.unit_of[static_cast<std::size_t>(node)];
  }

  // Shapes without elements are all equally large, but do not lie in each other's space.
  bool loops_over_nothing(std::int32_t node) const {
    const Shape& shape = kind(node) == ir::OpKind::reduce ? shape_of(node_at(node).inputs[0])
                                                          : shape_of(node_at(node).results[0]);
    return shape.elements() == 0;
  }

  void add_unit(Candidate candidate) {
    const auto index = static_cast<std::int32_t>(fusion_.units.size());
    for (const std::int32_t node : candidate.unit.nodes) {
      fusion_.unit_of[static_cast<std::size_t>(node)] = index;
    }
    fusion_.units.push_back(candidate.unit);
  }

  // Joins `node` with its producers' units as far as that is legal.
  void place(std::int32_t node, bool enabled) {
    std::vector<std::int32_t> producers;
    for (const ViewChain& chain : inputs_[static_cast<std::size_t>(node)]) {
      const std::int32_t unit = unit_of_value(chain.root);
      if (unit >= 0 && fusion_.units[static_cast<std::size_t>(unit)].is_group)
        producers.push_back(unit);
    }
    std::sort(producers.begin(), producers.end(), std::greater<>());
    producers.erase(std::unique(producers.begin(), producers.end()), producers.end());
    std::vector<std::int32_t> nodes = {node};
    std::vector<std::int32_t> absorbed;
    std::optional<Candidate> best = build(nodes);
    for (const std::int32_t unit : producers) {
      if (!enabled || loops_over_nothing(node)) break;
      std::vector<std::int32_t> merged = nodes;
      const auto& members = fusion_.units[static_cast<std::size_t>(unit)].nodes;
      merged.insert(merged.end(), members.begin(), members.end());
      std::sort(merged.begin(), merged.end());
      std::optional<Candidate> candidate = build(merged);
      if (!candidate || makes_cycle(merged)) continue;
      nodes = std::move(merged);
      best = std::move(candidate);
      absorbed.push_back(unit);
    }
    for (const std::int32_t unit : absorbed) {
      fusion_.units[static_cast<std::size_t>(unit)].nodes.clear();
    }
    add_unit(std::move(*best));
  }

  // The unit of these nodes, if their values line up.
  std::optional<Candidate> build(const std::vector<std::int32_t>& nodes) const {
    Candidate candidate;
    candidate.unit.is_group = true;
    candidate.unit.nodes = nodes;
    candidate.unit.space = space_of(nodes);
    for (const std::int32_t node : nodes) {
      const bool fits = kind(node) == ir::OpKind::reduce ? add_reduction(candidate, node)
                                                         : add_pointwise(candidate, node);
      if (!fits) return std::nullopt;
    }
    return candidate;
  }

  // The largest shape that one of the nodes loops over.
  Shape space_of(const std::vector<std::int32_t>& nodes) const {
    Shape space;
    bool first = true;
    for (const std::int32_t node : nodes) {
      const Shape shape = kind(node) == ir::OpKind::reduce ? reduction_space(node)
                                                           : shape_of(node_at(node).results[0]);
      if (first || shape.elements() > space.elements() ||
          (shape.elements() == space.elements() && shape.rank() > space.rank())) {
        space = shape;
      }
      first = false;
    }
    return space;
  }

  // The input's shape; with an axis of length 1 in front when nothing is really reduced, so that
  // there is an axis to reduce.
  Shape reduction_space(std::int32_t node) const {
    const Shape& shape = shape_of(node_at(node).inputs[0]);
    for (const std::int64_t axis : node_at(node).attributes.integers("axes")) {
      if (shape[static_cast<int>(axis)] != 1) return shape;
    }
    std::vector<std::int64_t> lengths = shape.to_vector();
    lengths.insert(lengths.begin(), 1);
    return Shape(lengths);
  }

  // Whether an input lies where it is wanted, or comes from memory.
  bool input_fits(const Candidate& candidate, const ViewChain& chain, const AxisMap& wanted) const {
    const auto found = candidate.unit.maps.find(chain.root);
    if (found == candidate.unit.maps.end()) return !contains(candidate, chain.root);
    const auto map = map_through(graph_, ops_, chain, found->second, candidate.unit.space);
    return map && *map == wanted;
  }

  bool contains(const Candidate& candidate, ir::ValueId root) const {
    const std::int32_t node = producer(root);
    const auto& nodes = candidate.unit.nodes;
    return node >= 0 && std::binary_search(nodes.begin(), nodes.end(), node);
  }

  bool depends_on_reduction(const Candidate& candidate, std::int32_t node) const {
    for (const ViewChain& chain : inputs_[static_cast<std::size_t>(node)]) {
      if (candidate.reduced.count(chain.root) != 0) return true;
    }
    return false;
  }

  bool add_pointwise(Candidate& candidate, std::int32_t node) const {
    const ir::ValueId result = node_at(node).results[0];
    const Shape& shape = shape_of(result);
    const bool whole = shape.elements() == candidate.unit.space.elements();
    const bool behind = depends_on_reduction(candidate, node);
    std::optional<AxisMap> map;
    if (whole) map = aligned_map(shape, candidate.unit.space);
    if (!map && behind) map = map_of_equal_input(candidate, node);
    if (!map) return false;
    if (behind && whole && !may_loop_again(candidate)) return false;
    if (!whole && runs_along_reduced_axes(candidate.unit, *map)) return false;
    for (std::size_t i = 0; i < node_at(node).inputs.size(); ++i) {
      const AxisMap wanted = operand_map(shape_of(node_at(node).inputs[i]), shape, *map);
      if (!input_fits(candidate, inputs_[static_cast<std::size_t>(node)][i], wanted)) return false;
    }
    candidate.unit.maps[result] = *map;
    if (behind) candidate.reduced.insert(result);
    return true;
  }

  static bool runs_along_reduced_axes(const Fusion::Unit& unit, const AxisMap& map) {
    const int kept = unit.space.rank() - unit.reduced_axes;
    return std::any_of(map.begin(), map.end(), [&](int axis) {
      return axis >= 0 &&
             (unit.kind == ir::GroupKind::inner ? axis >= kept : axis < unit.reduced_axes);
    });
  }

  // Whether values of the whole space may follow a reduction in the same unit.
  bool may_loop_again(const Candidate& candidate) const {
    const Fusion::Unit& unit = candidate.unit;
    if (unit.space.elements() == 1) return true;
    if (unit.kind != ir::GroupKind::inner) return false;
    std::int64_t rows = 1;
    for (int axis = 0; axis < unit.space.rank() - unit.reduced_axes; ++axis)
      rows *= unit.space[axis];
    const std::int64_t length = rows == 0 ? 0 : unit.space.elements() / rows;
    return rows >= kMinParallelRows || length <= ir::kInnerChunk;
  }

  // A value behind a reduction lies where an input of its shape lies.
  std::optional<AxisMap> map_of_equal_input(const Candidate& candidate, std::int32_t node) const {
    const Shape& shape = shape_of(node_at(node).results[0]);
    for (std::size_t i = 0; i < node_at(node).inputs.size(); ++i) {
      const ViewChain& chain = inputs_[static_cast<std::size_t>(node)][i];
      if (candidate.reduced.count(chain.root) == 0) continue;
      if (shape_of(node_at(node).inputs[i]) != shape) continue;
      return map_through(graph_, ops_, chain, candidate.unit.maps.at(chain.root),
                         candidate.unit.space);
    }
    return std::nullopt;
  }

  bool add_reduction(Candidate& candidate, std::int32_t node) const {
    const ir::Node& reduction = node_at(node);
    const Shape& shape = shape_of(reduction.inputs[0]);
    if (shape.elements() != candidate.unit.space.elements()) return false;
    const std::optional<AxisMap> map = aligned_map(shape, candidate.unit.space);
    if (!map) return false;
    if (!input_fits(candidate, inputs_[static_cast<std::size_t>(node)][0], *map)) return false;
    if (depends_on_reduction(candidate, node) && !may_loop_again(candidate)) return false;
    std::vector<std::uint8_t> reduced(static_cast<std::size_t>(candidate.unit.space.rank()));
    AxisMap result = *map;
    for (const std::int64_t axis : reduction.attributes.integers("axes")) {
      int& place = result[static_cast<std::size_t>(axis)];
      if (place >= 0) reduced[static_cast<std::size_t>(place)] = 1;
      place = -1;
    }
    ir::GroupKind kind = ir::GroupKind::outer;
    int count = 1;
    if (!classify(candidate.unit.space, reduced, &kind, &count)) return false;
    Fusion::Unit& unit = candidate.unit;
    if (unit.kind != ir::GroupKind::map && (unit.kind != kind || unit.reduced_axes != count))
      return false;
    unit.kind = kind;
    unit.reduced_axes = count;
    candidate.unit.maps[reduction.results[0]] = result;
    candidate.reduced.insert(reduction.results[0]);
    return true;
  }

  // Whether the reduced axes are the innermost (preferred) or the outermost ones, axes of length 1
  // aside.
  static bool classify(const Shape& space, const std::vector<std::uint8_t>& reduced,
                       ir::GroupKind* kind, int* count) {
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

  // Whether a path leaves the set of nodes and comes back, units being atomic.
  bool makes_cycle(const std::vector<std::int32_t>& nodes) const {
    std::set<std::int32_t> inside(nodes.begin(), nodes.end());
    std::set<std::int32_t> own_units;
    for (const std::int32_t node : nodes) {
      const std::int32_t unit = fusion_.unit_of[static_cast<std::size_t>(node)];
      if (unit >= 0) own_units.insert(unit);
    }
    std::vector<std::int32_t> stack;
    std::set<std::int32_t> visited;
    const auto push_producers = [&](std::int32_t node, bool from_inside) {
      for (const ViewChain& chain : inputs_[static_cast<std::size_t>(node)]) {
        const std::int32_t unit = unit_of_value(chain.root);
        if (unit < 0) continue;
        if (own_units.count(unit) != 0) {
          if (!from_inside) return true;
          continue;
        }
        if (visited.insert(unit).second) stack.push_back(unit);
      }
      return false;
    };
    for (const std::int32_t node : nodes) push_producers(node, true);
    while (!stack.empty()) {
      const std::int32_t unit = stack.back();
      stack.pop_back();
      for (const std::int32_t node : fusion_.units[static_cast<std::size_t>(unit)].nodes) {
        if (push_producers(node, false)) return true;
      }
    }
    return false;
  }

  // Uniform values that something reads from memory get units of their own.
  void add_uniform_units() {
    std::set<std::int32_t> needed;
    const auto need = [&](ir::ValueId value) {
      const ir::ValueId root = resolve_views(graph_, ops_, value).root;
      const std::int32_t node = producer(root);
      if (node >= 0 && is_uniform(node)) needed.insert(node);
    };
    for (const ir::ValueId output : graph_.outputs) need(output);
    for (const ir::StateUse& use : graph_.state_out) need(use.value);
    for (const Fusion::Unit& unit : fusion_.units) {
      if (unit.is_group || unit.nodes.empty()) continue;
      for (const ir::ValueId input : node_at(unit.nodes.front()).inputs) need(input);
    }
    for (const std::int32_t node : needed) {
      Candidate alone;
      alone.unit.is_group = true;
      alone.unit.nodes = {node};
      alone.unit.space = shape_of(node_at(node).results[0]);
      alone.unit.maps[node_at(node).results[0]] = *aligned_map(alone.unit.space, alone.unit.space);
      add_unit(std::move(alone));
    }
  }

  void drop_empty_units() {
    std::vector<Fusion::Unit> kept;
    for (Fusion::Unit& unit : fusion_.units) {
      if (unit.nodes.empty()) continue;
      for (const std::int32_t node : unit.nodes) {
        fusion_.unit_of[static_cast<std::size_t>(node)] = static_cast<std::int32_t>(kept.size());
      }
      kept.push_back(std::move(unit));
    }
    fusion_.units = std::move(kept);
  }

  const ir::Graph& graph_;
  ir::OpList ops_;
  std::vector<std::uint8_t> uniform_;
  std::vector<std::vector<ViewChain>> inputs_;
  Fusion fusion_;
};

}  // namespace

Fusion fuse(const ir::Graph& graph, ir::OpList ops, bool enabled) {
  return Fuser(graph, ops).run(enabled);
}

}  // namespace sinter::compile_detail
