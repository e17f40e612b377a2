// Positions of extreme elements, and rows with a one at given positions.
#include <string>

#include "ops/check.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

// The first position along the axis of what `extreme` gives, or of the first NaN.
Tensor first_position(const char* name, const Operand& operand, std::optional<int> axis,
                      bool keep_axis, Tensor (*extreme)(Operand, const std::vector<int>&, bool)) {
  const Tensor given = ops::tensor_of(name, operand);
  Tensor x = make_tensor(given.impl()->payload);  // positions have no gradient
  if (x.dtype() == Dtype::u8 || x.dtype() == Dtype::boolean) x = cast(x, Dtype::i32);
  ops::check_dtype(name, "x", {x.dtype(), x.shape()}, ir::kFloats | ir::kIndices);
  if (!axis) x = flatten(x, 0);
  const int along = static_cast<int>(normalize_axis(name, axis.value_or(0), x.rank()));
  if (x.shape()[along] == 0) {
    raise({.where = name,
           .what = "an empty axis has no such element",
           .got = given.to_string() + ", axis " + std::to_string(along),
           .expected = "at least one element along it",
           .hint = {}});
  }
  Tensor is_chosen = equal(x, extreme(x, {along}, true));
  if (is_floating(x.dtype())) {
    is_chosen = logical_or(is_chosen, isnan(x));
  }
  const Tensor position = iota(x.shape(), along, Dtype::i64);
  const auto none = static_cast<double>(x.shape()[along]);
  const Tensor first = min(where(is_chosen, position, none), {along}, keep_axis);
  if (axis || !keep_axis) return first;
  return reshape(first,
                 Shape(std::vector<std::int64_t>(static_cast<std::size_t>(given.rank()), 1)));
}

}  // namespace

Tensor argmax(Operand x, std::optional<int> axis, bool keep_axis) {
  return first_position("argmax", x, axis, keep_axis, max);
}

Tensor argmin(Operand x, std::optional<int> axis, bool keep_axis) {
  return first_position("argmin", x, axis, keep_axis, min);
}

Tensor one_hot(Operand ids, std::int64_t classes, Dtype dtype) {
  const Tensor tensor = ops::tensor_of("one_hot", ids);
  ops::check_dtype("one_hot", "ids", {tensor.dtype(), tensor.shape()}, ir::kIndices);
  if (classes < 1) {
    raise({.where = "one_hot",
           .what = "the number of classes must be positive",
           .got = std::to_string(classes),
           .expected = "1 or more",
           .hint = {}});
  }
  std::vector<std::int64_t> lengths = tensor.shape().to_vector();
  lengths.push_back(1);
  const Tensor column = reshape(tensor, Shape(lengths));
  lengths.back() = classes;
  const Tensor position = iota(Shape(lengths), tensor.rank(), tensor.dtype());
  return cast(equal(position, column), dtype);
}

}  // namespace sinter
