// Recording a graph again into a fresh one: how graph passes are written.
#ifndef SINTER_COMPILE_REWRITER_H_
#define SINTER_COMPILE_REWRITER_H_

#include <vector>

#include "compile/trace.h"
#include "sinter/autograd.h"
#include "tensor/apply.h"
#include "tensor/impl.h"

namespace sinter::compile_detail {

// Holds the new graph's Tensor for each value of the old one. While one lives, the thread's ops
// record into the new graph, untracked. A pass goes over the old nodes in order and either keeps
// each or sets its results to something else.
class Rewriter {
  // A tracer that shows what it has recorded.
  struct OpenTracer : Tracer {
    using Tracer::graph;
    using Tracer::payload;
  };

 public:
  Rewriter(const ir::Graph& from, ir::OpList ops)
      : Rewriter(from, ops, std::vector<std::uint8_t>(from.inputs.size(), 1)) {}
  // Leaves out the inputs for which `kept` is false: nothing may use them.
  Rewriter(const ir::Graph& from, ir::OpList ops, const std::vector<std::uint8_t>& kept)
      : from_(from), ops_(ops), tensors_(from.values.size()), scope_(&tracer_) {
    for (std::size_t i = 0; i < from.inputs.size(); ++i) {
      const ir::ValueId input = from.inputs[i];
      if (kept[i] != 0) at(input) = tracer_.add_argument(from.type_of(input));
    }
    for (const ir::StateUse& use : from.state_in) {
      at(use.value) = tracer_.add_state_in(use.state, from.type_of(use.value));
    }
  }

  Tensor& at(ir::ValueId value) { return tensors_[static_cast<std::size_t>(value)]; }

  // Until the next call, recorded nodes carry the line and module of this one.
  void set_origin(const ir::Node& node) { tracer_.set_origin(&node); }

  std::vector<Tensor> inputs_of(const ir::Node& node) {
    std::vector<Tensor> inputs;
    for (const ir::ValueId input : node.inputs) inputs.push_back(at(input));
    return inputs;
  }

  void set_results(const ir::Node& node, const std::vector<Tensor>& results) {
    for (std::size_t i = 0; i < node.results.size(); ++i) at(node.results[i]) = results[i];
  }

  // The same op on other inputs.
  std::vector<Tensor> record(const ir::Node& node, const std::vector<Tensor>& inputs) {
    return apply(ir::find(ops_, node.op), inputs, node.attributes, node.location, node.bodies);
  }

  // The new graph so far, and a Tensor for a value of it.
  const ir::Graph& recorded() const { return tracer_.graph(); }
  Tensor recorded_tensor(ir::ValueId value) const { return make_tensor(tracer_.payload(value)); }

  ir::Graph finish() {
    for (const ir::StateUse& use : from_.state_out) {
      tracer_.add_state_out(use.state, at(use.value));
    }
    std::vector<Tensor> outputs;
    for (const ir::ValueId output : from_.outputs) outputs.push_back(at(output));
    return tracer_.finish(outputs).graph;
  }

 private:
  const ir::Graph& from_;
  ir::OpList ops_;
  OpenTracer tracer_;
  std::vector<Tensor> tensors_;
  NoGradScope no_grad_;
  RecorderScope scope_;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_REWRITER_H_
