// Graph to Graph: what is written twice is computed once, and what nothing reads is not computed.
#include <map>
#include <string>

#include "compile/pass.h"
#include "compile/rewriter.h"
#include "sinter/ops.h"

namespace sinter::compile_detail {

namespace {

std::vector<std::uint8_t> live_nodes(const ir::Graph& graph) {
  std::vector<std::uint8_t> live(graph.nodes.size());
  const auto mark = [&](ir::ValueId value) {
    const std::int32_t node = graph.values[static_cast<std::size_t>(value)].node;
    if (node >= 0) live[static_cast<std::size_t>(node)] = 1;
  };
  for (const ir::ValueId output : graph.outputs) mark(output);
  for (const ir::StateUse& use : graph.state_out) mark(use.value);
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (live[i] == 0) continue;
    for (const ir::ValueId input : graph.nodes[i].inputs) mark(input);
  }
  return live;
}

// Two nodes with one key compute the same: ops are pure.
std::string key_of(const ir::Node& node, const std::vector<Tensor>& inputs) {
  std::string key = std::to_string(static_cast<int>(node.op));
  for (const Tensor& input : inputs) key += "," + std::to_string(input.impl()->payload.value);
  const auto append = [&key](const auto& number) {
    key.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  // Values say all: a node's attributes are those of its op's schema, in its order.
  for (const auto& [name, value] : node.attributes.entries()) {
    key += ";";
    if (const auto* integer = std::get_if<std::int64_t>(&value)) append(*integer);
    if (const auto* real = std::get_if<double>(&value)) append(*real);
    if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
      append(list->size());
      for (const std::int64_t each : *list) append(each);
    }
  }
  for (const auto& body : node.bodies)
    key += "@" + std::to_string(reinterpret_cast<std::uintptr_t>(body.get()));
  return key;
}

}  // namespace

ir::Graph expand(const ir::Graph& graph, ir::OpList ops) {
  Rewriter rewriter(graph, ops);
  bool found = false;
  for (const ir::Node& node : graph.nodes) {
    const ir::Op& op = ir::find(ops, node.op);
    rewriter.set_origin(node);
    if (op.compose == nullptr) {
      rewriter.set_results(node, rewriter.record(node, rewriter.inputs_of(node)));
      continue;
    }
    found = true;
    rewriter.set_results(node, op.compose(rewriter.inputs_of(node), node.attributes));
  }
  ir::Graph expanded = rewriter.finish();
  // Compositions may use composites.
  return found ? expand(expanded, ops) : expanded;
}

ir::Graph simplify(const ir::Graph& graph, ir::OpList ops) {
  Rewriter rewriter(graph, ops);
  const std::vector<std::uint8_t> live = live_nodes(graph);
  std::map<std::string, std::vector<Tensor>> known;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (live[i] == 0) continue;
    const ir::Node& node = graph.nodes[i];
    rewriter.set_origin(node);
    const std::vector<Tensor> inputs = rewriter.inputs_of(node);
    const auto [entry, is_new] = known.try_emplace(key_of(node, inputs));
    if (is_new) entry->second = rewriter.record(node, inputs);
    rewriter.set_results(node, entry->second);
  }
  return rewriter.finish();
}

std::vector<std::uint8_t> uniform_values(const ir::Graph& graph, ir::OpList ops) {
  std::vector<std::uint8_t> uniform(graph.values.size());
  for (const ir::Node& node : graph.nodes) {
    const ir::OpKind kind = ir::find(ops, node.op).kind;
    bool all =
        ir::find(ops, node.op).is_constant ||
        (!node.inputs.empty() && (kind == ir::OpKind::pointwise || kind == ir::OpKind::view));
    for (const ir::ValueId input : node.inputs) {
      all = all && uniform[static_cast<std::size_t>(input)] != 0;
    }
    for (const ir::ValueId result : node.results) {
      uniform[static_cast<std::size_t>(result)] = all ? 1 : 0;
    }
  }
  return uniform;
}

}  // namespace sinter::compile_detail
