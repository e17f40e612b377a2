// Mixed precision: which values are kept in 16 bits, and where they are rounded. No module and no op
// knows of it: the pass reads Op::precision.
//
// A value that a contraction reads is rounded where it is made, and everything else in the graph reads
// the rounded value, so that memory holds it once, in 16 bits. A value that is also a result of the
// program, or a State's new value, keeps its exact form there.
#include <algorithm>
#include <optional>

#include "compile/pass.h"
#include "compile/rewriter.h"
#include "sinter/ops.h"

namespace sinter::compile_detail {

namespace {

class PrecisionPass {
 public:
  PrecisionPass(const ir::Graph& graph, ir::OpList ops, Dtype low, const LowCopyOf& copy_of)
      : graph_(graph),
        ops_(ops),
        low_(low),
        copy_of_(copy_of),
        rewriter_(graph, ops),
        wants_low_(graph.values.size()),
        leads_on_(graph.values.size()),
        exact_(graph.values.size()),
        rounded_(graph.values.size()),
        born_low_(graph.values.size()) {}

  ir::Graph run() {
    look_ahead();
    for (const ir::ValueId input : graph_.inputs) exact(input) = rewriter_.at(input);
    for (const ir::StateUse& use : graph_.state_in) add_state(use);
    for (const ir::Node& node : graph_.nodes) {
      rewriter_.set_origin(node);
      if (is_low(node)) {
        add_contraction(node);
      } else if (moves(node) && op_of(node).kind != ir::OpKind::view) {
        add_move(node);
      } else if (!moves(node)) {
        add_full(node);
      }
    }
    finish();
    return rewriter_.finish();
  }

 private:
  const ir::Op& op_of(const ir::Node& node) const { return ir::find(ops_, node.op); }
  Dtype dtype_of(ir::ValueId value) const { return graph_.type_of(value).dtype; }
  Tensor& exact(ir::ValueId value) { return exact_[static_cast<std::size_t>(value)]; }
  Tensor& rounded(ir::ValueId value) { return rounded_[static_cast<std::size_t>(value)]; }
  bool wants_low(ir::ValueId value) const {
    return wants_low_[static_cast<std::size_t>(value)] != 0;
  }
  bool leads_on(ir::ValueId value) const { return leads_on_[static_cast<std::size_t>(value)] != 0; }
  const ir::Node* producer(ir::ValueId value) const {
    const std::int32_t node = graph_.values[static_cast<std::size_t>(value)].node;
    return node < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(node)];
  }

  bool is_low(const ir::Node& node) const {
    return op_of(node).precision == ir::Precision::low && dtype_of(node.inputs[0]) == Dtype::f32;
  }

  // Moves f32 elements without computing with them: the same on rounded ones. Its first input holds
  // them.
  bool moves(const ir::Node& node) const {
    const ir::Op& op = op_of(node);
    if (node.inputs.empty() || dtype_of(node.inputs[0]) != Dtype::f32) return false;
    if (op.kind == ir::OpKind::view) return true;
    return op.kind == ir::OpKind::opaque && op.precision == ir::Precision::follow &&
           op.inputs[0].dtypes.has(low_) && dtype_of(node.results[0]) == Dtype::f32;
  }

  // From the last node to the first: what contractions read, through moves too, and what leads on to
  // one.
  void look_ahead() {
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      const ir::Node& node = graph_.nodes[i];
      const bool low = is_low(node);
      const bool passes_on = low || std::any_of(node.results.begin(), node.results.end(),
                                                [&](ir::ValueId each) { return leads_on(each); });
      for (const ir::ValueId input : node.inputs) {
        const auto at = static_cast<std::size_t>(input);
        if (passes_on) leads_on_[at] = 1;
        if (low) wants_low_[at] = 1;
      }
      if (moves(node) && wants_low(node.results[0])) {
        for (const ir::ValueId input : node.inputs) {
          if (dtype_of(input) == Dtype::f32) wants_low_[static_cast<std::size_t>(input)] = 1;
        }
      }
    }
  }

  void add_state(const ir::StateUse& use) {
    exact(use.value) = rewriter_.at(use.value);
    if (!wants_low(use.value) || !copy_of_ || dtype_of(use.value) != Dtype::f32) return;
    const std::uint64_t copy = copy_of_(use.state);
    copies_.emplace_back(use.state, copy);
    rounded(use.value) = rewriter_.add_state_in(copy, {low_, graph_.type_of(use.value).shape});
  }

  void add_contraction(const ir::Node& node) {
    std::vector<Tensor> inputs;
    for (const ir::ValueId input : node.inputs) inputs.push_back(low(input));
    rewriter_.set_origin(node);
    const ir::ValueId result = node.results[0];
    const bool stays_low = leads_on(result);
    born_low_[static_cast<std::size_t>(result)] = stays_low ? 1 : 0;
    ir::Attributes attributes;
    for (const auto& [name, value] : node.attributes.entries()) {
      if (name != "dtype") attributes.add(name, value);
    }
    attributes.add("dtype", static_cast<std::int64_t>(stays_low ? low_ : Dtype::f32));
    const Tensor made = apply(op_of(node), inputs, attributes, node.location, node.bodies)[0];
    (stays_low ? rounded(result) : exact(result)) = made;
  }

