// The pointwise ops as ops: what ir/pointwise.h says of each is bound to inference, gradients and
// the user functions here, for all of them at once.
#include "ir/pointwise.h"

#include <array>
#include <string>

#include "ir/pointwise_table.h"
#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "ops/sum_to.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

// The entry of ir/pointwise_table.h for an op.
constexpr std::size_t entry_of(ir::OpId id) {
  return static_cast<std::size_t>(id) - static_cast<std::size_t>(ir::kStructuredOpCount);
}

std::vector<TensorType> infer_entry(const ir::PointwiseOp& op, const ir::OpCall& call) {
  const std::size_t first = op.mask_first ? 1 : 0;
  check_same_dtype(op.name, call.inputs.subspan(first));
  const Dtype dtype = call.inputs[first].dtype;
  Shape shape = call.inputs[0].shape;
  for (const TensorType& input : call.inputs.subspan(1)) {
    shape = broadcast_shapes(op.name, shape, input.shape);
  }
  return {{ir::result_dtype(op, dtype), shape}};
}

template <ir::OpId id>
std::vector<TensorType> infer(const ir::OpCall& call) {
  return infer_entry(ir::pointwise_ops()[entry_of(id)], call);
}

template <ir::OpId id>
std::int32_t append(ir::BodyBuilder& builder, const ir::OpCall& call,
                    std::span<const std::int32_t> inputs) {
  const ir::PointwiseOp& op = ir::pointwise_ops()[entry_of(id)];
  return op.append(builder, call.inputs[op.mask_first ? 1 : 0].dtype, inputs.data());
}

// Calls `backward` of a struct: g, the inputs, the result.
template <class Struct, int arity>
auto run_backward(const Tensor& g, std::span<const Tensor> x, const Tensor& y) {
  if constexpr (arity == 1) {
    return std::array<Tensor, 1>{Struct::backward(g, x[0], y)};
  } else if constexpr (arity == 2) {
    return Struct::backward(g, x[0], x[1], y);
  } else {
    return Struct::backward(g, x[0], x[1], x[2], y);
  }
}

// The gradients of the last inputs (a condition before them has none), summed back over the axes
// along which each input was broadcast.
template <class Struct, int arity>
std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const auto dx = run_backward<Struct, arity>(*call.dy[0], call.inputs, call.results[0]);
  std::vector<std::optional<Tensor>> gradients(call.inputs.size());
  const std::size_t skipped = gradients.size() - dx.size();
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (!is_needed(call, i + skipped)) continue;
    gradients[i + skipped] = sum_to(dx[i], call.inputs[i + skipped].shape());
  }
  return gradients;
}

template <class Struct, int arity>
constexpr bool has_backward() {
  if constexpr (arity == 1) {
    return requires(const Tensor& t) { Struct::backward(t, t, t); };
  } else if constexpr (arity == 2) {
    return requires(const Tensor& t) { Struct::backward(t, t, t, t); };
  } else {
    return requires(const Tensor& t) { Struct::backward(t, t, t, t, t); };
  }
}

template <class Struct, int arity, ir::OpId id>
constexpr ir::Op make_op(const char* name) {
  ir::Op op;
  op.id = id;
  op.name = name;
  op.doc = Struct::doc;
  op.kind = ir::OpKind::pointwise;
  op.precision = ir::Precision::follow;
  constexpr const char* names[] = {arity == 1 ? "x" : "a", "b", "c"};
  for (int i = 0; i < arity; ++i) op.inputs[i] = {names[i], ir::dtypes_of(Struct::accepts)};
  if (ir::mask_first<Struct>()) op.inputs[0] = {"the condition", ir::kMasks};
  op.infer = infer<id>;
  if constexpr (has_backward<Struct, arity>()) op.gradient = gradient<Struct, arity>;
  op.append = append<id>;
  return op;
}

const ir::Op& pointwise_op(ir::OpId id) { return kPointwiseOps[entry_of(id)]; }

Tensor call_pointwise(ir::OpId id, std::span<const Operand* const> operands) {
  const ir::Op& op = pointwise_op(id);
  const bool mask_first = ir::pointwise_ops()[entry_of(id)].mask_first;
  const std::vector<Tensor> inputs = tensors_of(op.name, operands, mask_first ? 1 : 0);
  return apply_one(op, inputs, {}, operands[0]->location());
}

}  // namespace

#define SINTER_UNARY(Struct, function) \
  make_op<ir::pointwise::Struct, 1, ir::OpId::function>(#function),
#define SINTER_BINARY(Struct, function) \
  make_op<ir::pointwise::Struct, 2, ir::OpId::function>(#function),
#define SINTER_TERNARY(Struct, function) \
  make_op<ir::pointwise::Struct, 3, ir::OpId::function>(#function),
constinit const std::array<ir::Op, ir::kOpCount - ir::kStructuredOpCount> kPointwiseOps = {
    {SINTER_POINTWISE_OPS(SINTER_UNARY, SINTER_BINARY, SINTER_TERNARY)}};
#undef SINTER_UNARY
#undef SINTER_BINARY
#undef SINTER_TERNARY

}  // namespace ops

#define SINTER_UNARY(Struct, function)                        \
  Tensor function(Operand x) {                                \
    const Operand* const operands[] = {&x};                   \
    return ops::call_pointwise(ir::OpId::function, operands); \
  }
#define SINTER_BINARY(Struct, function)                       \
  Tensor function(Operand a, Operand b) {                     \
    const Operand* const operands[] = {&a, &b};               \
    return ops::call_pointwise(ir::OpId::function, operands); \
  }
#define SINTER_TERNARY(Struct, function)                      \
  Tensor function(Operand a, Operand b, Operand c) {          \
    const Operand* const operands[] = {&a, &b, &c};           \
    return ops::call_pointwise(ir::OpId::function, operands); \
  }
SINTER_POINTWISE_OPS(SINTER_UNARY, SINTER_BINARY, SINTER_TERNARY)
#undef SINTER_UNARY
#undef SINTER_BINARY
#undef SINTER_TERNARY

Tensor operator+(Operand a, Operand b) { return add(a, b); }
Tensor operator-(Operand a, Operand b) { return subtract(a, b); }
Tensor operator*(Operand a, Operand b) { return multiply(a, b); }
Tensor operator/(Operand a, Operand b) { return divide(a, b); }
Tensor operator-(Operand x) { return negate(x); }
Tensor operator<(Operand a, Operand b) { return less(a, b); }
Tensor operator<=(Operand a, Operand b) { return less_equal(a, b); }
Tensor operator>(Operand a, Operand b) { return greater(a, b); }
Tensor operator>=(Operand a, Operand b) { return greater_equal(a, b); }

}  // namespace sinter
