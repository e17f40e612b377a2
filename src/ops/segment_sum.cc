// Sums of the rows that share an id.
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
  const std::int64_t segments = call.attributes.integer("segments");
  if (x.shape.rank() < 1 || ids.shape.rank() != 1 || ids.shape[0] != x.shape[0]) {
    raise({.where = "segment_sum",
           .what = "x and ids do not fit",
           .got = types_text(call.inputs),
           .expected = "x (N, D...) and ids (N,)",
           .hint = {}});
  }
  if (segments < 0) {
    raise({.where = "segment_sum",
           .what = "a negative number of segments",
           .got = std::to_string(segments),
           .expected = {},
           .hint = {}});
  }
  std::vector<std::int64_t> lengths = x.shape.to_vector();
  lengths[0] = segments;
  return {{x.dtype, Shape(lengths)}};
}

std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  return {gather(*call.dy[0], call.inputs[1]), std::nullopt};
}

ir::Cost cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return kernel_cost(call, results, call.inputs[0].dtype,
                     static_cast<double>(call.inputs[0].elements()));
}

}  // namespace

constinit const ir::Op kSegmentSum = {
    .id = ir::OpId::segment_sum,
    .name = "segment_sum",
    .doc =
        "Sums of the rows of x (N, D...), f32 or f64, that share an id, ids (N,) i32 or i64 -> "
        "(segments, D...), in ascending order; empty segments are 0. Error, when it runs: an id "
        "outside [0, segments).",
    .kind = ir::OpKind::opaque,
    .precision = ir::Precision::full,
    .inputs = {{"x", ir::kFullFloats}, {"ids", ir::kIndices}},
    .schema = {{"segments", Kind::integer}},
    .infer = infer,
    .gradient = gradient,
    .may_throw = true,
    .cost = cost,
};

}  // namespace ops

Tensor segment_sum(Operand x, Operand ids, std::int64_t segments) {
  const Tensor rows = ops::tensor_of("segment_sum", x);
  if (rows.defined() && is_half(rows.dtype())) {
    const Operand wide(cast(Operand(rows, x.location()), Dtype::f32), x.location());
    return cast(Operand(segment_sum(wide, ids, segments), x.location()), rows.dtype());
  }
  const Tensor inputs[] = {rows, ops::tensor_of("segment_sum", ids)};
  return apply_one(ops::kSegmentSum, inputs, {{"segments", segments}}, x.location());
}

}  // namespace sinter
