// Conversion between element types.
#include <limits>
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

using ir::BodyBuilder;
using ir::Sym;

std::vector<TensorType> infer(const ir::OpCall& call) {
  return {{dtype_attribute(call.attributes), call.inputs[0].shape}};
}

// The integer that x truncates to, between To's bounds `low` and `high` - 1; 0 for NaN. The
// conversion itself only sees values that fit.
template <class To, class From>
Sym<To> saturate(const Sym<From>& x, double low, double high) {
  const Sym<From> lowest(low);
  const Sym<From> beyond(high);
  const Sym<bool> is_high = beyond <= x;
  const Sym<bool> is_low = x < lowest;
  const Sym<bool> fits = !(is_high | is_low | ir::is_nan(x));
  const Sym<To> inside = ir::convert<To>(ir::select(fits, x, Sym<From>(0)));
  // high - 1 may not be a From, but it is a To: 2^63 - 1 is written without rounding.
  const To largest =
      high >= 9223372036854775808.0 ? std::numeric_limits<To>::max() : static_cast<To>(high - 1);
  return ir::select(is_high, Sym<To>(largest),
                    ir::select(is_low, Sym<To>(static_cast<To>(low)), inside));
}

template <class From>
std::int32_t append_float_to_integer(BodyBuilder& builder, std::int32_t position, Dtype to) {
  const Sym<From> x = builder.value<From>(position);
  if (to == Dtype::i64) {
    return builder.position(
        saturate<std::int64_t>(x, -9223372036854775808.0, 9223372036854775808.0));
  }
  if (to == Dtype::i32) {
    return builder.position(saturate<std::int32_t>(x, -2147483648.0, 2147483648.0));
  }
  return builder.convert(builder.position(saturate<std::int32_t>(x, 0, 256)), Dtype::u8);
}

// bf16 and f16 convert to and from f32 only; everything else goes through it.
std::int32_t append(BodyBuilder& builder, const ir::OpCall& call,
                    std::span<const std::int32_t> inputs) {
  const Dtype to = dtype_attribute(call.attributes);
  std::int32_t position = inputs[0];
  Dtype from = call.inputs[0].dtype;
  if (from == to) return position;
  if (is_half(from)) {
    position = builder.convert(position, Dtype::f32);
    from = Dtype::f32;
    if (to == Dtype::f32) return position;
  }
  if (is_half(to)) {
    if (from != Dtype::f32) position = builder.convert(position, Dtype::f32);
    return builder.convert(position, to);
  }
  const bool to_integer = to == Dtype::i32 || to == Dtype::i64 || to == Dtype::u8;
  if (to_integer && from == Dtype::f32) {
    return append_float_to_integer<float>(builder, position, to);
  }
  if (to_integer && from == Dtype::f64) {
    return append_float_to_integer<double>(builder, position, to);
  }
  return builder.convert(position, to);
}

std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const Dtype from = call.inputs[0].dtype();
  if (!is_floating(from) || !is_floating(call.results[0].dtype())) return {std::nullopt};
  return {sinter::cast(*call.dy[0], from)};
}

}  // namespace

constinit const ir::Op kCast = {
    .id = ir::OpId::cast,
    .name = "cast",
    .doc =
        "Each element converted. Floats to integers truncate towards zero and saturate, NaN "
        "gives 0; integers to narrower integers keep the low bits; numbers to bool: x != 0; f64 "
        "to bf16 and f16 rounds to f32 on the way. Every dtype; the gradient goes between "
        "floating ones.",
    .kind = ir::OpKind::pointwise,
    .inputs = {{"x", ir::kEveryDtype}},
    .schema = {{"dtype", Kind::dtype}},
    .infer = infer,
    .gradient = gradient,
    .append = append,
};

}  // namespace ops

Tensor cast(Operand x, Dtype dtype) {
  const Tensor tensor = ops::tensor_of("cast", x);
  if (tensor.defined() && tensor.dtype() == dtype) return tensor;
  return apply_one(ops::kCast, {&tensor, 1}, {{"dtype", static_cast<std::int64_t>(dtype)}},
                   x.location());
}

}  // namespace sinter
