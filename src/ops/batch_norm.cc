// Batch normalisation over all axes but the last.
#include <numeric>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/moments.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

std::vector<TensorType> infer(const ir::OpCall& call) {
  const TensorType& x = call.inputs[0];
  check_same_dtype("batch_norm", call.inputs);
  if (x.shape.rank() < 2) {
    raise({.where = "batch_norm",
           .what = "x has no axes to normalise over",
           .got = x.to_string(),
           .expected = "(N..., C)",
           .hint = {}});
  }
  const Shape channels({x.shape.dim(-1)});
  if (call.inputs[1].shape != channels || call.inputs[2].shape != channels) {
    raise({.where = "batch_norm",
           .what = "the weight or the bias does not fit x's channels",
           .got = types_text(call.inputs),
           .expected = channels.to_string() + " both",
           .hint = "images are NHWC: (batch, height, width, channels)"});
  }
  check_epsilon("batch_norm", call.attributes);
  return {x, {x.dtype, channels}, {x.dtype, channels}, {x.dtype, channels}};
}

std::vector<int> axes_but_last(const Tensor& x) {
  std::vector<int> axes(static_cast<std::size_t>(x.rank() - 1));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

std::vector<Tensor> compose(std::span<const Tensor> inputs, const ir::Attributes& attributes) {
  const Tensor& x = inputs[0];
  const Shape channels({x.dim(-1)});
  const Moments m = moments(x, axes_but_last(x));
  const Tensor variance = reshape(m.variance, channels);
  const Tensor scale = inputs[1] * rsqrt(variance + attributes.real("epsilon"));
  return {m.centered * scale + inputs[2], reshape(m.mean, channels), variance,
          reshape(m.rest, channels)};
}

// Written from x and the batch's statistics, so that one pass over x and dy makes both sums and one
// more the gradient of x. The rest of the mean has no gradient: it is 0 but for roundings.
std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor& weight = call.inputs[1];
  const std::vector<int> axes = axes_but_last(x);
  const double count = static_cast<double>(x.elements()) / static_cast<double>(weight.elements());
  const Tensor from_mean = x - call.results[1];
  const Tensor centered = from_mean - call.results[3];
  std::optional<Tensor> dx;
  const auto accumulate = [&](const Tensor& part) { dx = dx ? *dx + part : part; };
  std::vector<std::optional<Tensor>> gradients(3);
  if (call.dy[0]) {
    const Tensor& dy = *call.dy[0];
    const Tensor inverse = rsqrt(call.results[2] + call.attributes.real("epsilon"));
    const Tensor dbias = sum(dy, axes);
    const Tensor dweight = sum(dy * (centered * inverse), axes);
    gradients[1] = dweight;
    gradients[2] = dbias;
    if (is_needed(call, 0)) {
      const Tensor along_x = centered * (inverse * (dweight / count));
      const Tensor across_x = dy - dbias / count - along_x;
      accumulate(across_x * (weight * inverse));
    }
  }
  if (is_needed(call, 0)) {
    const Shape& shape = x.shape();
    if (call.dy[1]) accumulate(broadcast_to(*call.dy[1] / count, shape));
    if (call.dy[2]) accumulate(centered * (*call.dy[2] * (2 / count)));
  }
  gradients[0] = dx;
  return gradients;
}

}  // namespace

constinit const ir::Op kBatchNorm = {
    .id = ir::OpId::batch_norm,
    .name = "batch_norm",
    .doc =
        "(x - mean) / sqrt(variance + epsilon) * weight + bias over all axes of x (..., C) but "
        "the last; also the batch's mean and (biased) variance, and what rounding took from the "
        "mean (Ioffe and Szegedy 2015). weight and bias (C,), f32 or f64. Errors: no axis but "
        "the last, other shapes, a negative epsilon.",
    .kind = ir::OpKind::composite,
    .precision = ir::Precision::full,
    .inputs = {{"x", ir::kFullFloats},
               {"the weight", ir::kFullFloats},
               {"the bias", ir::kFullFloats}},
    .schema = {{"epsilon", Kind::real}},
    .infer = infer,
    .gradient = gradient,
    .compose = compose,
};

}  // namespace ops

BatchNormResult batch_norm(Operand x, Operand weight, Operand bias, double epsilon) {
  const Tensor inputs[] = {ops::tensor_of("batch_norm", x), ops::tensor_of("batch_norm", weight),
                           ops::tensor_of("batch_norm", bias)};
  const std::vector<Tensor> results =
      apply(ops::kBatchNorm, inputs, {{"epsilon", epsilon}}, x.location());
  return {results[0], results[1], results[2]};
}

}  // namespace sinter
