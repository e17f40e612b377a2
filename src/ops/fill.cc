// Constants: full and iota.
#include <string>

#include "ir/symbolic.h"
#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

std::vector<TensorType> infer_full(const ir::OpCall& call) {
  return {{dtype_attribute(call.attributes), shape_attribute(call.attributes)}};
}

std::int32_t append_full(ir::BodyBuilder& builder, const ir::OpCall& call,
                         std::span<const std::int32_t>) {
  const double value = call.attributes.real("value");
  const Dtype dtype = dtype_attribute(call.attributes);
  switch (dtype) {
    case Dtype::f32:
      return builder.constant(static_cast<float>(value));
    case Dtype::f64:
      return builder.constant(value);
    case Dtype::i32:
      return builder.constant(static_cast<std::int32_t>(value));
    case Dtype::i64:
      return builder.constant(static_cast<std::int64_t>(value));
    case Dtype::boolean:
      return builder.constant(value != 0);
    case Dtype::u8:
      return builder.convert(builder.constant(static_cast<std::int32_t>(value)), dtype);
    case Dtype::bf16:
    case Dtype::f16:
      return builder.convert(builder.constant(static_cast<float>(value)), dtype);
  }
  return -1;
}

std::vector<TensorType> infer_iota(const ir::OpCall& call) {
  const TensorType type{dtype_attribute(call.attributes), shape_attribute(call.attributes)};
  check_dtype("iota", "the result", type, ir::kIndices);
  const auto axis =
      normalize_axis("iota", static_cast<int>(call.attributes.integer("axis")), type.shape.rank());
  if (type.dtype == Dtype::i32 && type.shape[axis] > (std::int64_t{1} << 31)) {
    raise({.where = "iota",
           .what = "the axis is too long for i32",
           .got = type.to_string(),
           .expected = "at most 2^31 positions",
           .hint = "use i64"});
  }
  return {type};
}

std::int32_t append_iota(ir::BodyBuilder& builder, const ir::OpCall& call,
                         std::span<const std::int32_t>) {
  const Dtype dtype = dtype_attribute(call.attributes);
  std::int64_t axis = call.attributes.integer("axis");
  if (!call.space_axes.empty()) axis = call.space_axes[static_cast<std::size_t>(axis)];
  if (axis < 0) return builder.append({ir::ScalarOp::constant, dtype, -1, -1, -1, 0});
  return builder.append({ir::ScalarOp::index, dtype, -1, -1, -1, axis});
}

ir::Cost fill_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return move_cost(call, results);
}

}  // namespace

constinit const ir::Op kFull = {
    .id = ir::OpId::full,
    .name = "full",
    .doc =
        "A tensor of one value: every dtype but bf16 and f16. Error: a value that the dtype does "
        "not hold.",
    .kind = ir::OpKind::pointwise,
    .schema = {{"shape", Kind::integers}, {"dtype", Kind::dtype}, {"value", Kind::real}},
    .infer = infer_full,
    .append = append_full,
    .cost = fill_cost,
    .is_constant = true,
};

constinit const ir::Op kIota = {
    .id = ir::OpId::iota,
    .name = "iota",
    .doc = "The position along one axis, i32 or i64. Errors: no such axis, one too long for i32.",
    .kind = ir::OpKind::pointwise,
    .schema = {{"shape", Kind::integers}, {"dtype", Kind::dtype}, {"axis", Kind::integer}},
    .infer = infer_iota,
    .append = append_iota,
    .cost = fill_cost,
};

}  // namespace ops

Tensor full(const Shape& shape, double value, Dtype dtype, SourceLocation location) {
  ops::check_number("full", value, dtype);
  return apply_one(
      ops::kFull, {},
      {{"shape", shape.to_vector()}, {"dtype", static_cast<std::int64_t>(dtype)}, {"value", value}},
      location);
}

Tensor zeros(const Shape& shape, Dtype dtype, SourceLocation location) {
  return full(shape, 0, dtype, location);
}

Tensor ones(const Shape& shape, Dtype dtype, SourceLocation location) {
  return full(shape, 1, dtype, location);
}

Tensor iota(const Shape& shape, int axis, Dtype dtype, SourceLocation location) {
  const std::int64_t normal = normalize_axis("iota", axis, shape.rank());
  return apply_one(
      ops::kIota, {},
      {{"shape", shape.to_vector()}, {"dtype", static_cast<std::int64_t>(dtype)}, {"axis", normal}},
      location);
}

}  // namespace sinter
