// Graph to Graph: a scan computes and keeps only what is read. A scan whose gradient is never taken
// saves no carries this way.
#include "compile/pass.h"
#include "compile/rewriter.h"
#include "ir/scan.h"

namespace sinter::compile_detail {

namespace {

std::size_t at(ir::ValueId value) { return static_cast<std::size_t>(value); }

// A scan without what nothing reads.
struct TrimmedScan {
  std::shared_ptr<const ir::Graph> body;
  std::vector<std::uint8_t> inputs;   // which are left
  std::vector<std::uint8_t> results;  // which are left
};

// What the outputs need: values, and the scans among the nodes trimmed to it.
struct Needs {
  std::vector<std::uint8_t> values;
  std::map<std::size_t, TrimmedScan> scans;  // by node; those that lose something
};

Needs find_needs(const ir::Graph& graph, ir::OpList ops);

bool is_needed(const Needs& needs, const ir::Node& node) {
  for (const ir::ValueId result : node.results) {
    if (needs.values[at(result)] != 0) return true;
  }
  return false;
}

// Records what is needed of `graph`: its inputs for which `inputs` is true, and the nodes that its
// outputs need.
ir::Graph record_needed(const ir::Graph& graph, ir::OpList ops, const Needs& needs,
                        const std::vector<std::uint8_t>& inputs);

TrimmedScan trim(const ir::Node& node, const Needs& outer, ir::OpList ops) {
  const std::size_t carries = ir::scan_attributes(node.attributes).carries;
  ir::Graph body = *node.bodies.front();
  TrimmedScan trimmed;
  std::vector<ir::ValueId> outputs;
  for (std::size_t i = 0; i < node.results.size(); ++i) {
    const bool is_left = i < carries || outer.values[at(node.results[i])] != 0;
    trimmed.results.push_back(is_left ? 1 : 0);
    if (is_left) outputs.push_back(body.outputs[i]);
  }
  body.outputs = std::move(outputs);
  const Needs needs = find_needs(body, ops);
  for (std::size_t i = 0; i < body.inputs.size(); ++i) {
    trimmed.inputs.push_back(i < carries ? 1 : needs.values[at(body.inputs[i])]);
  }
  trimmed.body = std::make_shared<const ir::Graph>(record_needed(body, ops, needs, trimmed.inputs));
  return trimmed;
}

bool loses_something(const TrimmedScan& scan, const ir::Graph& body) {
  return scan.body->inputs.size() != body.inputs.size() ||
         scan.body->outputs.size() != body.outputs.size() ||
         scan.body->nodes.size() != body.nodes.size();
}

Needs find_needs(const ir::Graph& graph, ir::OpList ops) {
  Needs needs;
  needs.values.resize(graph.values.size());
  for (const ir::ValueId output : graph.outputs) needs.values[at(output)] = 1;
  for (const ir::StateUse& use : graph.state_out) needs.values[at(use.value)] = 1;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const ir::Node& node = graph.nodes[i];
    if (!is_needed(needs, node)) continue;
    std::vector<std::uint8_t> inputs(node.inputs.size(), 1);
    if (!node.bodies.empty()) {
      TrimmedScan scan = trim(node, needs, ops);
      inputs = scan.inputs;
      if (loses_something(scan, *node.bodies.front())) needs.scans[i] = std::move(scan);
    }
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (inputs[j] != 0) needs.values[at(node.inputs[j])] = 1;
    }
  }
  return needs;
}

void record_trimmed(Rewriter& rewriter, const ir::Node& node, const TrimmedScan& scan,
                    ir::OpList ops) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (scan.inputs[i] != 0) inputs.push_back(rewriter.at(node.inputs[i]));
  }
  const ir::ScanAttributes had = ir::scan_attributes(node.attributes);
  const ir::Attributes attributes{{"length", had.length},
                                  {"carries", static_cast<std::int64_t>(had.carries)},
                                  {"reverse", std::int64_t{had.reverse ? 1 : 0}}};
  const std::vector<Tensor> results =
      apply(ir::find(ops, node.op), inputs, attributes, node.location, {{scan.body}});
  std::size_t next = 0;
  for (std::size_t i = 0; i < node.results.size(); ++i) {
    if (scan.results[i] != 0) rewriter.at(node.results[i]) = results[next++];
  }
}

ir::Graph record_needed(const ir::Graph& graph, ir::OpList ops, const Needs& needs,
                        const std::vector<std::uint8_t>& inputs) {
  Rewriter rewriter(graph, ops, inputs);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const ir::Node& node = graph.nodes[i];
    if (!is_needed(needs, node)) continue;
    rewriter.set_origin(node);
    const auto scan = needs.scans.find(i);
    if (scan != needs.scans.end()) {
      record_trimmed(rewriter, node, scan->second, ops);
    } else {
      rewriter.set_results(node, rewriter.record(node, rewriter.inputs_of(node)));
    }
  }
  return rewriter.finish();
}

}  // namespace

ir::Graph trim_scans(const ir::Graph& graph, ir::OpList ops) {
  const Needs needs = find_needs(graph, ops);
  if (needs.scans.empty()) return graph;
  return record_needed(graph, ops, needs, std::vector<std::uint8_t>(graph.inputs.size(), 1));
}

}  // namespace sinter::compile_detail
