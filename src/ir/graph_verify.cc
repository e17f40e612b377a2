#include <fmt/format.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "ir/internal_error.h"
#include "ir/node_check.h"

namespace sinter::ir {

namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value); }

class Verifier {
 public:
  // `path` tells a scan's body from the graph around it: "node 3 (scan), body 0, ".
  Verifier(const Graph& graph, OpList ops, std::string path)
      : graph_(graph), ops_(ops), path_(std::move(path)), defined_(graph.values.size()) {}

  void run() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
      place_ = fmt::format("input {}", i);
      define(graph_.inputs[i], -1, 0);
    }
    check_state_in();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      check_node(static_cast<std::int32_t>(i), graph_.nodes[i]);
    }
    place_ = "the end";
    for (std::size_t i = 0; i < defined_.size(); ++i) {
      if (!defined_[i]) fail(fmt::format("%{} is not defined by anything", i));
    }
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      place_ = fmt::format("output {}", i);
      use(graph_.outputs[i]);
    }
    check_state_out();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InternalError(fmt::format("graph: {}{}: {}", path_, place_, what));
  }

  void range(ValueId value) const {
    if (value < 0 || at(value) >= graph_.values.size()) {
      fail(fmt::format("%{} is not one of the graph's {} values", value, graph_.values.size()));
    }
  }

  void define(ValueId value, std::int32_t node, std::int32_t result) {
    range(value);
    if (defined_[at(value)]) fail(fmt::format("%{} is defined twice", value));
    defined_[at(value)] = true;
    const Value& record = graph_.values[at(value)];
    if (record.node != node || record.result != result) {
      fail(fmt::format("%{} says that it is result {} of node {}", value, record.result,
                       record.node));
    }
  }

  void use(ValueId value) const {
    range(value);
    if (!defined_[at(value)]) fail(fmt::format("%{} is read before it is defined", value));
  }

  void check_state_in() {
    for (std::size_t i = 0; i < graph_.state_in.size(); ++i) {
      const StateUse& read = graph_.state_in[i];
      place_ = fmt::format("state {} (#{})", i, read.state);
      define(read.value, -1, 0);
      if (!read_.emplace(read.state, read.value).second) fail("the State is read in two places");
    }
  }

  void check_state_out() {
    std::unordered_map<std::uint64_t, ValueId> written;
    for (const StateUse& write : graph_.state_out) {
      place_ = fmt::format("assign #{}", write.state);
      use(write.value);
      if (!written.emplace(write.state, write.value).second) fail("the State is written twice");
      const auto read = read_.find(write.state);
      if (read != read_.end() && graph_.type_of(read->second) != graph_.type_of(write.value)) {
        fail(fmt::format("the State is {} but is given {}", graph_.type_of(read->second).to_text(),
                         graph_.type_of(write.value).to_text()));
      }
    }
  }

  void check_node(std::int32_t index, const Node& node) {
    place_ = fmt::format("node {}", index);
    if (static_cast<int>(node.op) >= kOpCount || ops_.size() != std::size_t{kOpCount}) {
      fail("it has no op of the list");
    }
    place_ += fmt::format(" ({})", find(ops_, node.op).name);
    const std::string line = node.location.to_string();
    if (!line.empty()) place_ += " at " + line;
    std::vector<TensorType> inputs;
    for (const ValueId input : node.inputs) {
      use(input);
      inputs.push_back(graph_.type_of(input));
    }
    for (std::size_t i = 0; i < node.bodies.size(); ++i) {
      if (node.bodies[i] == nullptr) fail(fmt::format("body {} is missing", i));
      Verifier(*node.bodies[i], ops_, fmt::format("{}{}, body {}, ", path_, place_, i)).run();
    }
    for (std::size_t i = 0; i < node.results.size(); ++i) {
      define(node.results[i], index, static_cast<std::int32_t>(i));
    }
    std::vector<TensorType> results;
    for (const ValueId result : node.results) results.push_back(graph_.type_of(result));
    const std::string problem = check_types(node, inputs, results, ops_);
    if (!problem.empty()) fail(problem);
  }

  const Graph& graph_;
  OpList ops_;
  std::string path_;
  std::string place_;
  std::vector<bool> defined_;
  std::unordered_map<std::uint64_t, ValueId> read_;
};

}  // namespace

std::string check_types(const Node& node, const std::vector<TensorType>& inputs,
                        const std::vector<TensorType>& results, OpList ops) {
  const Op& op = find(ops, node.op);
  if (op.infer == nullptr) return "the op cannot infer its types";
  std::vector<const Graph*> bodies;
  for (const auto& body : node.bodies) bodies.push_back(body.get());
  std::vector<TensorType> types;
  try {
    types = infer(op, {inputs, node.attributes, bodies});
  } catch (const Error& error) {
    return error.what();
  } catch (const InternalError& error) {
    return error.what();
  }
  if (types.empty() || types.size() != results.size()) {
    return fmt::format("{} results, but {} gives {}", results.size(), op.name, types.size());
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] == results[i]) continue;
    return fmt::format("result {} is {}, but {} gives {}", i, results[i].to_text(), op.name,
                       types[i].to_text());
  }
  return "";
}

void verify(const Graph& graph, OpList ops) { Verifier(graph, ops, "").run(); }

}  // namespace sinter::ir
