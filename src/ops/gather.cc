// Rows of a table chosen by ids.
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
  const TensorType& x = call.inputs[0];
  const TensorType& ids = call.inputs[1];
  if (x.shape.rank() < 1) {
    raise({.where = "gather",
           .what = "x has no rows",
           .got = x.to_string(),
           .expected = "(V, D...)",
           .hint = {}});
  }
  std::vector<std::int64_t> lengths = ids.shape.to_vector();
  lengths.insert(lengths.end(), x.shape.begin() + 1, x.shape.end());
  return {{x.dtype, Shape(lengths)}};
}

std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Shape& x = call.inputs[0].shape();
  const Tensor& ids = call.inputs[1];
  std::vector<std::int64_t> rows = x.to_vector();
  rows[0] = ids.elements();
  const Tensor dy = reshape(*call.dy[0], Shape(rows));
  return {segment_sum(dy, reshape(ids, Shape({ids.elements()})), x[0]), std::nullopt};
}

// The rows that are read, not the whole table.
ir::Cost cost(const ir::OpCall& call, std::span<const TensorType> results) {
  ir::Cost cost;
  cost.bytes =
      2 * static_cast<double>(results[0].bytes()) + static_cast<double>(call.inputs[1].bytes());
  return cost;
}

}  // namespace

constinit const ir::Op kGather = {
    .id = ir::OpId::gather,
    .name = "gather",
    .doc =
        "Rows of x (V, D...), of any dtype, chosen by ids (I...), i32 or i64 -> (I..., D...). "
        "Error, when it runs: an id outside [0, V).",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kEveryDtype}, {"ids", ir::kIndices}},
    .infer = infer,
    .gradient = gradient,
    .may_throw = true,
    .cost = cost,
};

}  // namespace ops

Tensor gather(Operand x, Operand ids) {
  const Tensor inputs[] = {ops::tensor_of("gather", x), ops::tensor_of("gather", ids)};
  return apply_one(ops::kGather, inputs, {}, x.location());
}

}  // namespace sinter
