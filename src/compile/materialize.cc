// Graph to Graph: after this pass every view can be resolved into strides that its readers accept.
// Where they cannot, the value is copied to a dense one first.
#include <map>

#include "base/switches.h"
#include "compile/pass.h"
#include "compile/rewriter.h"
#include "ir/scan.h"

namespace sinter::compile_detail {

namespace {

class Materializer {
 public:
  Materializer(const ir::Graph& graph, ir::OpList ops, backend::Backend& backend)
      : graph_(graph), ops_(ops), backend_(backend), rewriter_(graph, ops) {}

  ir::Graph run() {
    for (const ir::Node& node : graph_.nodes) {
      rewriter_.set_origin(node);
      const ir::Op& op = ir::find(ops_, node.op);
      std::vector<Tensor> inputs = rewriter_.inputs_of(node);
      if (op.kind == ir::OpKind::view) {
        see(node, op, inputs[0]);
        continue;
      }
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!accepts(node, op, inputs, static_cast<int>(i))) inputs[i] = copy(inputs[i]);
      }
      rewriter_.set_results(node, rewriter_.record(node, inputs));
    }
    return rewriter_.finish();
  }

 private:
  static ir::ValueId value(const Tensor& tensor) { return tensor.impl()->payload.value; }

  // The layout of a new value on the memory that it is a view of.
  ir::Layout layout(const Tensor& tensor) const {
    const auto found = layouts_.find(value(tensor));
    return found == layouts_.end() ? ir::dense_layout(tensor.shape()) : found->second;
  }

  Tensor copy(const Tensor& tensor) {
    const auto [entry, is_new] = copies_.try_emplace(value(tensor));
    if (is_new) {
      entry->second = apply_one(ir::find(ops_, ir::OpId::copy), {{tensor}}, {}, {});
    }
    return entry->second;
  }

  void see(const ir::Node& node, const ir::Op& op, Tensor input) {
    const ir::TensorType& type = graph_.type_of(node.results[0]);
    auto seen = op.view(layout(input), type, node.attributes);
    if (!seen) {
      input = copy(input);
      seen = op.view(ir::dense_layout(input.shape()), type, node.attributes);
    }
    const std::vector<Tensor> result = rewriter_.record(node, {input});
    layouts_[value(result[0])] = *seen;
    rewriter_.set_results(node, result);
  }

  bool accepts(const ir::Node& node, const ir::Op& op, const std::vector<Tensor>& inputs,
               int input) const {
    const auto position = static_cast<std::size_t>(input);
    const ir::Layout own = layout(inputs[position]);
    if (ir::is_dense(own)) return true;
    if (op.kind == ir::OpKind::pointwise || op.kind == ir::OpKind::reduce) {
      return group_accepts(node, own);
    }
    if (!node.bodies.empty()) {
      const ir::Graph& body = *node.bodies.front();
      return ir::scan_accepts(own, body.type_of(body.inputs[position]));
    }
    // The vendor's library may run another algorithm for other strides, and round differently.
    if (op.kind == ir::OpKind::contraction && switches().disabled("strides")) return false;
    ir::Step step;
    step.op = node.op;
    step.attributes = node.attributes;
    for (const Tensor& tensor : inputs) {
      step.inputs.push_back({.buffer = {}, .dtype = tensor.dtype(), .layout = layout(tensor)});
    }
    for (const ir::ValueId result : node.results) {
      const ir::TensorType& type = graph_.type_of(result);
      step.outputs.push_back(
          {.buffer = {}, .dtype = type.dtype, .layout = ir::dense_layout(type.shape)});
    }
    return backend_.accepts(backend::OwnedCall(step).get(), input);
  }

  // An operand's innermost axis may be shorter than the loop's only by being broadcast along it.
  bool group_accepts(const ir::Node& node, const ir::Layout& own) const {
    const ir::Op& op = ir::find(ops_, node.op);
    const Shape& looped =
        graph_.type_of(op.kind == ir::OpKind::reduce ? node.inputs[0] : node.results[0]).shape;
    ir::Layout spread{looped, own.offset,
                      std::vector<std::int64_t>(static_cast<std::size_t>(looped.rank()))};
    const int offset = looped.rank() - own.shape.rank();
    for (int axis = 0; axis < own.shape.rank(); ++axis) {
      if (own.shape[axis] != 1) {
        spread.strides[static_cast<std::size_t>(axis + offset)] =
            own.strides[static_cast<std::size_t>(axis)];
      }
    }
    return backend_.group_accepts(spread);
  }

  const ir::Graph& graph_;
  ir::OpList ops_;
  backend::Backend& backend_;
  Rewriter rewriter_;
  std::map<ir::ValueId, ir::Layout> layouts_;
  std::map<ir::ValueId, Tensor> copies_;
};

}  // namespace

ir::Graph materialize(const ir::Graph& graph, ir::OpList ops, backend::Backend& backend) {
  return Materializer(graph, ops, backend).run();
}

}  // namespace sinter::compile_detail