  // A kernel that moves elements: in 16 bits where its input is there, or is wanted behind it, in
  // 16 bits alone.
  void add_move(const ir::Node& node) {
    const bool in_low = wants_low(node.results[0]) || is_born_low(node.inputs[0]);
    std::vector<Tensor> inputs;
    for (const ir::ValueId input : node.inputs) {
      inputs.push_back(in_low && dtype_of(input) == Dtype::f32 ? low(input) : full(input));
    }
    rewriter_.set_origin(node);
    const std::vector<Tensor> results = rewriter_.record(node, inputs);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const bool is_low_result = in_low && dtype_of(node.results[i]) == Dtype::f32;
      (is_low_result ? rounded(node.results[i]) : exact(node.results[i])) = results[i];
      born_low_[static_cast<std::size_t>(node.results[i])] = is_low_result ? 1 : 0;
    }
  }

  void add_full(const ir::Node& node) {
    std::vector<Tensor> inputs;
    for (const ir::ValueId input : node.inputs) inputs.push_back(full(input));
    rewriter_.set_origin(node);
    const std::vector<Tensor> results = rewriter_.record(node, inputs);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ir::ValueId result = node.results[i];
      exact(result) = results[i];
      if (wants_low(result) && dtype_of(result) == Dtype::f32) {
        rounded(result) = cast(results[i], low_);
        born_low_[static_cast<std::size_t>(result)] = 1;
      }
    }
  }

  // Whether the graph's nodes read the value in 16 bits. (The program's inputs and States are in
  // memory in f32 anyway.)
  bool is_born_low(ir::ValueId value) const {
    const ir::Node* const view = view_of(value);
    return view != nullptr ? is_born_low(view->inputs[0])
                           : born_low_[static_cast<std::size_t>(value)] != 0;
  }

  // The view of f32 elements that the value is; null: none.
  const ir::Node* view_of(ir::ValueId value) const {
    const ir::Node* const node = producer(value);
    return node != nullptr && op_of(*node).kind == ir::OpKind::view && moves(*node) ? node
                                                                                    : nullptr;
  }

  // The value in 16 bits. Views are recorded when they are asked for, in the type that is asked for.
  Tensor low(ir::ValueId value) {
    if (rounded(value).defined()) return rounded(value);
    if (const ir::Node* const view = view_of(value)) {
      const Tensor input = low(view->inputs[0]);
      rewriter_.set_origin(*view);
      rounded(value) = rewriter_.record(*view, {input})[0];
    } else {
      rounded(value) = cast(exact(value), low_);
    }
    return rounded(value);
  }

  // The value in its own type, as the graph's nodes read it. A rounded value is widened anew for each
  // reader, which does it on the way: a common one would be stored.
  Tensor full(ir::ValueId value) {
    if (dtype_of(value) == Dtype::f32 && is_born_low(value)) return cast(low(value), Dtype::f32);
    return unrounded(value);
  }

  Tensor unrounded(ir::ValueId value) {
    if (exact(value).defined()) return exact(value);
    if (view_of(value) == nullptr) return cast(rounded(value), Dtype::f32);
    const ir::Node& view = *view_of(value);
    const Tensor input = unrounded(view.inputs[0]);
    rewriter_.set_origin(view);
    exact(value) = rewriter_.record(view, {input})[0];
    return exact(value);
  }

  void finish() {
    const auto set = [&](ir::ValueId value) { rewriter_.at(value) = unrounded(value); };
    for (const ir::ValueId output : graph_.outputs) set(output);
    for (const ir::StateUse& use : graph_.state_out) {
      set(use.value);
      for (const auto& [state, copy] : copies_) {
        if (state == use.state) rewriter_.add_state_out(copy, cast(rewriter_.at(use.value), low_));
      }
    }
  }

  const ir::Graph& graph_;
  ir::OpList ops_;
  Dtype low_;
  const LowCopyOf& copy_of_;
  Rewriter rewriter_;
  std::vector<std::uint8_t> wants_low_;
  std::vector<std::uint8_t> leads_on_;
  std::vector<Tensor> exact_;    // in the value's own type
  std::vector<Tensor> rounded_;  // in 16 bits
  std::vector<std::uint8_t> born_low_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> copies_;  // States and theirs
};

}  // namespace

ir::Graph lower_precision(const ir::Graph& graph, ir::OpList ops, Dtype low,
                          const LowCopyOf& copy_of) {
  return PrecisionPass(graph, ops, low, copy_of).run();
}

}  // namespace sinter::compile_detail
