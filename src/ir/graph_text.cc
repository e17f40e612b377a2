#include <fmt/format.h>

#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "ir/attributes_text.h"
#include "ir/graph.h"

namespace sinter::ir {

namespace {

using Out = std::back_insert_iterator<std::string>;

// Comments stand on the line of what they speak of; a scope with a line break in it must not end
// them.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

std::string comment(const Node& node) {
  std::string text = node.location.to_string();
  if (!node.scope.empty()) text += (text.empty() ? "" : " ") + node.scope;
  return text.empty() ? text : "  ; " + one_line(std::move(text));
}

std::string value_list(const std::vector<ValueId>& values) {
  std::string text;
  for (const ValueId value : values) {
    fmt::format_to(Out(text), "{}%{}", text.empty() ? "" : ", ", value);
  }
  return text;
}

void print_graph(const Graph& graph, OpList ops, const std::string& indent, std::string& text);

void print_node(const Graph& graph, const Node& node, OpList ops, const std::string& indent,
                std::string& text) {
  text += indent;
  for (std::size_t i = 0; i < node.results.size(); ++i) {
    fmt::format_to(Out(text), "{}%{}: {}", i == 0 ? "" : ", ", node.results[i],
                   graph.type_of(node.results[i]).to_text());
  }
  fmt::format_to(Out(text), " = {}({})", find(ops, node.op).name, value_list(node.inputs));
  text += to_text(find(ops, node.op), node.attributes);
  if (node.bodies.empty()) {
    text += comment(node) + "\n";
    return;
  }
  for (std::size_t i = 0; i < node.bodies.size(); ++i) {
    text += (i == 0 ? " body {" + comment(node) : indent + "} body {") + "\n";
    print_graph(*node.bodies[i], ops, indent + "  ", text);
  }
  text += indent + "}\n";
}

void print_graph(const Graph& graph, OpList ops, const std::string& indent, std::string& text) {
  for (const ValueId input : graph.inputs) {
    fmt::format_to(Out(text), "{}input %{}: {}\n", indent, input, graph.type_of(input).to_text());
  }
  for (const StateUse& read : graph.state_in) {
    fmt::format_to(Out(text), "{}state %{}: {} = #{}\n", indent, read.value,
                   graph.type_of(read.value).to_text(), read.state);
  }
  for (const Node& node : graph.nodes) print_node(graph, node, ops, indent, text);
  for (const ValueId output : graph.outputs) {
    fmt::format_to(Out(text), "{}output %{}\n", indent, output);
  }
  for (const StateUse& write : graph.state_out) {
    fmt::format_to(Out(text), "{}assign #{} = %{}\n", indent, write.state, write.value);
  }
}

}  // namespace

std::string to_text(const Graph& graph, OpList ops) {
  std::string text = "sinter-graph 1\n";
  print_graph(graph, ops, "", text);
  return text;
}

}  // namespace sinter::ir
