// Zeros around a tensor.
#include <string>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

using Numbers = std::vector<std::int64_t>;
using Gradients = std::vector<std::optional<Tensor>>;

std::vector<TensorType> infer_pad(const ir::OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  const Numbers& low = call.attributes.integers("low");
  const Numbers& high = call.attributes.integers("high");
  const std::size_t rank = static_cast<std::size_t>(shape.rank());
  if (low.size() != rank || high.size() != rank) {
    raise({.where = "pad",
           .what = "low and high do not name a width for each axis",
           .got = std::to_string(low.size()) + " and " + std::to_string(high.size()) +
                  " widths for " + call.inputs[0].to_string(),
           .expected = std::to_string(rank) + " each",
           .hint = {}});
  }
  Numbers lengths;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    if (low[axis] < 0 || high[axis] < 0) {
      raise({.where = "pad",
             .what = "a negative width",
             .got = std::to_string(low[axis]) + " and " + std::to_string(high[axis]) + " at axis " +
                    std::to_string(axis),
             .expected = "0 or more",
             .hint = "slice() takes elements away"});
    }
    lengths.push_back(low[axis] + shape[static_cast<int>(axis)] + high[axis]);
  }
  return {{call.inputs[0].dtype, Shape(lengths)}};
}

Gradients pad_gradient(const ir::GradientCall& call) {
  const Shape& shape = call.inputs[0].shape();
  const Numbers& low = call.attributes.integers("low");
  Tensor dx = *call.dy[0];
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t begin = low[static_cast<std::size_t>(axis)];
    dx = slice(dx, axis, begin, begin + shape[axis]);
  }
  return {dx};
}

}  // namespace

constinit const ir::Op kPad = {
    .id = ir::OpId::pad,
    .name = "pad",
    .doc =
        "Zeros around x, of every dtype: low[i] before and high[i] after along axis i. Error: "
        "not one width for each axis, or a negative one.",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kEveryDtype}},
    .schema = {{"low", Kind::integers}, {"high", Kind::integers}},
    .infer = infer_pad,
    .gradient = pad_gradient,
    .cost = move_cost,
};

}  // namespace ops

Tensor pad(Operand x, const std::vector<std::int64_t>& low, const std::vector<std::int64_t>& high) {
  const Tensor tensor = ops::tensor_of("pad", x);
  return apply_one(ops::kPad, {&tensor, 1}, {{"low", low}, {"high", high}}, x.location());
}

}  // namespace sinter
