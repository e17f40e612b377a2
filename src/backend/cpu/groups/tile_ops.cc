#include "backend/cpu/groups/tile_ops.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "base/half.h"
#include "ir/internal_error.h"
#include "ir/scalar_ops.h"

namespace sinter::backend::cpu {

namespace {

using ir::ScalarOp;

// Storage of the types that have no C++ type of their own. Distinct, so that conversions can tell.
struct Boolean {
  std::uint8_t byte;
};
struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};

// The unsigned integer with the bits of T, for wrapping arithmetic and choices of bits.
template <class T>
using BitsOf = std::conditional_t<
    sizeof(T) == 8, std::uint64_t,
    std::conditional_t<sizeof(T) == 4, std::uint32_t,
                       std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;

// out[i] = Op::apply(a[i]), and the same with two and three operands.
template <class Op, class Out, class A>
void unary(void* out, const void* a, const void*, const void*, std::int64_t, std::int64_t count) {
  auto* __restrict to = static_cast<Out*>(out);
  const auto* x = static_cast<const A*>(a);
  for (std::int64_t i = 0; i < count; ++i) to[i] = Op::apply(x[i]);
}

template <class Op, class Out, class A>
void binary(void* out, const void* a, const void* b, const void*, std::int64_t,
            std::int64_t count) {
  auto* __restrict to = static_cast<Out*>(out);
  const auto* x = static_cast<const A*>(a);
  const auto* y = static_cast<const A*>(b);
  for (std::int64_t i = 0; i < count; ++i) to[i] = Op::apply(x[i], y[i]);
}

template <class T>
void fused_multiply_add(void* out, const void* a, const void* b, const void* c, std::int64_t,
                        std::int64_t count) {
  auto* __restrict to = static_cast<T*>(out);
  const auto* x = static_cast<const T*>(a);
  const auto* y = static_cast<const T*>(b);
  const auto* z = static_cast<const T*>(c);
  for (std::int64_t i = 0; i < count; ++i) to[i] = std::fma(x[i], y[i], z[i]);
}

#if defined(__x86_64__)
// Every processor of the last decade has fma, but x86-64 as such does not: there std::fma is a
// call.
template <class T>
__attribute__((target("avx2,fma"))) void fused_multiply_add_avx2(void* out, const void* a,
                                                                 const void* b, const void* c,
                                                                 std::int64_t, std::int64_t count) {
  auto* __restrict to = static_cast<T*>(out);
  const auto* x = static_cast<const T*>(a);
  const auto* y = static_cast<const T*>(b);
  const auto* z = static_cast<const T*>(c);
  for (std::int64_t i = 0; i < count; ++i) to[i] = std::fma(x[i], y[i], z[i]);
}
#endif

template <class T>
TileFunction multiply_add_function() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return fused_multiply_add_avx2<T>;
  }
#endif
  return fused_multiply_add<T>;
}

// T is an unsigned integer: a choice of bits.
template <class T>
void choose(void* out, const void* a, const void* b, const void* c, std::int64_t,
            std::int64_t count) {
  auto* __restrict to = static_cast<T*>(out);
  const auto* condition = static_cast<const std::uint8_t*>(a);
  const auto* x = static_cast<const T*>(b);
  const auto* y = static_cast<const T*>(c);
  for (std::int64_t i = 0; i < count; ++i) {
    const T mask = static_cast<T>(T{0} - static_cast<T>(condition[i]));
    to[i] = static_cast<T>((x[i] & mask) | (y[i] & static_cast<T>(~mask)));
  }
}

template <class T>
void wrap_angles(void* out, const void* a, const void*, const void*, std::int64_t imm,
                 std::int64_t count) {
  auto* __restrict to = static_cast<T*>(out);
  const auto* x = static_cast<const T*>(a);
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = ir::scalar::wrap_angle(x[i], static_cast<int>(imm));
  }
}

