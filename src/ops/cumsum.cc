// Running sums along an axis.
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
  normalize_axis("cumsum", static_cast<int>(call.attributes.integer("axis")), x.shape.rank());
  return {x};
}

// Every element goes into the sums from it on.
std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const bool reverse = call.attributes.integer("reverse") != 0;
  return {cumsum(*call.dy[0], static_cast<int>(call.attributes.integer("axis")), !reverse)};
}

ir::Cost cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return kernel_cost(call, results, results[0].dtype, static_cast<double>(results[0].elements()));
}

}  // namespace

constinit const ir::Op kCumsum = {
    .id = ir::OpId::cumsum,
    .name = "cumsum",
    .doc =
        "y[i] = x[0] + ... + x[i] along an axis; with `reverse` x[i] + ... + x[last]. f32, f64, "
        "i32 and i64 (wrapping). Folded in chunks of 256 positions, counted from where the sums "
        "begin: a left fold within a chunk, added to the left fold of the sums of the chunks "
        "before it. Error: no such axis.",
    .kind = ir::OpKind::opaque,
    .precision = ir::Precision::full,
    .inputs = {{"x", ir::kFullFloats | ir::kIndices}},
    .schema = {{"axis", Kind::integer}, {"reverse", Kind::integer, 0}},
    .infer = infer,
    .gradient = gradient,
    .cost = cost,
};

}  // namespace ops

Tensor cumsum(Operand x, int axis, bool reverse) {
  const Tensor tensor = ops::tensor_of("cumsum", x);
  const std::int64_t normal = normalize_axis("cumsum", axis, tensor.rank());
  return apply_one(ops::kCumsum, {&tensor, 1},
                   {{"axis", normal}, {"reverse", std::int64_t{reverse ? 1 : 0}}}, x.location());
}

}  // namespace sinter
