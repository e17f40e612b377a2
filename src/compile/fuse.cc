// Which nodes share a loop. Each node begins as a unit of its own. Two units may merge when one
// reads what the other makes, or when both read the same memory all through; the pair that saves
// most bytes of memory traffic merges first, until none is left that fits (unit_layout.h) without
// a path that leaves it and comes back (unit_graph.h). What decides is what nodes compute, not the
// order in which they were recorded.
#include <algorithm>
#include <queue>
#include <set>
#include <tuple>

#include "compile/axes.h"
#include "compile/pass.h"
#include "compile/structure_hash.h"
#include "compile/unit_graph.h"
#include "compile/unit_layout.h"

namespace sinter::compile_detail {

namespace {

// Of many readers of one value, each is tried with so many before and after it.
constexpr std::size_t kNeighbours = 4;

// Two units that might merge, as they were when that was found out.
struct Pair {
  double saved = 0;  // bytes
  std::uint64_t low_key = 0;
  std::uint64_t high_key = 0;
  std::int32_t a = -1;
  std::int32_t b = -1;
  std::uint32_t version_a = 0;
  std::uint32_t version_b = 0;

  // The better one is the greater.
  friend bool operator<(const Pair& x, const Pair& y) {
    return std::tie(x.saved, x.low_key, x.high_key, x.a, x.b) <
           std::tie(y.saved, y.low_key, y.high_key, y.a, y.b);
  }
};

class Fuser {
 public:
  Fuser(const ir::Graph& graph, ir::OpList ops, const backend::FusionLimits& limits)
      : graph_(graph),
        ops_(ops),
        uniform_(uniform_values(graph, ops)),
        layout_(graph, ops, limits, uniform_),
        links_(graph.nodes.size()),
        units_(graph.nodes.size()),
        sharers_(graph.values.size()) {
    fusion_.unit_of.assign(graph.nodes.size(), -1);
  }

  Fusion run(bool enabled) {
    start();
    if (enabled) merge_all();
    collect();
    add_uniform_units();
    return std::move(fusion_);
  }

 private:
  // Numbered like one of its nodes; empty when it has merged into another.
  struct Unit {
    FittedUnit fitted;
    std::uint64_t key = 0;      // of what its nodes compute
    std::int32_t depth = 0;     // the longest path from an input to one of its nodes
    std::uint32_t version = 0;  // counts merges
  };

  const ir::Node& node_at(std::int32_t node) const {
    return graph_.nodes[static_cast<std::size_t>(node)];
  }
  ir::OpKind kind(std::int32_t node) const { return ir::find(ops_, node_at(node).op).kind; }
  bool is_uniform(std::int32_t node) const { return layout_.is_uniform(node_at(node).results[0]); }
  bool is_fusable(std::int32_t node) const {
    return kind(node) == ir::OpKind::pointwise || kind(node) == ir::OpKind::reduce;
  }
  std::int32_t producer(ir::ValueId value) const {
    return graph_.values[static_cast<std::size_t>(value)].node;
  }
  ir::ValueId root_of(ir::ValueId value) const {
    return compile_detail::root_of(graph_, ops_, value);
  }
  Unit& unit(std::int32_t index) { return units_[static_cast<std::size_t>(index)]; }
  bool is_group(std::int32_t index) const {
    return units_[static_cast<std::size_t>(index)].fitted.unit.is_group;
  }
  std::int32_t& unit_of(std::int32_t node) {
    return fusion_.unit_of[static_cast<std::size_t>(node)];
  }

  void start() {
    const StructureHash hash(graph_, ops_);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const auto node = static_cast<std::int32_t>(i);
      if (kind(node) == ir::OpKind::view || is_uniform(node)) continue;
      unit_of(node) = node;
      Unit& own = unit(node);
      own.key = hash.of(node);
      for (const ViewChain& chain : layout_.inputs(node)) {
        const std::int32_t source = producer(chain.root);
        if (source < 0) continue;
        own.depth = std::max(own.depth, unit(source).depth + 1);
        links_.add_edge(source, node);
      }
      if (is_fusable(node)) {
        own.fitted = *layout_.fit({node});
        for (const ir::ValueId read : own.fitted.reads) share(read, node);
      } else {
        own.fitted.unit.nodes = {node};
      }
    }
  }

