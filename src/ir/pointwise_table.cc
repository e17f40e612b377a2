#include "ir/pointwise_table.h"

#include <array>
#include <string>

#include "ir/internal_error.h"

namespace sinter::ir {
namespace {

// Whether forward is instantiated for a number that computes as T.
template <class Op, class T>
constexpr bool computes() {
  constexpr bool floating = scalar::RealFloat<T>;
  constexpr bool integer = scalar::RealInteger<T>;
  switch (Op::accepts) {
    case Accepts::floating:
      return floating;
    case Accepts::number:
      return floating || integer;
    case Accepts::integer:
      return integer;
    case Accepts::boolean:
      return !floating && !integer;
    case Accepts::any:
      return true;
  }
  return false;
}

template <class Op, int arity, class T>
std::int32_t append_computed(BodyBuilder& builder, const std::int32_t* inputs) {
  if constexpr (!computes<Op, T>()) {
    throw InternalError("a pointwise op was given an element type that it does not take");
  } else {
    const auto result = [&] {
      if constexpr (arity == 1) {
        return Op::forward(builder.value<T>(inputs[0]));
      } else if constexpr (arity == 2) {
        return Op::forward(builder.value<T>(inputs[0]), builder.value<T>(inputs[1]));
      } else if constexpr (mask_first<Op>()) {
        return Op::forward(builder.value<bool>(inputs[0]), builder.value<T>(inputs[1]),
                           builder.value<T>(inputs[2]));
      } else {
        return Op::forward(builder.value<T>(inputs[0]), builder.value<T>(inputs[1]),
                           builder.value<T>(inputs[2]));
      }
    }();
    return builder.position(result);
  }
}

// Computes in `T`, a wider type than `dtype`, and narrows the result.
template <class Op, int arity, class T>
std::int32_t append_widened(BodyBuilder& builder, Dtype dtype, const std::int32_t* inputs) {
  std::array<std::int32_t, arity> wide;
  for (int i = 0; i < arity; ++i) {
    const bool mask = mask_first<Op>() && i == 0;
    wide[static_cast<std::size_t>(i)] = mask ? inputs[i] : builder.convert(inputs[i], dtype_of<T>);
  }
  const std::int32_t result = append_computed<Op, arity, T>(builder, wide.data());
  return Op::result == ResultType::boolean ? result : builder.convert(result, dtype);
}

template <class Op, int arity>
std::int32_t append_op(BodyBuilder& builder, Dtype dtype, const std::int32_t* inputs) {
  switch (dtype) {
    case Dtype::f32:
      return append_computed<Op, arity, float>(builder, inputs);
    case Dtype::f64:
      return append_computed<Op, arity, double>(builder, inputs);
    case Dtype::i32:
      return append_computed<Op, arity, std::int32_t>(builder, inputs);
    case Dtype::i64:
      return append_computed<Op, arity, std::int64_t>(builder, inputs);
    case Dtype::boolean:
      return append_computed<Op, arity, bool>(builder, inputs);
    case Dtype::u8:
      return append_widened<Op, arity, std::int32_t>(builder, dtype, inputs);
    case Dtype::bf16:
    case Dtype::f16:
      return append_widened<Op, arity, float>(builder, dtype, inputs);
  }
  throw InternalError("no such element type");
}

template <class Op, int arity>
constexpr PointwiseOp make_row(const char* name) {
  return {name, Op::doc, arity, Op::accepts, Op::result, mask_first<Op>(), append_op<Op, arity>};
}

constexpr std::array<PointwiseOp, kPointwiseCount> kTable = {{
#define SINTER_UNARY(Struct, function) make_row<pointwise::Struct, 1>(#function),
#define SINTER_BINARY(Struct, function) make_row<pointwise::Struct, 2>(#function),
#define SINTER_TERNARY(Struct, function) make_row<pointwise::Struct, 3>(#function),
    SINTER_POINTWISE_OPS(SINTER_UNARY, SINTER_BINARY, SINTER_TERNARY)
#undef SINTER_UNARY
#undef SINTER_BINARY
#undef SINTER_TERNARY
}};

}  // namespace

std::span<const PointwiseOp, kPointwiseCount> pointwise_ops() { return kTable; }

const PointwiseOp& pointwise_op(PointwiseId id) { return kTable[static_cast<std::size_t>(id)]; }

const PointwiseOp* find_pointwise_op(std::string_view name) {
  for (const PointwiseOp& op : kTable) {
    if (name == op.name) return &op;
  }
  return nullptr;
}

}  // namespace sinter::ir
