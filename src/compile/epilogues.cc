// Which groups follow on a contraction as its epilogue, so that its result goes from cache to cache
// and never to memory of its own. A contraction whose result one group alone reads, element by
// element, can run just before that group: nothing else waits for it, so no cycle comes of it. The
// kernel is the one that runs the contraction without an epilogue; whether it takes one is its own
// answer. Where several contractions lead into one group, it follows on the one with most work.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "compile/axes.h"
#include "compile/group_builder.h"
#include "compile/pass.h"
#include "compile/structure_hash.h"

namespace sinter::compile_detail {

namespace {

class Giver {
 public:
  Giver(const ir::Graph& graph, ir::OpList ops, backend::Backend& backend, Fusion& fusion)
      : graph_(graph),
        ops_(ops),
        backend_(backend),
        fusion_(fusion),
        uniform_(uniform_values(graph, ops)),
        stored_(stored_values(graph, ops, fusion)),
        reader_(graph.values.size(), kNone) {}

  void run() {
    find_readers();
    std::vector<std::uint8_t> gone(fusion_.units.size());
    for (const std::int32_t node : contractions()) {
      const std::int32_t own = unit_of(node);
      if (give(node)) gone[static_cast<std::size_t>(own)] = 1;
    }
    remove(gone);
  }

 private:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::int32_t kSeveral = -2;

  const ir::Node& node_at(std::int32_t node) const {
    return graph_.nodes[static_cast<std::size_t>(node)];
  }
  std::int32_t& unit_of(std::int32_t node) {
    return fusion_.unit_of[static_cast<std::size_t>(node)];
  }
  ir::ValueId root_of(ir::ValueId value) const {
    return compile_detail::root_of(graph_, ops_, value);
  }
  std::int32_t& reader(ir::ValueId root) { return reader_[static_cast<std::size_t>(root)]; }

  // For each root the one unit that reads it.
  void find_readers() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const std::int32_t unit = fusion_.unit_of[i];
      if (unit < 0) continue;
      for (const ir::ValueId input : graph_.nodes[i].inputs) {
        std::int32_t& known = reader(root_of(input));
        known = known == kNone || known == unit ? unit : kSeveral;
      }
    }
    for (const ir::ValueId output : graph_.outputs) reader(root_of(output)) = kSeveral;
    for (const ir::StateUse& use : graph_.state_out) reader(root_of(use.value)) = kSeveral;
  }

  // Those with most work first; which of equal ones does not depend on the order of recording.
  std::vector<std::int32_t> contractions() const {
    const StructureHash hash(graph_, ops_);
    std::vector<std::tuple<double, std::uint64_t, std::int32_t>> found;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const auto node = static_cast<std::int32_t>(i);
      if (fusion_.unit_of[i] < 0) continue;
      if (ir::find(ops_, node_at(node).op).kind != ir::OpKind::contraction) continue;
      found.emplace_back(-cost_of(graph_, ops_, node_at(node)).flops, hash.of(node), node);
    }
    std::sort(found.begin(), found.end());
    std::vector<std::int32_t> nodes;
    for (const auto& each : found) nodes.push_back(std::get<2>(each));
    return nodes;
  }

  bool give(std::int32_t node) {
    const ir::ValueId result = node_at(node).results[0];
    const std::int32_t follower = reader(result);
    if (follower < 0) return false;
    Fusion::Unit& unit = fusion_.units[static_cast<std::size_t>(follower)];
    if (!unit.is_group || unit.contraction >= 0) return false;
    if (unit.space.elements() != graph_.type_of(result).elements()) return false;
    Fusion::Unit joined = unit;
    joined.contraction = node;
    joined.nodes.insert(std::lower_bound(joined.nodes.begin(), joined.nodes.end(), node), node);
    const std::int32_t before = std::exchange(unit_of(node), follower);
    // Of all values this one alone is no longer read from another unit.
    stored_[static_cast<std::size_t>(result)] = 0;
    if (takes(joined)) {
      unit = std::move(joined);
      return true;
    }
    stored_[static_cast<std::size_t>(result)] = 1;
    unit_of(node) = before;
    return false;
  }

  // Whether the group reads the result once, as it lies, and the contraction's kernel takes it.
  bool takes(Fusion::Unit& unit) const {
    const ir::Node& node = node_at(unit.contraction);
    const BuiltGroup built = build_group(graph_, ops_, unit, uniform_, stored_);
    const auto reads =
        std::count_if(built.loads.begin(), built.loads.end(),
                      [&](const GroupLoad& load) { return load.root == node.results[0]; });
    if (reads != 1 || built.loads[0].layout.offset != 0) return false;
    std::int64_t stride = 1;
    for (int axis = unit.space.rank(); axis-- > 0;) {
      const std::int64_t own = built.group.operands[0].strides[static_cast<std::size_t>(axis)];
      if (unit.space[axis] != 1 && own != stride) return false;
      stride *= unit.space[axis];
    }
    const backend::OwnedCall call(unplaced_step(graph_, ops_, node));
    unit.kernel = backend_.candidates(call.get()).front();
    std::optional<backend::PreparedCall> prepared =
        backend_.prepare(call.get(), unit.kernel, &built.group);
    if (!prepared) return false;
    unit.prepared = std::move(*prepared);
    return true;
  }

  void remove(const std::vector<std::uint8_t>& gone) {
    std::vector<std::int32_t> number(gone.size());
    std::int32_t kept = 0;
    for (std::size_t i = 0; i < gone.size(); ++i) {
      number[i] = kept;
      if (gone[i] != 0) continue;
      if (static_cast<std::size_t>(kept) != i) {
        fusion_.units[static_cast<std::size_t>(kept)] = std::move(fusion_.units[i]);
      }
      ++kept;
    }
    fusion_.units.resize(static_cast<std::size_t>(kept));
    for (std::int32_t& unit : fusion_.unit_of) {
      if (unit >= 0) unit = number[static_cast<std::size_t>(unit)];
    }
  }

  const ir::Graph& graph_;
  ir::OpList ops_;
  backend::Backend& backend_;
  Fusion& fusion_;
  std::vector<std::uint8_t> uniform_;
  std::vector<std::uint8_t> stored_;
  std::vector<std::int32_t> reader_;  // by root
};

}  // namespace

void give_epilogues(const ir::Graph& graph, ir::OpList ops, backend::Backend& backend,
                    Fusion& fusion) {
  Giver(graph, ops, backend, fusion).run();
}

}  // namespace sinter::compile_detail
