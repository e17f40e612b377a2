// Matrix products.
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
  const TensorType& a = call.inputs[0];
  const TensorType& b = call.inputs[1];
  check_same_dtype("matmul", call.inputs);
  const int rank = a.shape.rank();
  bool same_batch = rank >= 2 && b.shape.rank() == rank;
  for (int axis = 0; same_batch && axis < rank - 2; ++axis) {
    same_batch = a.shape[axis] == b.shape[axis];
  }
  if (!same_batch) {
    raise({.where = "matmul",
           .what = "the batch axes differ",
           .got = types_text(call.inputs),
           .expected = "(B..., M, K) and (B..., K, N) with equal batch axes or none",
           .hint = "reshape() or broadcast_to() one of them"});
  }
  if (a.shape[rank - 1] != b.shape[rank - 2]) {
    raise({.where = "matmul",
           .what = "the contracted axes differ",
           .got = types_text(call.inputs),
           .expected = "(B..., M, K) and (B..., K, N)",
           .hint = "transpose() exchanges the two innermost axes"});
  }
  Shape shape = a.shape;
  shape.set(rank - 1, b.shape[rank - 1]);
  return {{contraction_dtype("matmul", call), shape}};
}

std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Tensor dy = cast(*call.dy[0], call.inputs[0].dtype());
  std::vector<std::optional<Tensor>> gradients(2);
  if (is_needed(call, 0)) gradients[0] = matmul(dy, transpose(call.inputs[1]));
  if (is_needed(call, 1)) gradients[1] = matmul(transpose(call.inputs[0]), dy);
  return gradients;
}

// M * N * K products a matrix.
ir::Cost cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const double contracted = static_cast<double>(call.inputs[0].shape.dim(-1));
  return contraction_cost(call, results, contracted * static_cast<double>(results[0].elements()));
}

}  // namespace

constinit const ir::Op kMatmul = {
    .id = ir::OpId::matmul,
    .name = "matmul",
    .doc =
        "(B..., M, K) x (B..., K, N) -> (B..., M, N); equal batch axes or none. f32, f64, bf16 or "
        "f16, the last two added up in f32. "
        "Errors: fewer than two axes, K or batch axes that differ.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"a", ir::kFloats}, {"b", ir::kFloats}},
    .schema = {{"dtype", Kind::integer, kAsInputs}},
    .infer = infer,
    .gradient = gradient,
    .cost = cost,
    .axes = ir::AxisRule::matmul,
};

}  // namespace ops

Tensor matmul(Operand a, Operand b) {
  const Tensor tensors[] = {ops::tensor_of("matmul", a), ops::tensor_of("matmul", b)};
  return apply_one(ops::kMatmul, tensors, {}, a.location());
}

Tensor linear(Operand x, Operand weight, std::optional<Operand> bias) {
  const Tensor input = ops::tensor_of("linear", x);
  const Tensor w = ops::tensor_of("linear", weight);
  if (w.rank() != 2 || input.rank() < 1 || input.dim(-1) != w.dim(1)) {
    raise({.where = "linear",
           .what = "x and the weight do not fit",
           .got = input.to_string() + " and " + w.to_string(),
           .expected = "x (..., I) and weight (O, I)",
           .hint = {}});
  }
  if (bias.has_value()) {
    const Tensor b = ops::tensor_of("linear", *bias);
    if (b.rank() != 1 || b.dim(0) != w.dim(0)) {
      raise({.where = "linear",
             .what = "the bias does not fit the weight",
             .got = b.to_string() + " beside the weight " + w.to_string(),
             .expected = "(" + std::to_string(w.dim(0)) + ",)",
             .hint = {}});
    }
  }
  const SourceLocation location = x.location();
  Shape shape = input.shape();
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) rows *= shape[axis];
  shape.set(shape.rank() - 1, w.dim(0));
  const Tensor flat = reshape(Operand(input, location), Shape({rows, w.dim(1)}));
  const Tensor transposed = transpose(Operand(w, location));
  Tensor y = matmul(Operand(flat, location), Operand(transposed, location));
  if (bias.has_value()) y = add(Operand(y, location), *bias);
  return reshape(Operand(y, location), shape);
}

}  // namespace sinter
