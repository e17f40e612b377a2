// Layer normalisation over the innermost axes.
#include <numeric>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/moments.h"
#include "ops/operand.h"
#include "ops/sum_to.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

std::vector<TensorType> infer(const ir::OpCall& call) {
  const TensorType& x = call.inputs[0];
  const Shape& weight = call.inputs[1].shape;
  check_same_dtype("layer_norm", call.inputs);
  const int outer = x.shape.rank() - weight.rank();
  bool fits = weight.rank() > 0 && outer >= 0 && call.inputs[2].shape == weight;
  for (int axis = 0; fits && axis < weight.rank(); ++axis) {
    fits = x.shape[outer + axis] == weight[axis];
  }
  if (!fits) {
    raise({.where = "layer_norm",
           .what = "the weight or the bias does not fit x's innermost axes",
           .got = types_text(call.inputs),
           .expected = "x (..., D...), weight and bias (D...)",
           .hint = {}});
  }
  check_epsilon("layer_norm", call.attributes);
  Shape rows = x.shape;
  for (int axis = outer; axis < rows.rank(); ++axis) rows.set(axis, 1);
  return {x, {x.dtype, rows}, {x.dtype, rows}, {x.dtype, rows}};
}

// Those of x that the weight has.
std::vector<int> normalized_axes(const Tensor& x, const Tensor& weight) {
  std::vector<int> axes(static_cast<std::size_t>(weight.rank()));
  std::iota(axes.begin(), axes.end(), x.rank() - weight.rank());
  return axes;
}

std::vector<Tensor> compose(std::span<const Tensor> inputs, const ir::Attributes& attributes) {
  const Moments m = moments(inputs[0], normalized_axes(inputs[0], inputs[1]));
  const Tensor inverse = rsqrt(m.variance + attributes.real("epsilon"));
  return {m.centered * inverse * inputs[1] + inputs[2], m.mean, inverse, m.rest};
}

// Written from x and the moments of its rows, which take less memory than the normalised x. The
// rest of the mean has no gradient: it is 0 but for roundings.
std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor& weight = call.inputs[1];
  const Tensor& inverse = call.results[2];
  const std::vector<int> axes = normalized_axes(x, weight);
  const double count = static_cast<double>(weight.elements());
  const Tensor from_mean = x - call.results[1];
  const Tensor normalized = (from_mean - call.results[3]) * inverse;
  std::optional<Tensor> dx;
  const auto accumulate = [&](const Tensor& part) { dx = dx ? *dx + part : part; };
  std::vector<std::optional<Tensor>> gradients(3);
  if (call.dy[0]) {
    const Tensor& dy = *call.dy[0];
    if (is_needed(call, 1)) gradients[1] = sum_to(dy * normalized, weight.shape());
    if (is_needed(call, 2)) gradients[2] = sum_to(dy, weight.shape());
    if (is_needed(call, 0)) {
      const Tensor weighted = dy * weight;
      const Tensor along_x = mean(weighted * normalized, axes, true);
      const Tensor centered = weighted - mean(weighted, axes, true);
      const Tensor across_x = centered - normalized * along_x;
      accumulate(across_x * inverse);
    }
  }
  if (is_needed(call, 0)) {
    if (call.dy[1]) accumulate(broadcast_to(*call.dy[1] / count, x.shape()));
    if (call.dy[2]) {
      // 1 / sqrt(v + epsilon) falls by half its cube for v, which grows by 2 centered / count.
      const Tensor fall = *call.dy[2] * (square(inverse) / -count);
      accumulate(normalized * fall);
    }
  }
  gradients[0] = dx;
  return gradients;
}

}  // namespace

constinit const ir::Op kLayerNorm = {
    .id = ir::OpId::layer_norm,
    .name = "layer_norm",
    .doc =
        "(x - mean) / sqrt(variance + epsilon) * weight + bias for each row of x (..., D...), "
        "weight and bias (D...); also the rows' mean, 1 / sqrt(variance + epsilon), and what "
        "rounding took from the mean (Ba, Kiros, Hinton 2016). f32 or f64. Errors: other shapes, "
        "a negative epsilon.",
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

Tensor layer_norm(Operand x, Operand weight, Operand bias, double epsilon) {
  const Tensor inputs[] = {ops::tensor_of("layer_norm", x), ops::tensor_of("layer_norm", weight),
                           ops::tensor_of("layer_norm", bias)};
  return apply(ops::kLayerNorm, inputs, {{"epsilon", epsilon}}, x.location()).front();
}

}  // namespace sinter
