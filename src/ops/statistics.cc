// Functions of whole axes that are composed of reductions: norm, variance, logsumexp, any and all.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "ops/check.h"
#include "ops/moments.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "sinter/ops.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

using ops::check_dtype;
using ops::tensor_of;

Tensor floating(const char* where, const Operand& x) {
  const Tensor tensor = tensor_of(where, x);
  check_dtype(where, "x", {tensor.dtype(), tensor.shape()}, ir::kFullFloats);
  return tensor;
}

// The same value, through which no gradient goes.
Tensor constant(const Tensor& x) { return make_tensor(x.impl()->payload); }

// `kept`, whose reduced axes have length 1, as the caller wants it.
Tensor drop_axes(const char* where, const Tensor& kept, const std::vector<int>& axes,
                 bool keep_axes) {
  if (keep_axes) return kept;
  return reshape(kept, ops::without_axes(kept.shape(), ops::normal_axes(where, axes, kept.rank())));
}

// sqrt(sum(x^2)) over axes that stay. x is divided by its largest magnitude first, so that no
// square overflows or vanishes; and where all is 0 another number is under the root, whose gradient
// there would be infinite.
Tensor euclidean_norm(const Tensor& x, const std::vector<int>& axes) {
  const Tensor largest = max(abs(constant(x)), axes, true);
  const Tensor is_positive = largest > 0.0;
  const Tensor is_usable = logical_and(is_positive, isfinite(largest));
  const Tensor scale = where(is_usable, largest, 1.0);
  const Tensor total = sum(square(x / scale), axes, true);
  const Tensor is_zero = equal(total, 0.0);
  const Tensor root = sqrt(where(is_zero, 1.0, total));
  return where(is_zero, 0.0, root * scale);
}

// Whether an element is not 0, in the smallest type that has reductions.
Tensor as_integers(const char* where, const Operand& x) {
  return cast(cast(tensor_of(where, x), Dtype::boolean), Dtype::i32);
}

}  // namespace

Tensor norm(Operand x, const std::vector<int>& axes, bool keep_axes, double p) {
  const Tensor tensor = floating("norm", x);
  if (p == 1) return sum(abs(tensor), axes, keep_axes);
  // An empty axis has the norm 0.
  if (p == std::numeric_limits<double>::infinity()) {
    return maximum(max(abs(tensor), axes, keep_axes), 0.0);
  }
  if (p != 2) {
    raise({.where = "norm",
           .what = "no norm of this order",
           .got = std::to_string(p),
           .expected = "1, 2 or infinity",
           .hint = "pow(sum(pow(abs(x), p)), 1 / p) is others', with their gradients"});
  }
  return drop_axes("norm", euclidean_norm(tensor, axes), axes, keep_axes);
}

Tensor var(Operand x, const std::vector<int>& axes, double correction, bool keep_axes) {
  const Tensor tensor = floating("var", x);
  const Tensor biased = ops::moments(tensor, axes).variance;
  const double results = static_cast<double>(biased.elements());
  const double count = results == 0 ? 0 : static_cast<double>(tensor.elements()) / results;
  const Tensor variance = biased * (count / std::max(count - correction, 0.0));
  return drop_axes("var", variance, axes, keep_axes);
}

Tensor logsumexp(Operand x, const std::vector<int>& axes, bool keep_axes) {
  const Tensor tensor = floating("logsumexp", x);
  const Tensor largest = max(constant(tensor), axes, true);
  const Tensor shift = where(isfinite(largest), largest, 0.0);
  const Tensor total = sum(exp(tensor - shift), axes, true);
  const Tensor is_zero = equal(total, 0.0);
  const Tensor finite = log(where(is_zero, 1.0, total)) + shift;
  const Tensor all = where(is_zero, -std::numeric_limits<double>::infinity(), finite);
  return drop_axes("logsumexp", all, axes, keep_axes);
}

// The max of nothing is the smallest integer, the min of nothing the largest.
Tensor any(Operand x, const std::vector<int>& axes, bool keep_axes) {
  return max(as_integers("any", x), axes, keep_axes) > 0.0;
}

Tensor all(Operand x, const std::vector<int>& axes, bool keep_axes) {
  return min(as_integers("all", x), axes, keep_axes) > 0.0;
}

}  // namespace sinter
