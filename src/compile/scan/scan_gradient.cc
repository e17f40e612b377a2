// The gradient of a scan is a scan from the last step to the first.
//
// Its carries are the gradients of the carries, and for each constant the sum of its gradients so
// far (a left fold, latest step first). A step starts from what the scan saved of the forward step:
// the carries that it began with and the results of its contractions. It computes the rest of the
// body again, which is pointwise work that fuses with the gradients', and pulls the gradients back.
// So nothing expensive runs twice, and T times the values in between are never in memory.
// Everything is written in public ops, the reverse scan included, so that it can be differentiated
// again.
#include "autograd/pull_back.h"
#include "compile/scan/body_trace.h"
#include "ir/internal_error.h"
#include "ir/scan.h"
#include "ops/check.h"
#include "ops/scan.h"
#include "sinter/autograd.h"
#include "sinter/ops.h"

namespace sinter::compile_detail {

namespace {

using Tensors = std::vector<Tensor>;

class GradScope {
 public:
  GradScope() : previous_(tracking_enabled()) { set_tracking(true); }
  ~GradScope() { set_tracking(previous_); }
  GradScope(const GradScope&) = delete;
  GradScope& operator=(const GradScope&) = delete;

 private:
  bool previous_;
};

Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype()); }

class ReverseScan {
 public:
  explicit ReverseScan(const ir::GradientCall& call)
      : call_(call),
        body_(*call.bodies[0]),
        scan_(ir::scan_attributes(call.attributes)),
        kept_(kept_values(body_).size()),
        reached_(call.inputs.size()) {
    if (call.attributes.integer("saved") != static_cast<std::int64_t>(scan_.carries + kept_)) {
      throw ir::InternalError("scan: its gradient is taken, but its steps were not saved");
    }
    detached_ = call.attributes.integers("detached");
    sort_inputs();
    sort_results();
  }

  std::vector<std::optional<Tensor>> run() {
    if (inputs_.carries.empty() && wanted_sequences_.empty()) {
      return std::vector<std::optional<Tensor>>(call_.inputs.size());
    }
    const Tensors results = apply_scan(
        inputs_, [&](const Tensors& inputs) { return step(inputs); }, SourceLocation{});
    std::vector<std::optional<Tensor>> gradients(call_.inputs.size());
    std::size_t next = 0;
    for (const std::size_t i : float_carries_) gradients[i] = results[next++];
    for (const std::size_t i : wanted_constants_) gradients[i] = results[next++];
    for (const std::size_t i : wanted_sequences_) gradients[i] = results[next++];
    for (std::size_t i = scan_.carries; i < gradients.size(); ++i) {
      if (reached_[i] == 0) gradients[i].reset();
    }
    return gradients;
  }

 private:
  bool is_sequence(std::size_t input) const {
    return call_.inputs[input].rank() == body_.type_of(body_.inputs[input]).shape.rank() + 1;
  }
  bool is_wanted(std::size_t input) const {
    return is_floating(call_.inputs[input].dtype()) && ops::is_needed(call_, input);
  }

  // The reverse scan's carries, then its constants; its sequences begin with the gradients.
  void sort_inputs() {
    inputs_.length = scan_.length;
    inputs_.reverse = !scan_.reverse;
    for (std::size_t i = 0; i < scan_.carries; ++i) {
      if (!is_floating(call_.inputs[i].dtype())) continue;
      float_carries_.push_back(i);
      inputs_.carries.push_back(call_.dy[i] ? *call_.dy[i] : zeros_like(call_.inputs[i]));
    }
    for (std::size_t i = scan_.carries; i < call_.inputs.size(); ++i) {
      if (is_sequence(i)) {
        sequences_.push_back(i);
        if (is_wanted(i)) wanted_sequences_.push_back(i);
        continue;
      }
      constants_.push_back(i);
      inputs_.constants.push_back(call_.inputs[i]);
      if (!is_wanted(i)) continue;
      wanted_constants_.push_back(i);
      inputs_.carries.push_back(zeros_like(call_.inputs[i]));
    }
  }

