#include "ir/graph.h"

#include <algorithm>
#include <utility>

namespace sinter::ir {

namespace {

constexpr ValueId kUnmapped = -1;

// Which value of the second graph plays the part of each value of the first.
using ValueMap = std::vector<ValueId>;

std::size_t at(ValueId value) { return static_cast<std::size_t>(value); }

bool same_leaves(const Graph& a, const Graph& b, ValueMap& map) {
  bool same = a.inputs.size() == b.inputs.size() && a.state_in.size() == b.state_in.size();
  for (std::size_t i = 0; i < std::min(a.inputs.size(), b.inputs.size()); ++i) {
    if (a.type_of(a.inputs[i]) == b.type_of(b.inputs[i])) {
      map[at(a.inputs[i])] = b.inputs[i];
    } else {
      same = false;
    }
  }
  for (std::size_t i = 0; i < std::min(a.state_in.size(), b.state_in.size()); ++i) {
    const StateUse& x = a.state_in[i];
    const StateUse& y = b.state_in[i];
    if (x.state == y.state && a.type_of(x.value) == b.type_of(y.value)) {
      map[at(x.value)] = y.value;
    } else {
      same = false;
    }
  }
  return same;
}

bool same_values(const std::vector<ValueId>& a, const std::vector<ValueId>& b,
                 const ValueMap& map) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](ValueId x, ValueId y) { return map[at(x)] == y; });
}

bool same_node(const Graph& a, const Node& x, const Graph& b, const Node& y, const ValueMap& map) {
  if (x.op != y.op || !(x.attributes == y.attributes) || !same_values(x.inputs, y.inputs, map)) {
    return false;
  }
  return std::equal(x.results.begin(), x.results.end(), y.results.begin(), y.results.end(),
                    [&](ValueId r, ValueId s) { return a.type_of(r) == b.type_of(s); }) &&
         std::equal(x.bodies.begin(), x.bodies.end(), y.bodies.begin(), y.bodies.end(),
                    [](const auto& r, const auto& s) { return first_difference(*r, *s) == -1; });
}

}  // namespace

ValueId Graph::add_input(const TensorType& type) {
  const auto value = static_cast<ValueId>(values.size());
  values.push_back({type, -1, 0});
  inputs.push_back(value);
  return value;
}

ValueId Graph::add_state_in(std::uint64_t state, const TensorType& type) {
  const auto value = static_cast<ValueId>(values.size());
  values.push_back({type, -1, 0});
  state_in.push_back({state, value});
  return value;
}

std::int32_t Graph::add_node(Node node, const std::vector<TensorType>& types) {
  const auto index = static_cast<std::int32_t>(nodes.size());
  node.results.clear();
  for (std::size_t i = 0; i < types.size(); ++i) {
    node.results.push_back(static_cast<ValueId>(values.size()));
    values.push_back({types[i], index, static_cast<std::int32_t>(i)});
  }
  nodes.push_back(std::move(node));
  return index;
}

std::vector<int> count_uses(const Graph& graph) {
  std::vector<int> uses(graph.values.size());
  for (const Node& node : graph.nodes) {
    for (const ValueId input : node.inputs) ++uses[at(input)];
  }
  for (const ValueId output : graph.outputs) ++uses[at(output)];
  for (const StateUse& write : graph.state_out) ++uses[at(write.value)];
  return uses;
}

std::int32_t first_difference(const Graph& a, const Graph& b) {
  ValueMap map(a.values.size(), kUnmapped);
  const bool leaves = same_leaves(a, b, map);
  const std::size_t shared = std::min(a.nodes.size(), b.nodes.size());
  for (std::size_t i = 0; i < shared; ++i) {
    const Node& x = a.nodes[i];
    const Node& y = b.nodes[i];
    if (!same_node(a, x, b, y, map)) return static_cast<std::int32_t>(i);
    for (std::size_t r = 0; r < x.results.size(); ++r) map[at(x.results[r])] = y.results[r];
  }
  const bool ends = leaves && a.nodes.size() == b.nodes.size() &&
                    same_values(a.outputs, b.outputs, map) &&
                    std::equal(a.state_out.begin(), a.state_out.end(), b.state_out.begin(),
                               b.state_out.end(), [&](const StateUse& x, const StateUse& y) {
                                 return x.state == y.state && map[at(x.value)] == y.value;
                               });
  return ends ? -1 : static_cast<std::int32_t>(shared);
}

}  // namespace sinter::ir
