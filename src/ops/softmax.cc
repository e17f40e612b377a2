// Softmax and its logarithm, along the innermost axis; the user functions move any other axis
// there.
#include <numeric>
#include <string>
#include <utility>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

using Gradients = std::vector<std::optional<Tensor>>;

std::vector<TensorType> infer(const char* where, const ir::OpCall& call) {
  if (call.inputs[0].shape.rank() < 1) {
    raise({.where = where,
           .what = "a scalar has no axis",
           .got = call.inputs[0].to_string(),
           .expected = "(..., C)",
           .hint = {}});
  }
  return {call.inputs[0]};
}

std::vector<TensorType> infer_softmax(const ir::OpCall& call) { return infer("softmax", call); }
std::vector<TensorType> infer_log_softmax(const ir::OpCall& call) {
  return infer("log_softmax", call);
}

// x - max(x): the largest exponent is 0, so that nothing overflows. The same for every x of a row,
// so the maximum's own gradient cancels.
Tensor shifted(const Tensor& x) { return x - max(x, {-1}, true); }

std::vector<Tensor> compose_softmax(std::span<const Tensor> inputs, const ir::Attributes&) {
  const Tensor e = exp(shifted(inputs[0]));
  return {e / sum(e, {-1}, true)};
}

std::vector<Tensor> compose_log_softmax(std::span<const Tensor> inputs, const ir::Attributes&) {
  const Tensor x = shifted(inputs[0]);
  return {x - log(sum(exp(x), {-1}, true))};
}

Gradients softmax_gradient(const ir::GradientCall& call) {
  const Tensor& y = call.results[0];
  const Tensor weighted = *call.dy[0] * y;
  return {weighted - y * sum(weighted, {-1}, true)};
}

Gradients log_softmax_gradient(const ir::GradientCall& call) {
  const Tensor& dy = *call.dy[0];
  const Tensor p = exp(call.results[0]);
  return {dy - p * sum(dy, {-1}, true)};
}

Tensor call_along(const ir::Op& op, const Operand& operand, int axis) {
  const Tensor x = tensor_of(op.name, operand);
  const SourceLocation location = operand.location();
  if (x.rank() == 0) return apply_one(op, {&x, 1}, {}, location);
  const int normal = normalize_axis(op.name, axis, x.rank());
  if (normal == x.rank() - 1) return apply_one(op, {&x, 1}, {}, location);
  // Exchanging two axes is its own inverse.
  std::vector<int> order(static_cast<std::size_t>(x.rank()));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<std::size_t>(normal)], order.back());
  const Tensor moved = permute(Operand(x, location), order);
  return permute(Operand(apply_one(op, {&moved, 1}, {}, location), location), order);
}

}  // namespace

constinit const ir::Op kSoftmax = {
    .id = ir::OpId::softmax,
    .name = "softmax",
    .doc =
        "exp(x) / sum(exp(x)) along the innermost axis, the maximum taken away first. f32 or f64.",
    .kind = ir::OpKind::composite,
    .precision = ir::Precision::full,
    .inputs = {{"x", ir::kFullFloats}},
    .infer = infer_softmax,
    .gradient = softmax_gradient,
    .compose = compose_softmax,
};

constinit const ir::Op kLogSoftmax = {
    .id = ir::OpId::log_softmax,
    .name = "log_softmax",
    .doc =
        "x - log(sum(exp(x))) along the innermost axis, the maximum taken away first. f32 or f64.",
    .kind = ir::OpKind::composite,
    .precision = ir::Precision::full,
    .inputs = {{"x", ir::kFullFloats}},
    .infer = infer_log_softmax,
    .gradient = log_softmax_gradient,
    .compose = compose_log_softmax,
};

}  // namespace ops

Tensor softmax(Operand x, int axis) { return ops::call_along(ops::kSoftmax, x, axis); }

Tensor log_softmax(Operand x, int axis) { return ops::call_along(ops::kLogSoftmax, x, axis); }

}  // namespace sinter