template <class Op, class T>
void shift(void* out, const void* a, const void*, const void*, std::int64_t imm,
           std::int64_t count) {
  auto* __restrict to = static_cast<T*>(out);
  const auto* x = static_cast<const T*>(a);
  const int distance = static_cast<int>(imm);
  for (std::int64_t i = 0; i < count; ++i) to[i] = Op::apply(x[i], distance);
}

// Integers wrap: their arithmetic is done unsigned.
template <class T, class Compute>
T wrapping(T a, T b, Compute compute) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(compute(static_cast<BitsOf<T>>(a), static_cast<BitsOf<T>>(b)));
  } else {
    return compute(a, b);
  }
}

struct Add {
  template <class T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Sub {
  template <class T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
};
struct Mul {
  template <class T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct Div {
  template <class T>
  static T apply(T a, T b) {
    return a / b;
  }
};
struct Neg {
  template <class T>
  static T apply(T a) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(BitsOf<T>{0} - static_cast<BitsOf<T>>(a));
    } else {
      return std::bit_cast<T>(std::bit_cast<BitsOf<T>>(a) ^ (BitsOf<T>{1} << (8 * sizeof(T) - 1)));
    }
  }
};
struct Abs {
  template <class T>
  static T apply(T a) {
    return std::bit_cast<T>(std::bit_cast<BitsOf<T>>(a) & (~BitsOf<T>{0} >> 1));
  }
};
struct Sqrt {
  template <class T>
  static T apply(T a) {
    return std::sqrt(a);
  }
};
struct RoundEven {
  template <class T>
  static T apply(T a) {
    return std::nearbyint(a);
  }
};
struct Floor {
  template <class T>
  static T apply(T a) {
    return std::floor(a);
  }
};
struct Ceil {
  template <class T>
  static T apply(T a) {
    return std::ceil(a);
  }
};
struct Trunc {
  template <class T>
  static T apply(T a) {
    return std::trunc(a);
  }
};
struct Eq {
  template <class T>
  static std::uint8_t apply(T a, T b) {
    return a == b ? 1 : 0;
  }
};
struct Ne {
  template <class T>
  static std::uint8_t apply(T a, T b) {
    return a != b ? 1 : 0;
  }
};
struct Lt {
  template <class T>
  static std::uint8_t apply(T a, T b) {
    return a < b ? 1 : 0;
  }
};
struct Le {
  template <class T>
  static std::uint8_t apply(T a, T b) {
    return a <= b ? 1 : 0;
  }
};
struct And {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <class T>
  static T apply(T a) {
    if constexpr (sizeof(T) == 1) return static_cast<T>(a ^ 1);  // boolean
    return static_cast<T>(~a);
  }
};
struct ShiftLeft {
  template <class T>
  static T apply(T a, int distance) {
    return static_cast<T>(static_cast<BitsOf<T>>(a) << distance);
  }
};
struct ShiftRight {
  template <class T>
  static T apply(T a, int distance) {
    return static_cast<T>(a >> distance);
  }
};
struct ShiftRightLogical {
  template <class T>
  static T apply(T a, int distance) {
    return static_cast<T>(static_cast<BitsOf<T>>(a) >> distance);
  }
};

// Truncation. Outside the integer's range the result is undefined by scalar.h; here it is the most
// negative integer, as x86 gives, because the C++ conversion would be undefined behaviour.
template <class To, class From>
To truncated(From value) {
  constexpr From limit = sizeof(To) == 8 ? From(0x1p63) : From(0x1p31);
  const bool fits = value >= -limit && value < limit;
  const bool low_fraction = sizeof(To) < 8 && sizeof(From) == 8 && value > -limit - From(1);
  if (fits || (low_fraction && value < limit)) return static_cast<To>(value);
  return std::numeric_limits<To>::min();
}