  std::vector<std::int32_t>& sharers(ir::ValueId value) {
    return sharers_[static_cast<std::size_t>(value)];
  }
  void share(ir::ValueId value, std::int32_t index) { sharers(value).push_back(index); }

  void merge_all() {
    for (std::size_t i = 0; i < units_.size(); ++i) {
      const auto index = static_cast<std::int32_t>(i);
      if (is_group(index)) find_pairs(index, true);
    }
    while (!pairs_.empty()) {
      const Pair best = pairs_.top();
      pairs_.pop();
      if (unit(best.a).version != best.version_a || unit(best.b).version != best.version_b)
        continue;
      try_merge(best.a, best.b);
    }
  }

  // `once`: each pair is found from one of its sides only.
  void find_pairs(std::int32_t index, bool once) {
    for (const std::int32_t source : links_.producers(index)) add_pair(source, index);
    if (!once) {
      for (const std::int32_t reader : links_.readers(index)) add_pair(index, reader);
    }
    std::set<std::int32_t> others;
    for (const ir::ValueId read : unit(index).fitted.reads) {
      if (graph_.type_of(read).elements() < unit(index).fitted.unit.space.elements()) continue;
      find_sharers(read, index, others);
    }
    for (const std::int32_t other : others) {
      if (!once || other > index) add_pair(index, other);
    }
  }

  // The units next to this one among those that read the value.
  void find_sharers(ir::ValueId value, std::int32_t index, std::set<std::int32_t>& others) {
    std::vector<std::int32_t>& all = sharers(value);
    const auto rank = [&](std::int32_t each) {
      return std::make_tuple(unit(each).depth, unit(each).key, each);
    };
    for (std::int32_t& each : all) each = unit_of(each);
    std::sort(all.begin(), all.end(),
              [&](std::int32_t x, std::int32_t y) { return rank(x) < rank(y); });
    all.erase(std::unique(all.begin(), all.end()), all.end());
    const auto here =
        static_cast<std::size_t>(std::find(all.begin(), all.end(), index) - all.begin());
    const std::size_t begin = here < kNeighbours ? 0 : here - kNeighbours;
    for (std::size_t i = begin; i < std::min(all.size(), here + kNeighbours + 1); ++i) {
      if (i != here) others.insert(all[i]);
    }
  }

  void add_pair(std::int32_t a, std::int32_t b) {
    if (!is_group(a) || !is_group(b)) return;
    const double saved = bytes_saved(a, b);
    if (saved <= 0) return;
    Pair pair{.saved = saved,
              .low_key = std::min(unit(a).key, unit(b).key),
              .high_key = std::max(unit(a).key, unit(b).key),
              .a = std::min(a, b),
              .b = std::max(a, b)};
    pair.version_a = unit(pair.a).version;
    pair.version_b = unit(pair.b).version;
    pairs_.push(pair);
  }

  double bytes_of(ir::ValueId value) const {
    return static_cast<double>(std::max<std::int64_t>(
        1, std::min(graph_.type_of(value).bytes(), graph_.type_of(root_of(value)).bytes())));
  }

