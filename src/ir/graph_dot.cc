#include <fmt/format.h>

#include <iterator>
#include <string>

#include "ir/attributes_text.h"
#include "ir/graph.h"

namespace sinter::ir {

namespace {

using Out = std::back_insert_iterator<std::string>;

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result;
}

// One picture per graph: `prefix` keeps the names of a body's nodes apart from those around it.
class Drawing {
 public:
  Drawing(const Graph& graph, OpList ops, std::string prefix, std::string& text)
      : graph_(graph), ops_(ops), prefix_(std::move(prefix)), text_(text) {}

  void run() {
    for (const ValueId input : graph_.inputs) leaf(input, "input");
    for (const StateUse& read : graph_.state_in) {
      leaf(read.value, fmt::format("state #{}", read.state));
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) node(i);
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      end(fmt::format("o{}", i), "output", graph_.outputs[i]);
    }
    for (const StateUse& write : graph_.state_out) {
      end(fmt::format("a{}", write.state), fmt::format("assign #{}", write.state), write.value);
    }
  }

 private:
  std::string name_of_source(ValueId value) const {
    const Value& record = graph_.values[static_cast<std::size_t>(value)];
    return record.node < 0 ? fmt::format("{}v{}", prefix_, value)
                           : fmt::format("{}n{}", prefix_, record.node);
  }

  void leaf(ValueId value, const std::string& kind) {
    fmt::format_to(Out(text_), "  \"{}v{}\" [label=\"{}\\n{}\", shape=ellipse];\n", prefix_, value,
                   kind, graph_.type_of(value).to_text());
  }

  void edge(ValueId value, const std::string& to) {
    fmt::format_to(Out(text_), "  \"{}\" -> \"{}\" [label=\"%{} {}\"];\n", name_of_source(value),
                   to, value, graph_.type_of(value).to_text());
  }

  void end(const std::string& name, const std::string& kind, ValueId value) {
    fmt::format_to(Out(text_), "  \"{}{}\" [label=\"{}\", shape=ellipse];\n", prefix_, name, kind);
    edge(value, prefix_ + name);
  }

  void node(std::size_t index) {
    const Node& node = graph_.nodes[index];
    const std::string name = fmt::format("{}n{}", prefix_, index);
    const Op& op = find(ops_, node.op);
    const std::string label = op.name + to_text(op, node.attributes);
    const std::string line = node.location.to_string();
    fmt::format_to(Out(text_), "  \"{}\" [label=\"{}\", tooltip=\"{}\"];\n", name, escaped(label),
                   escaped(node.scope + (line.empty() ? "" : " " + line)));
    for (const ValueId input : node.inputs) edge(input, name);
    for (std::size_t i = 0; i < node.bodies.size(); ++i) {
      const std::string inner = fmt::format("{}b{}_", name, i);
      fmt::format_to(Out(text_), "  subgraph \"cluster_{}\" {{\n  label=\"body {} of %{}\";\n",
                     inner, i, node.results.empty() ? -1 : node.results[0]);
      Drawing(*node.bodies[i], ops_, inner, text_).run();
      text_ += "  }\n";
    }
  }

  const Graph& graph_;
  OpList ops_;
  std::string prefix_;
  std::string& text_;
};

}  // namespace

std::string to_dot(const Graph& graph, OpList ops) {
  std::string text = "digraph sinter {\n  node [shape=box];\n";
  Drawing(graph, ops, "", text).run();
  return text + "}\n";
}

}  // namespace sinter::ir
