// A traced computation: nodes in the order in which they were recorded, each the single definition
// of its results (SSA). What passes read and rewrite; a Program is planned from it.
#ifndef SINTER_IR_GRAPH_H_
#define SINTER_IR_GRAPH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/op.h"
#include "sinter/error.h"

namespace sinter::ir {

using ValueId = std::int32_t;

struct Value {
  TensorType type;
  std::int32_t node = -1;   // the node that defines it; -1: an input of the graph or a state read
  std::int32_t result = 0;  // which of the node's results
};

struct Node {
  OpId op = OpId::count;
  Attributes attributes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> results;
  std::vector<std::shared_ptr<const Graph>> bodies;  // scan: one
  SourceLocation location;                           // the user's line that recorded it
  std::string scope;                                 // the module it belongs to: "conv1"
};

// A State that the graph reads (value on entry) or writes (value on exit).
struct StateUse {
  std::uint64_t state = 0;
  ValueId value = -1;
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;  // every input of a node is defined before it
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<StateUse> state_in;   // in the order of first reading, each State once
  std::vector<StateUse> state_out;  // each State once, in the order of first assignment

  ValueId add_input(const TensorType& type);
  ValueId add_state_in(std::uint64_t state, const TensorType& type);
  // Appends a node; its results get fresh values of `types`. Returns the node's index.
  std::int32_t add_node(Node node, const std::vector<TensorType>& types);

  const TensorType& type_of(ValueId value) const {
    return values[static_cast<std::size_t>(value)].type;
  }
};

// How often each value is read: by nodes, outputs and state_out.
std::vector<int> count_uses(const Graph& graph);

// Text, starting with "sinter-graph 1". parse_graph(to_text(g), ops) is the same graph (source
// lines and scopes are printed as comments and not read back). Doubles are hex floats.
std::string to_text(const Graph& graph, OpList ops);
// Throws Error naming line and what was expected. Older versions stay readable.
Graph parse_graph(std::string_view text, OpList ops);
// Graphviz, for SINTER_DUMP.
std::string to_dot(const Graph& graph, OpList ops);

// Throws InternalError naming the node when the graph breaks a rule: order, ranges, single
// definition, types that infer() does not give, states written twice.
void verify(const Graph& graph, OpList ops);

// Same nodes, types, attributes, states; source lines and scopes may differ. Returns the index of
// the first node that differs, -1 when the graphs are equal, nodes.size() when only the ends
// differ.
std::int32_t first_difference(const Graph& a, const Graph& b);

}  // namespace sinter::ir

#endif  // SINTER_IR_GRAPH_H_