template <class To>
struct Convert {
  template <class From>
  static To apply(From value) {
    if constexpr (std::is_same_v<From, Bf16>) {
      return Convert<To>::apply(f32_from_bf16(value.bits));
    } else if constexpr (std::is_same_v<From, F16>) {
      return Convert<To>::apply(f32_from_f16(value.bits));
    } else if constexpr (std::is_same_v<From, Boolean>) {
      return Convert<To>::apply(value.byte);
    } else if constexpr (std::is_same_v<To, Boolean>) {
      return {static_cast<std::uint8_t>(value != From(0) ? 1 : 0)};
    } else if constexpr (std::is_same_v<To, Bf16>) {
      return {bf16_from_f32(static_cast<float>(value))};
    } else if constexpr (std::is_same_v<To, F16>) {
      return {f16_from_f32(static_cast<float>(value))};
    } else if constexpr (std::is_floating_point_v<From> && std::is_same_v<To, std::uint8_t>) {
      return static_cast<To>(truncated<std::int32_t>(value));
    } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      return truncated<To>(value);
    } else {
      return static_cast<To>(value);
    }
  }
};

[[noreturn]] void no_loop(ScalarOp op) {
  throw ir::InternalError("interpreter: no loop for " + std::string(ir::name_of(op)) +
                          " of this type");
}

template <class Op>
TileFunction float_unary(ScalarOp op, Dtype type) {
  if (type == Dtype::f32) return unary<Op, float, float>;
  if (type == Dtype::f64) return unary<Op, double, double>;
  no_loop(op);
}

template <class Op>
TileFunction number_binary(ScalarOp op, Dtype type) {
  if (type == Dtype::f32) return binary<Op, float, float>;
  if (type == Dtype::f64) return binary<Op, double, double>;
  if (type == Dtype::i32) return binary<Op, std::int32_t, std::int32_t>;
  if (type == Dtype::i64) return binary<Op, std::int64_t, std::int64_t>;
  no_loop(op);
}

template <class Op>
TileFunction comparison(ScalarOp op, Dtype source) {
  if (source == Dtype::f32) return binary<Op, std::uint8_t, float>;
  if (source == Dtype::f64) return binary<Op, std::uint8_t, double>;
  if (source == Dtype::i32) return binary<Op, std::uint8_t, std::int32_t>;
  if (source == Dtype::i64) return binary<Op, std::uint8_t, std::int64_t>;
  if (source == Dtype::boolean) return binary<Op, std::uint8_t, std::uint8_t>;
  no_loop(op);
}

template <class Op>
TileFunction bits_binary(ScalarOp op, Dtype type) {
  if (type == Dtype::i32) return binary<Op, std::int32_t, std::int32_t>;
  if (type == Dtype::i64) return binary<Op, std::int64_t, std::int64_t>;
  if (type == Dtype::boolean) return binary<Op, std::uint8_t, std::uint8_t>;
  no_loop(op);
}

template <class Op>
TileFunction shifting(ScalarOp op, Dtype type) {
  if (type == Dtype::i32) return shift<Op, std::int32_t>;
  if (type == Dtype::i64) return shift<Op, std::int64_t>;
  no_loop(op);
}

template <class To>
TileFunction convert_to(Dtype source) {
  switch (source) {
    case Dtype::f32:
      return unary<Convert<To>, To, float>;
    case Dtype::f64:
      return unary<Convert<To>, To, double>;
    case Dtype::bf16:
      return unary<Convert<To>, To, Bf16>;
    case Dtype::f16:
      return unary<Convert<To>, To, F16>;
    case Dtype::i32:
      return unary<Convert<To>, To, std::int32_t>;
    case Dtype::i64:
      return unary<Convert<To>, To, std::int64_t>;
    case Dtype::u8:
      return unary<Convert<To>, To, std::uint8_t>;
    case Dtype::boolean:
      return unary<Convert<To>, To, Boolean>;
  }
  no_loop(ScalarOp::convert);
}

TileFunction conversion(Dtype type, Dtype source) {
  switch (type) {
    case Dtype::f32:
      return convert_to<float>(source);
    case Dtype::f64:
      return convert_to<double>(source);
    case Dtype::bf16:
      return convert_to<Bf16>(source);
    case Dtype::f16:
      return convert_to<F16>(source);
    case Dtype::i32:
      return convert_to<std::int32_t>(source);
    case Dtype::i64:
      return convert_to<std::int64_t>(source);
    case Dtype::u8:
      return convert_to<std::uint8_t>(source);
    case Dtype::boolean:
      return convert_to<Boolean>(source);
  }
  no_loop(ScalarOp::convert);
}