  // What both units read is read once; what only the other reads is never written.
  double bytes_saved(std::int32_t a, std::int32_t b) {
    const std::vector<ir::ValueId>& first = unit(a).fitted.reads;
    const std::vector<ir::ValueId>& second = unit(b).fitted.reads;
    std::vector<ir::ValueId> both;
    std::set_intersection(first.begin(), first.end(), second.begin(), second.end(),
                          std::back_inserter(both));
    double saved = 0;
    for (const ir::ValueId value : both) saved += bytes_of(value);
    const auto add_reads = [&](std::int32_t maker, const std::vector<ir::ValueId>& reads) {
      for (const ir::ValueId value : reads) {
        const std::int32_t source = producer(root_of(value));
        if (source >= 0 && unit_of(source) == maker) saved += bytes_of(value);
      }
    };
    add_reads(a, second);
    add_reads(b, first);
    for (const std::int32_t maker : {a, b}) {
      for (const ir::ValueId value : unit(maker).fitted.stores) {
        const auto& readers = layout_.readers(value);
        const bool stays = layout_.is_kept(value) ||
                           std::any_of(readers.begin(), readers.end(), [&](std::int32_t reader) {
                             return unit_of(reader) != a && unit_of(reader) != b;
                           });
        if (!stays) saved += bytes_of(value);
      }
    }
    return saved;
  }

  void try_merge(std::int32_t a, std::int32_t b) {
    std::vector<std::int32_t> nodes;
    const std::vector<std::int32_t>& left = unit(a).fitted.unit.nodes;
    const std::vector<std::int32_t>& right = unit(b).fitted.unit.nodes;
    std::merge(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(nodes));
    std::optional<FittedUnit> fitted = layout_.fit(nodes);
    if (!fitted) return;
    const std::int32_t kept = links_.merge(a, b);
    if (kept < 0) return;
    const std::int32_t gone = kept == a ? b : a;
    for (const std::int32_t node : unit(gone).fitted.unit.nodes) unit_of(node) = kept;
    unit(kept).fitted = std::move(*fitted);
    unit(kept).key += unit(gone).key;
    unit(kept).depth = std::max(unit(kept).depth, unit(gone).depth);
    ++unit(kept).version;
    ++unit(gone).version;
    unit(gone).fitted = {};
    find_pairs(kept, false);
  }

  // The units that are left, by their first nodes.
  void collect() {
    std::vector<std::int32_t> number(graph_.nodes.size(), -1);
    for (std::int32_t& index : fusion_.unit_of) {
      if (index < 0) continue;
      std::int32_t& its = number[static_cast<std::size_t>(index)];
      if (its < 0) {
        its = static_cast<std::int32_t>(fusion_.units.size());
        fusion_.units.push_back(std::move(unit(index).fitted.unit));
      }
      index = its;
    }
  }

  // Uniform values that something reads from memory get units of their own.
  void add_uniform_units() {
    std::set<std::int32_t> needed;
    const auto need = [&](ir::ValueId value) {
      const std::int32_t node = producer(root_of(value));
      if (node >= 0 && is_uniform(node)) needed.insert(node);
    };
    for (const ir::ValueId output : graph_.outputs) need(output);
    for (const ir::StateUse& use : graph_.state_out) need(use.value);
    for (const Fusion::Unit& each : fusion_.units) {
      if (each.is_group) continue;
      for (const ir::ValueId input : node_at(each.nodes.front()).inputs) need(input);
    }
    for (const std::int32_t node : needed) {
      Fusion::Unit alone;
      alone.is_group = true;
      alone.nodes = {node};
      const ir::ValueId result = node_at(node).results[0];
      alone.space = graph_.type_of(result).shape;
      alone.maps[result] = *aligned_map(alone.space, alone.space);
      unit_of(node) = static_cast<std::int32_t>(fusion_.units.size());
      fusion_.units.push_back(std::move(alone));
    }
  }

  const ir::Graph& graph_;
  ir::OpList ops_;
  std::vector<std::uint8_t> uniform_;
  UnitLayout layout_;
  UnitGraph links_;
  std::vector<Unit> units_;
  std::vector<std::vector<std::int32_t>> sharers_;  // by value: the nodes that read it as it is
  std::priority_queue<Pair> pairs_;
  Fusion fusion_;
};

}  // namespace

Fusion fuse(const ir::Graph& graph, ir::OpList ops, const backend::FusionLimits& limits,
            bool enabled) {
  return Fuser(graph, ops, limits).run(enabled);
}

}  // namespace sinter::compile_detail
