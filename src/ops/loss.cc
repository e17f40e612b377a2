// Losses of regression and of independent labels.
#include <limits>
#include <string>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

constexpr double kLowestLog = -100;
constexpr double kLeastSlope = 1e-12;

std::vector<TensorType> infer(const ir::OpCall& call) {
  check_same_dtype("binary_cross_entropy", call.inputs);
  check_same_shape("binary_cross_entropy", "input and target", call.inputs);
  return {call.inputs[0]};
}

// log(p) and log(1 - p), not below kLowestLog.
struct Logarithms {
  Tensor of_yes;
  Tensor of_no;
};
Logarithms logarithms(const Tensor& p) {
  const Tensor yes = maximum(log(p), kLowestLog);
  return {yes, maximum(log1p(-p), kLowestLog)};
}

std::vector<Tensor> compose(std::span<const Tensor> inputs, const ir::Attributes&) {
  const Tensor& target = inputs[1];
  const Logarithms log = logarithms(inputs[0]);
  const Tensor yes = target * log.of_yes;
  const Tensor no = (1.0 - target) * log.of_no;
  return {-(yes + no)};
}

// Of the input without the bound of the logarithms, which would stop learning exactly where a
// prediction is surely wrong; bounded itself instead, as in PyTorch.
std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Tensor& p = call.inputs[0];
  const Tensor& target = call.inputs[1];
  std::vector<std::optional<Tensor>> gradients(2);
  if (is_needed(call, 0)) {
    const Tensor slope = maximum((1.0 - p) * p, kLeastSlope);
    gradients[0] = *call.dy[0] * ((p - target) / slope);
  }
  if (is_needed(call, 1)) {
    const Logarithms log = logarithms(p);
    gradients[1] = *call.dy[0] * (log.of_no - log.of_yes);
  }
  return gradients;
}

}  // namespace

constinit const ir::Op kBinaryCrossEntropy = {
    .id = ir::OpId::binary_cross_entropy,
    .name = "binary_cross_entropy",
    .doc =
        "-(target log(input) + (1 - target) log(1 - input)) of each element, logarithms bounded "
        "below by -100; input, target and result have one shape, f32 or f64. The gradient is "
        "(input - target) / max(input (1 - input), 1e-12). An input outside [0, 1] gives NaN.",
    .kind = ir::OpKind::composite,
    .precision = ir::Precision::full,
    .inputs = {{"input", ir::kFullFloats}, {"target", ir::kFullFloats}},
    .infer = infer,
    .gradient = gradient,
    .compose = compose,
};

}  // namespace ops

namespace {

// Input and target of a loss: one dtype, one shape.
struct Pair {
  Tensor input;
  Tensor target;
};

std::string without_ones(const Shape& shape) {
  std::string text;
  for (const std::int64_t length : shape) {
    if (length != 1) text += std::to_string(length) + ",";
  }
  return text;
}

Pair pair_of(const char* where, const Operand& input, const Operand& target) {
  const Operand* const operands[] = {&input, &target};
  const std::vector<Tensor> tensors = ops::tensors_of(where, operands);
  Pair pair{tensors[0], tensors[1]};
  const ir::TensorType types[] = {{pair.input.dtype(), pair.input.shape()},
                                  {pair.target.dtype(), pair.target.shape()}};
  ops::check_dtype(where, "input", types[0], ir::kFullFloats);
  ops::check_same_dtype(where, types);
  if (target.is_number()) pair.target = broadcast_to(pair.target, pair.input.shape());
  if (pair.input.shape() == pair.target.shape()) return pair;
  const bool differ_in_ones = without_ones(types[0].shape) == without_ones(types[1].shape);
  raise({.where = where,
         .what = "input and target have different shapes",
         .got = ops::types_text(types),
         .expected = "equal shapes",
         .hint = differ_in_ones ? "they would be paired each with each: reshape(target, "
                                  "input.shape()) pairs them in order"
                                : "broadcast_to() repeats one of them, if that is meant"});
}

Tensor reduced(const Tensor& losses, LossReduction reduction, SourceLocation location) {
  if (reduction == LossReduction::none) return losses;
  const Operand operand(losses, location);
  return reduction == LossReduction::sum ? sum(operand) : mean(operand);
}

}  // namespace

Tensor mse_loss(Operand input, Operand target, LossReduction reduction) {
  const Pair pair = pair_of("mse_loss", input, target);
  return reduced(square(pair.input - pair.target), reduction, input.location());
}

Tensor l1_loss(Operand input, Operand target, LossReduction reduction) {
  const Pair pair = pair_of("l1_loss", input, target);
  return reduced(abs(pair.input - pair.target), reduction, input.location());
}

Tensor huber_loss(Operand input, Operand target, double delta, LossReduction reduction) {
  if (!(delta > 0)) {
    raise({.where = "huber_loss",
           .what = "delta must be positive",
           .got = std::to_string(delta),
           .expected = {},
           .hint = {}});
  }
  const Pair pair = pair_of("huber_loss", input, target);
  const Tensor distance = abs(pair.input - pair.target);
  const Tensor near = minimum(distance, delta);
  return reduced(near * (distance - near * 0.5), reduction, input.location());
}

Tensor binary_cross_entropy(Operand input, Operand target, LossReduction reduction) {
  const Pair pair = pair_of("binary_cross_entropy", input, target);
  const Tensor inputs[] = {pair.input, pair.target};
  const Tensor losses = apply_one(ops::kBinaryCrossEntropy, inputs, {}, input.location());
  return reduced(losses, reduction, input.location());
}

// Both terms are positive and neither is a difference, so small losses keep their digits.
Tensor binary_cross_entropy_with_logits(Operand logits, Operand target, LossReduction reduction,
                                        std::optional<Operand> positive_weight) {
  const Pair pair = pair_of("binary_cross_entropy_with_logits", logits, target);
  const Tensor share_of_no = 1.0 - pair.target;
  const Tensor no = share_of_no * softplus(pair.input);
  Tensor yes = pair.target * softplus(-pair.input);
  if (positive_weight) yes = yes * *positive_weight;
  const Tensor losses = yes + no;
  if (losses.shape() != pair.input.shape()) {
    raise({.where = "binary_cross_entropy_with_logits",
           .what = "the weight of positive targets is larger than the logits",
           .got = ops::tensor_of("positive_weight", *positive_weight).to_string() + " for " +
                  pair.input.to_string(),
           .expected = "a shape that broadcasts to the logits'",
           .hint = {}});
  }
  return reduced(losses, reduction, logits.location());
}

}  // namespace sinter
