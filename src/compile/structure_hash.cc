#include "compile/structure_hash.h"

#include <algorithm>
#include <bit>
#include <string_view>

namespace sinter::compile_detail {

namespace {

// One step of splitmix64.
std::uint64_t mix(std::uint64_t hash, std::uint64_t number) {
  std::uint64_t z = hash + number + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t mix_text(std::uint64_t hash, std::string_view text) {
  for (const char letter : text) hash = mix(hash, static_cast<unsigned char>(letter));
  return hash;
}

std::uint64_t mix_attributes(std::uint64_t hash, const ir::Attributes& attributes) {
  for (const auto& [name, value] : attributes.entries()) {
    hash = mix_text(hash, name);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      hash = mix(hash, static_cast<std::uint64_t>(*integer));
    } else if (const auto* real = std::get_if<double>(&value)) {
      hash = mix(hash, std::bit_cast<std::uint64_t>(*real));
    } else {
      for (const std::int64_t each : std::get<std::vector<std::int64_t>>(value)) {
        hash = mix(hash, static_cast<std::uint64_t>(each));
      }
    }
  }
  return hash;
}

std::uint64_t mix_type(std::uint64_t hash, const ir::TensorType& type) {
  hash = mix(hash, static_cast<std::uint64_t>(type.dtype));
  for (const std::int64_t length : type.shape) hash = mix(hash, static_cast<std::uint64_t>(length));
  return hash;
}

}  // namespace

StructureHash::StructureHash(const ir::Graph& graph, ir::OpList ops) : nodes_(graph.nodes.size()) {
  enum Leaf : std::uint64_t { input_leaf = 1, state_leaf = 2 };
  std::vector<std::uint64_t> values(graph.values.size());
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    values[static_cast<std::size_t>(graph.inputs[i])] = mix(mix(0, input_leaf), i);
  }
  std::vector<ir::StateUse> states = graph.state_in;
  std::sort(states.begin(), states.end(),
            [](const ir::StateUse& a, const ir::StateUse& b) { return a.state < b.state; });
  for (std::size_t i = 0; i < states.size(); ++i) {
    values[static_cast<std::size_t>(states[i].value)] = mix(mix(0, state_leaf), i);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const ir::Node& node = graph.nodes[i];
    std::uint64_t hash = mix_text(0, ir::find(ops, node.op).name);
    hash = mix_attributes(hash, node.attributes);
    for (const ir::ValueId value : node.inputs) {
      hash = mix(hash, values[static_cast<std::size_t>(value)]);
    }
    for (const ir::ValueId value : node.results) hash = mix_type(hash, graph.type_of(value));
    for (const auto& body : node.bodies) hash = mix(hash, body->nodes.size());
    nodes_[i] = hash;
    for (std::size_t result = 0; result < node.results.size(); ++result) {
      values[static_cast<std::size_t>(node.results[result])] = mix(hash, result);
    }
  }
}

}  // namespace sinter::compile_detail
