#include "compile/traced_function.h"

#include <cstring>
#include <utility>

#include "ops/list.h"
#include "sinter/state_scope.h"
#include "tensor/recorder.h"

namespace sinter::compile_detail {

namespace {

// No values and nodes, but their memory.
ir::Graph emptied(ir::Graph graph) {
  graph.values.clear();
  graph.nodes.clear();
  graph.inputs.clear();
  graph.outputs.clear();
  graph.state_in.clear();
  graph.state_out.clear();
  return graph;
}

// The same memory, or equal elements: a constant that the function makes anew at every trace.
bool same_captured(const Tensor& a, const Tensor& b) {
  const Payload& x = a.impl()->payload;
  const Payload& y = b.impl()->payload;
  if (x.storage == y.storage && x.offset == y.offset) return true;
  const auto bytes = static_cast<std::size_t>(x.type.bytes());
  return x.type == y.type &&
         (bytes == 0 || std::memcmp(HostBytes(x).data(), HostBytes(y).data(), bytes) == 0);
}

// The first that is another one; a.size(): none is. REQUIRES: as many of both.
std::size_t first_other_captured(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  std::size_t i = 0;
  while (i < a.size() && same_captured(a[i], b[i])) ++i;
  return i;
}

std::string describe(const ir::Graph& graph, std::size_t node) {
  if (node >= graph.nodes.size()) return "nothing";
  const ir::Node& found = graph.nodes[node];
  std::string text = ir::find(op_list(), found.op).name;
  for (const auto& [key, value] : found.attributes.entries()) {
    if (const auto* real = std::get_if<double>(&value)) text += " " + std::to_string(*real);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      text += " " + key + "=" + std::to_string(*integer);
    }
  }
  return text + " at " + found.location.to_string();
}

}  // namespace

Trace TracedFunction::trace(const Signature& signature, ir::Graph room) const {
  Tracer tracer(std::move(room));
  std::vector<Tensor> arguments;
  for (const ir::TensorType& type : signature.arguments) {
    arguments.push_back(tracer.add_argument(type));
  }
  std::vector<Tensor> results;
  {
    const RecorderScope scope(&tracer);
    const AssignmentScope::Pause not_the_callers;
    results = function_(arguments);
  }
  return tracer.finish(results);
}

bool TracedFunction::is_unchanged(const Signature& signature, bool may_differ, Recording* recording,
                                  std::vector<Tensor>* captured) const {
  Trace again = trace(signature, std::move(recording->room));
  const std::int32_t node = ir::first_difference(recording->graph, again.graph);
  if (node >= 0) {
    if (may_differ) return false;
    raise_changed(recording->graph, again.graph, static_cast<std::size_t>(node));
  }
  const std::size_t other = first_other_captured(*captured, again.captured);
  if (other < captured->size()) {
    if (may_differ) return false;
    raise({.where = name_,
           .what = "a Tensor that the function captures is another one than when it was traced",
           .got = again.captured[other].to_string(),
           .expected = {},
           .hint = "pass it as an argument, or keep it in a State"});
  }
  *captured = std::move(again.captured);
  recording->room = emptied(std::move(again.graph));
  return true;
}

void TracedFunction::raise_changed(const ir::Graph& before, const ir::Graph& after,
                                   std::size_t node) const {
  raise({.where = name_,
         .what = "the function does something else than when it was traced",
         .got = describe(after, node),
         .expected = describe(before, node),
         .hint = "a C++ value that changes between calls must be an argument or a State"});
}

}  // namespace sinter::compile_detail