  void sort_results() {
    for (std::size_t i = scan_.carries; i < call_.results.size(); ++i) {
      if (!call_.dy[i] || !is_floating(call_.results[i].dtype())) continue;
      given_.push_back(i);
      inputs_.sequences.push_back(*call_.dy[i]);
    }
    const std::size_t saved = scan_.carries + kept_;
    for (std::size_t i = call_.results.size() - saved; i < call_.results.size(); ++i) {
      inputs_.sequences.push_back(call_.results[i]);
    }
    for (const std::size_t i : sequences_) inputs_.sequences.push_back(call_.inputs[i]);
  }

  // The inputs of the forward step among those of the reverse one, watched.
  Tensors forward_inputs(const Tensor* sequences, const Tensor* constants) const {
    Tensors forward(call_.inputs.size());
    for (std::size_t i = 0; i < scan_.carries; ++i) forward[i] = *sequences++;
    sequences += kept_;
    for (const std::size_t i : sequences_) forward[i] = *sequences++;
    for (const std::size_t i : constants_) forward[i] = *constants++;
    for (Tensor& input : forward) {
      if (is_floating(input.dtype())) input = watch(input);
    }
    return forward;
  }

  Tensors step(const Tensors& inputs) {
    const Tensor* const carries = inputs.data();
    const Tensor* const sequences = carries + inputs_.carries.size();
    const Tensor* const constants = sequences + inputs_.sequences.size();
    const Tensors forward = forward_inputs(sequences + given_.size(), constants);
    Tensors results;
    {
      const GradScope grad;
      const Tensor* const kept = sequences + given_.size() + scan_.carries;
      results = replay_body(body_, detached_, forward, {kept, kept_});
    }
    Tensors outputs;
    Tensors seeds;
    for (std::size_t i = 0; i < float_carries_.size(); ++i) {
      outputs.push_back(results[float_carries_[i]]);
      seeds.push_back(carries[i]);
    }
    for (std::size_t i = 0; i < given_.size(); ++i) {
      outputs.push_back(results[given_[i]]);
      seeds.push_back(sequences[i]);
    }
    std::vector<std::size_t> wanted = float_carries_;
    wanted.insert(wanted.end(), wanted_constants_.begin(), wanted_constants_.end());
    wanted.insert(wanted.end(), wanted_sequences_.begin(), wanted_sequences_.end());
    Tensors watched;
    for (const std::size_t i : wanted) watched.push_back(forward[i]);
    Tensors gradients = pull_back(outputs, seeds, watched);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      reached_[wanted[i]] = gradients[i].defined() ? 1 : 0;
      const bool is_sum = i >= float_carries_.size() && i < inputs_.carries.size();
      if (!gradients[i].defined()) {
        gradients[i] = is_sum ? carries[i] : zeros_like(watched[i]);
      } else if (is_sum) {
        gradients[i] = carries[i] + gradients[i];
      }
    }
    return gradients;
  }

  const ir::GradientCall& call_;
  const ir::Graph& body_;
  ir::ScanAttributes scan_;
  std::size_t kept_;  // how many values of each step were saved beside the carries
  std::vector<std::int64_t> detached_;
  std::vector<std::uint8_t> reached_;  // inputs that the outputs depend on
  // Positions among the scan's inputs.
  std::vector<std::size_t> float_carries_;
  std::vector<std::size_t> sequences_;
  std::vector<std::size_t> constants_;
  std::vector<std::size_t> wanted_sequences_;
  std::vector<std::size_t> wanted_constants_;
  std::vector<std::size_t> given_;  // stacked results whose gradients are given
  ScanInputs inputs_;
};

}  // namespace

}  // namespace sinter::compile_detail

namespace sinter::ops {

std::vector<std::optional<Tensor>> scan_gradient(const ir::GradientCall& call) {
  return compile_detail::ReverseScan(call).run();
}

}  // namespace sinter::ops
