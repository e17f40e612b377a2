// Reductions along the canonical trees, and their user functions.
#include "ops/reduce.h"

#include <algorithm>
#include <string>

#include "ir/internal_error.h"
#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

using Axes = std::vector<std::int64_t>;

// What reductions fold.
constexpr ir::DtypeSet kFolded = ir::kFloats | ir::kIndices;

// One flag an axis: whether it is reduced.
std::vector<bool> reduced_flags(const Axes& axes, int rank) {
  std::vector<bool> flags(static_cast<std::size_t>(rank));
  for (const std::int64_t axis : axes) flags[static_cast<std::size_t>(axis)] = true;
  return flags;
}

// Whether the flagged axes, those of length 1 not counted, are all innermost, or all outermost.
bool is_suffix(const std::vector<bool>& flags, const Shape& shape) {
  bool kept_one_seen = false;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 1) continue;
    const bool reduced = flags[static_cast<std::size_t>(axis)];
    if (reduced && kept_one_seen) return false;
    if (!reduced) kept_one_seen = true;
  }
  return true;
}
bool is_prefix(const std::vector<bool>& flags, const Shape& shape) {
  bool kept_one_seen = false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const bool reduced = flags[static_cast<std::size_t>(axis)];
    if (reduced && kept_one_seen) return false;
    if (!reduced) kept_one_seen = true;
  }
  return true;
}

void check_axes(const char* name, const Axes& axes, const Shape& shape) {
  std::int64_t previous = -1;
  for (const std::int64_t axis : axes) {
    if (axis <= previous || axis >= shape.rank()) {
      throw ir::InternalError(std::string(name) + ": the axes are not ascending axes of " +
                              shape.to_string());
    }
    previous = axis;
  }
  const std::vector<bool> flags = reduced_flags(axes, shape.rank());
  if (!is_suffix(flags, shape) && !is_prefix(flags, shape)) {
    throw ir::InternalError(std::string(name) +
                            ": the axes are neither all innermost nor all outermost of " +
                            shape.to_string());
  }
}

std::vector<TensorType> infer_reduction(const char* name, const ir::OpCall& call) {
  const Axes& axes = call.attributes.integers("axes");
  check_axes(name, axes, call.inputs[0].shape);
  Shape shape = call.inputs[0].shape;
  for (const std::int64_t axis : axes) shape.set(static_cast<int>(axis), 1);
  return {{call.inputs[0].dtype, shape}};
}

std::vector<TensorType> infer_sum(const ir::OpCall& call) { return infer_reduction("sum", call); }
std::vector<TensorType> infer_product(const ir::OpCall& call) {
  return infer_reduction("product", call);
}
std::vector<TensorType> infer_max(const ir::OpCall& call) { return infer_reduction("max", call); }
std::vector<TensorType> infer_min(const ir::OpCall& call) { return infer_reduction("min", call); }

std::vector<int> axes_of(const ir::GradientCall& call) {
  const Axes& axes = call.attributes.integers("axes");
  return {axes.begin(), axes.end()};
}

std::vector<std::optional<Tensor>> sum_gradient(const ir::GradientCall& call) {
  return {broadcast_to(*call.dy[0], call.inputs[0].shape())};
}

// Elements equal to the result share the gradient equally.
std::vector<std::optional<Tensor>> extremum_gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor mask = cast(equal(x, call.results[0]), x.dtype());
  const Tensor count = sum(mask, axes_of(call), true);
  return {mask * (*call.dy[0] / count)};
}

// The product of the others: y / x, but beside a single zero the product without it. Second
// derivatives are right too, except between two zeros of one row, where they are given as zero.
std::vector<std::optional<Tensor>> product_gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor is_zero = equal(x, 0.0);
  const Tensor zeros = sum(cast(is_zero, x.dtype()), axes_of(call), true);
  const Tensor nonzero = where(is_zero, 1.0, x);
  const Tensor others = product(nonzero, axes_of(call), true);
  const Tensor beside_zero = where(equal(zeros, 1.0), others, 0.0);
  return {*call.dy[0] * where(is_zero, beside_zero, call.results[0] / nonzero)};
}

// One operation for each element folded.
ir::Cost cost(const ir::OpCall& call, std::span<const TensorType> results) {
  ir::Cost cost = move_cost(call, results);
  cost.flops = static_cast<double>(call.inputs[0].elements());
  return cost;
}

}  // namespace

