// The loss of classification.
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

std::vector<TensorType> infer(const ir::OpCall& call) {
  const TensorType& logits = call.inputs[0];
  const TensorType& labels = call.inputs[1];
  const bool fits =
      logits.shape.rank() == 2 && labels.shape.rank() == 1 && logits.shape[0] == labels.shape[0];
  if (!fits) {
    raise({.where = "cross_entropy",
           .what = "logits and labels do not fit",
           .got = types_text(call.inputs),
           .expected = "logits (N, C) and labels (N,)",
           .hint = "labels are class numbers, one an example"});
  }
  return {{logits.dtype, Shape()}};
}

// (N, 1), to stand beside the logits.
Tensor as_column(const Tensor& labels) { return reshape(labels, Shape({labels.elements(), 1})); }

// (N, C): whether the class is the label's.
Tensor is_label(const Tensor& logits, const Tensor& column) {
  return equal(iota(logits.shape(), 1, column.dtype()), column);
}

// (N, 1): whether the label is one of the C classes.
Tensor is_class(const Tensor& logits, const Tensor& column) {
  const Tensor is_positive = column >= 0.0;
  return logical_and(is_positive, column < static_cast<double>(logits.dim(1)));
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<Tensor> compose(std::span<const Tensor> inputs, const ir::Attributes&) {
  const Tensor& logits = inputs[0];
  const Tensor column = as_column(inputs[1]);
  const Tensor log_p = log_softmax(logits);
  const Tensor picked = sum(where(is_label(logits, column), log_p, 0.0), {1}, true);
  const Tensor loss = -picked;
  return {mean(where(is_class(logits, column), loss, kNan))};
}

// (softmax(logits) - one at the label) * dy / N.
std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Tensor& logits = call.inputs[0];
  const Tensor column = as_column(call.inputs[1]);
  const Tensor scale = *call.dy[0] / static_cast<double>(logits.dim(0));
  const Tensor p = softmax(logits);
  const Tensor at_label = is_label(logits, column);
  const Tensor difference = where(at_label, p - 1.0, p);
  return {difference * where(is_class(logits, column), scale, kNan), std::nullopt};
}

}  // namespace

constinit const ir::Op kCrossEntropy = {
    .id = ir::OpId::cross_entropy,
    .name = "cross_entropy",
    .doc =
        "The mean over a batch of -log softmax(logits (N, C))[labels (N,)]; a label outside [0, "
        "C) gives NaN. logits f32 or f64, labels i32 or i64, a scalar result. Error: shapes that "
        "do not fit.",
    .kind = ir::OpKind::composite,
    .precision = ir::Precision::full,
    .inputs = {{"logits", ir::kFullFloats}, {"labels", ir::kIndices}},
    .infer = infer,
    .gradient = gradient,
    .compose = compose,
};

}  // namespace ops

Tensor cross_entropy(Operand logits, Operand labels) {
  const Tensor inputs[] = {ops::tensor_of("cross_entropy", logits),
                           ops::tensor_of("cross_entropy", labels)};
  return apply_one(ops::kCrossEntropy, inputs, {}, logits.location());
}

}  // namespace sinter