void copy_bits(void* out, const void* a, const void*, const void*, std::int64_t imm,
               std::int64_t count) {
  std::memcpy(out, a, static_cast<std::size_t>(count * imm));
}
void copy_bits4(void* out, const void* a, const void*, const void*, std::int64_t,
                std::int64_t count) {
  copy_bits(out, a, nullptr, nullptr, 4, count);
}
void copy_bits8(void* out, const void* a, const void*, const void*, std::int64_t,
                std::int64_t count) {
  copy_bits(out, a, nullptr, nullptr, 8, count);
}

}  // namespace

TileFunction tile_function(const ir::ScalarInst& inst, Dtype source) {
  const ScalarOp op = inst.op;
  const Dtype type = inst.type;
  switch (op) {
    case ScalarOp::add:
      return number_binary<Add>(op, type);
    case ScalarOp::sub:
      return number_binary<Sub>(op, type);
    case ScalarOp::mul:
      return number_binary<Mul>(op, type);
    case ScalarOp::div:
      return type == Dtype::f32 ? binary<Div, float, float> : binary<Div, double, double>;
    case ScalarOp::fma:
      return type == Dtype::f32 ? multiply_add_function<float>() : multiply_add_function<double>();
    case ScalarOp::neg:
      if (type == Dtype::i32) return unary<Neg, std::int32_t, std::int32_t>;
      if (type == Dtype::i64) return unary<Neg, std::int64_t, std::int64_t>;
      return float_unary<Neg>(op, type);
    case ScalarOp::abs:
      return float_unary<Abs>(op, type);
    case ScalarOp::sqrt:
      return float_unary<Sqrt>(op, type);
    case ScalarOp::round_even:
      return float_unary<RoundEven>(op, type);
    case ScalarOp::floor:
      return float_unary<Floor>(op, type);
    case ScalarOp::ceil:
      return float_unary<Ceil>(op, type);
    case ScalarOp::trunc:
      return float_unary<Trunc>(op, type);
    case ScalarOp::wrap_angle:
      if (type == Dtype::f32) return wrap_angles<float>;
      if (type == Dtype::f64) return wrap_angles<double>;
      no_loop(op);
    case ScalarOp::eq:
      return comparison<Eq>(op, source);
    case ScalarOp::ne:
      return comparison<Ne>(op, source);
    case ScalarOp::lt:
      return comparison<Lt>(op, source);
    case ScalarOp::le:
      return comparison<Le>(op, source);
    case ScalarOp::bit_and:
      return bits_binary<And>(op, type);
    case ScalarOp::bit_or:
      return bits_binary<Or>(op, type);
    case ScalarOp::bit_xor:
      return bits_binary<Xor>(op, type);
    case ScalarOp::bit_not:
      if (type == Dtype::boolean) return unary<Not, std::uint8_t, std::uint8_t>;
      if (type == Dtype::i32) return unary<Not, std::int32_t, std::int32_t>;
      return unary<Not, std::int64_t, std::int64_t>;
    case ScalarOp::shift_left:
      return shifting<ShiftLeft>(op, type);
    case ScalarOp::shift_right:
      return shifting<ShiftRight>(op, type);
    case ScalarOp::shift_right_logical:
      return shifting<ShiftRightLogical>(op, type);
    case ScalarOp::select:
      if (size_of(type) == 8) return choose<std::uint64_t>;
      return size_of(type) == 4 ? choose<std::uint32_t> : choose<std::uint8_t>;
    case ScalarOp::bitcast:
      return size_of(type) == 8 ? copy_bits8 : copy_bits4;
    case ScalarOp::convert:
      return conversion(type, source);
    default:
      no_loop(op);
  }
}

}  // namespace sinter::backend::cpu