constinit const ir::Op kSum = {
    .id = ir::OpId::sum,
    .name = "sum",
    .doc =
        "The sum over axes, which stay with length 1; an empty one is 0. f32, f64, bf16 and "
        "f16 (folded in f32), i32 and i64 (wrapping); axes that are all innermost or all "
        "outermost.",
    .kind = ir::OpKind::reduce,
    .precision = ir::Precision::full,
    .inputs = {{"x", kFolded}},
    .schema = {{"axes", Kind::integers}},
    .infer = infer_sum,
    .gradient = sum_gradient,
    .reduction = ir::ScalarOp::reduce_sum,
    .cost = cost,
};

constinit const ir::Op kProduct = {
    .id = ir::OpId::product,
    .name = "product",
    .doc =
        "The product over axes, which stay with length 1; an empty one is 1. Second derivatives "
        "between two zeros of one row are given as zero. f32, f64, bf16 and f16 (folded in f32), "
        "i32 and "
        "i64 (wrapping); axes that are all innermost or all outermost.",
    .kind = ir::OpKind::reduce,
    .precision = ir::Precision::full,
    .inputs = {{"x", kFolded}},
    .schema = {{"axes", Kind::integers}},
    .infer = infer_product,
    .gradient = product_gradient,
    .reduction = ir::ScalarOp::reduce_product,
    .cost = cost,
};

constinit const ir::Op kMax = {
    .id = ir::OpId::max,
    .name = "max",
    .doc =
        "The largest element over axes, which stay with length 1; NaN wins, an empty one is "
        "-inf. The gradient is shared equally by the elements that are largest. f32, f64, "
        "bf16, f16, i32 and i64; axes that are all innermost or all outermost.",
    .kind = ir::OpKind::reduce,
    .precision = ir::Precision::full,
    .inputs = {{"x", kFolded}},
    .schema = {{"axes", Kind::integers}},
    .infer = infer_max,
    .gradient = extremum_gradient,
    .reduction = ir::ScalarOp::reduce_max,
    .cost = cost,
};

constinit const ir::Op kMin = {
    .id = ir::OpId::min,
    .name = "min",
    .doc =
        "The smallest element over axes, which stay with length 1; NaN wins, an empty one is "
        "+inf. The gradient is shared equally by the elements that are smallest. f32, f64, "
        "bf16, f16, i32 and i64; axes that are all innermost or all outermost.",
    .kind = ir::OpKind::reduce,
    .precision = ir::Precision::full,
    .inputs = {{"x", kFolded}},
    .schema = {{"axes", Kind::integers}},
    .infer = infer_min,
    .gradient = extremum_gradient,
    .reduction = ir::ScalarOp::reduce_min,
    .cost = cost,
};

Axes normal_axes(const char* where, const std::vector<int>& axes, int rank) {
  Axes normal;
  if (axes.empty()) {
    for (int axis = 0; axis < rank; ++axis) normal.push_back(axis);
    return normal;
  }
  for (const int axis : axes) normal.push_back(normalize_axis(where, axis, rank));
  std::sort(normal.begin(), normal.end());
  const auto twice = std::adjacent_find(normal.begin(), normal.end());
  if (twice != normal.end()) {
    raise({.where = where,
           .what = "an axis is named twice",
           .got = std::to_string(*twice),
           .expected = {},
           .hint = {}});
  }
  return normal;
}

Shape without_axes(const Shape& shape, const Axes& axes) {
  Axes kept;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) kept.push_back(shape[axis]);
  }
  return Shape(kept);
}

namespace {

Tensor reduce_node(const ir::Op& op, const Tensor& x, const Axes& axes, SourceLocation location) {
  return apply_one(op, {&x, 1}, {{"axes", axes}}, location);
}

// `axes` moved to the front and reduced there.
Tensor reduce_moved(const ir::Op& op, const Tensor& x, const Axes& axes,
                    const std::vector<bool>& flags, SourceLocation location) {
  std::vector<int> order(axes.begin(), axes.end());
  Axes front;
  for (std::size_t i = 0; i < axes.size(); ++i) front.push_back(static_cast<std::int64_t>(i));
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!flags[static_cast<std::size_t>(axis)]) order.push_back(axis);
  }
  return reduce_node(op, permute(Operand(x, location), order), front, location);
}

// A reduction over any axes, made of nodes over innermost or outermost ones: first the innermost
// axes alone, then what remains, moved to the front if need be. The shape of the result is up to
// the caller; its elements are in the order of the kept axes.
Tensor reduce_axes(const ir::Op& op, Tensor x, const Axes& axes, SourceLocation location) {
  std::vector<bool> flags = reduced_flags(axes, x.rank());
  if (is_suffix(flags, x.shape()) || is_prefix(flags, x.shape())) {
    return reduce_node(op, x, axes, location);
  }
  if (is_half(x.dtype())) {  // 16 bits are rounded to once, at the end
    const Tensor wide = cast(Operand(x, location), Dtype::f32);
    return cast(Operand(reduce_axes(op, wide, axes, location), location), x.dtype());
  }
  Axes innermost;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    if (!flags[static_cast<std::size_t>(axis)]) {
      if (x.shape()[axis] == 1) continue;
      break;
    }
    if (x.shape()[axis] != 1) innermost.insert(innermost.begin(), axis);
  }
  if (!innermost.empty()) x = reduce_node(op, x, innermost, location);
  Axes rest;
  for (const std::int64_t axis : axes) {
    if (x.shape()[static_cast<int>(axis)] != 1) rest.push_back(axis);
  }
  flags = reduced_flags(rest, x.rank());
  if (is_prefix(flags, x.shape())) return reduce_node(op, x, rest, location);
  return reduce_moved(op, x, rest, flags, location);
}

Tensor reduce(const ir::Op& op, const Operand& operand, const std::vector<int>& axes,
              bool keep_axes) {
  const Tensor x = tensor_of(op.name, operand);
  const Axes normal = normal_axes(op.name, axes, x.rank());
  const std::vector<bool> flags = reduced_flags(normal, x.rank());
  std::vector<std::int64_t> kept;
  bool all_have_length_1 = true;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool reduced = flags[static_cast<std::size_t>(axis)];
    if (!reduced) kept.push_back(x.shape()[axis]);
    if (reduced && keep_axes) kept.push_back(1);
    if (reduced && x.shape()[axis] != 1) all_have_length_1 = false;
  }
  // The fold of one element is the element; other dtypes go to the node, which checks them.
  const bool is_copy = all_have_length_1 && is_floating(x.dtype());
  const Tensor folded = is_copy ? x : reduce_axes(op, x, normal, operand.location());
  return reshape(Operand(folded, operand.location()), kept);
}

}  // namespace

}  // namespace ops

Tensor sum(Operand x, const std::vector<int>& axes, bool keep_axes) {
  return ops::reduce(ops::kSum, x, axes, keep_axes);
}

Tensor product(Operand x, const std::vector<int>& axes, bool keep_axes) {
  return ops::reduce(ops::kProduct, x, axes, keep_axes);
}

Tensor max(Operand x, const std::vector<int>& axes, bool keep_axes) {
  return ops::reduce(ops::kMax, x, axes, keep_axes);
}

Tensor min(Operand x, const std::vector<int>& axes, bool keep_axes) {
  return ops::reduce(ops::kMin, x, axes, keep_axes);
}

Tensor mean(Operand x, const std::vector<int>& axes, bool keep_axes) {
  const Tensor tensor = ops::tensor_of("mean", x);
  ops::check_dtype("mean", "x", {tensor.dtype(), tensor.shape()}, ir::kFloats);
  if (is_half(tensor.dtype())) {  // the sum may be more than it holds
    const Tensor wide = cast(Operand(tensor, x.location()), Dtype::f32);
    const Tensor result = mean(Operand(wide, x.location()), axes, keep_axes);
    return cast(Operand(result, x.location()), tensor.dtype());
  }
  double count = 1;
  for (const std::int64_t axis : ops::normal_axes("mean", axes, tensor.rank())) {
    count *= static_cast<double>(tensor.shape()[static_cast<int>(axis)]);
  }
  const Operand operand(tensor, x.location());
  return divide(Operand(sum(operand, axes, keep_axes), x.location()), Operand(count, x.location()));
}

}  // namespace sinter
