// Numbers that write down what is computed with them: Sym<T> has the vocabulary of scalar_ops.h,
// and each operation appends one instruction to a scalar body. Running a template over Sym<float>
// instead of float turns it into the code that fused groups are made of.
#ifndef SINTER_IR_SYMBOLIC_H_
#define SINTER_IR_SYMBOLIC_H_

#include <bit>
#include <cassert>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "ir/scalar.h"
#include "ir/scalar_ops.h"

namespace sinter::ir {

template <class T>
class Sym;

// Makes a body, one instruction at a time. An instruction that is there already is not appended
// again: its first position is returned (stores excepted), so equal values have equal positions.
class BodyBuilder {
 public:
  BodyBuilder() = default;

  // The position of the instruction. REQUIRES: a, b, c lie before it, -1 where op has no such
  // operand.
  std::int32_t append(const ScalarInst& instruction);

  // Shorthands for leaves.
  std::int32_t load(Dtype dtype, int operand) {
    return append({ScalarOp::load, dtype, -1, -1, -1, operand});
  }
  std::int32_t convert(std::int32_t value, Dtype to) {
    return append({ScalarOp::convert, to, value, -1, -1, 0});
  }
  template <class T>
  std::int32_t constant(T value);

  // The value at `position`, to compute with. REQUIRES: its type is dtype_of<T>. A constant comes
  // back as a literal, so that it folds.
  template <class T>
  Sym<T> value(std::int32_t position);
  // The position of a value; a literal becomes a constant.
  template <class T>
  std::int32_t position(const Sym<T>& value);

  const ScalarBody& body() const { return body_; }
  Dtype type_of(std::int32_t position) const {
    return body_[static_cast<std::size_t>(position)].type;
  }

 private:
  void grow();

  ScalarBody body_;
  // Open addressing: positions in body_ by hash, -1 where free; a power of two, at most half full.
  std::vector<std::int32_t> slots_;
};

// How a constant's bits are stored in ScalarInst::imm, and back.
template <class T>
std::int64_t to_immediate(T value) {
  if constexpr (scalar::RealFloat<T>) {
    return static_cast<std::int64_t>(scalar::bits(value));
  } else {
    return static_cast<std::int64_t>(value);
  }
}
template <class T>
T from_immediate(std::int64_t imm) {
  if constexpr (scalar::RealFloat<T>) {
    return scalar::from_bits(static_cast<scalar::IntegerLike<T>>(imm));
  } else {
    return static_cast<T>(imm);
  }
}

// A number of type T (float, double, std::int32_t, std::int64_t or bool) in a body: a literal, or
// the value of an instruction. Operations on literals alone are done at once, by the function of
// scalar_ops.h, and choices by a literal mask; nothing else is simplified, so that a template
// computes the same bits over T and Sym<T>.
template <class T>
class Sym {
 public:
  template <class Number>
  requires std::is_arithmetic_v<Number>
  explicit Sym(Number literal) : literal_(static_cast<T>(literal)) {}
  Sym(BodyBuilder* builder, std::int32_t position) : builder_(builder), position_(position) {}

  bool is_literal() const { return builder_ == nullptr; }
  T literal() const { return literal_; }
  BodyBuilder* builder() const { return builder_; }
  std::int32_t position_in(BodyBuilder& builder) const {
    assert(is_literal() || builder_ == &builder);
    return is_literal() ? builder.constant(literal_) : position_;
  }

 private:
  BodyBuilder* builder_ = nullptr;
  std::int32_t position_ = -1;
  T literal_{};
};

template <class T>
std::int32_t BodyBuilder::constant(T value) {
  return append({ScalarOp::constant, dtype_of<T>, -1, -1, -1, to_immediate(value)});
}

template <class T>
Sym<T> BodyBuilder::value(std::int32_t position) {
  assert(type_of(position) == dtype_of<T>);
  const ScalarInst& instruction = body_[static_cast<std::size_t>(position)];
  if (instruction.op == ScalarOp::constant) return Sym<T>(from_immediate<T>(instruction.imm));
  return Sym<T>(this, position);
}

template <class T>
std::int32_t BodyBuilder::position(const Sym<T>& value) {
  return value.position_in(*this);
}

namespace symbolic_detail {

// `fold(a...)` when all operands are literals, else the instruction.
template <class R, class Fold, class A>
Sym<R> unary(ScalarOp op, Fold fold, const Sym<A>& a, std::int64_t imm = 0) {
  if (a.is_literal()) return Sym<R>(fold(a.literal()));
  BodyBuilder& builder = *a.builder();
  return Sym<R>(&builder, builder.append({op, dtype_of<R>, a.position_in(builder), -1, -1, imm}));
}

template <class R, class Fold, class T>
Sym<R> binary(ScalarOp op, Fold fold, const Sym<T>& a, const Sym<T>& b) {
  if (a.is_literal() && b.is_literal()) return Sym<R>(fold(a.literal(), b.literal()));
  BodyBuilder& builder = *(a.is_literal() ? b : a).builder();
  const std::int32_t first = a.position_in(builder);
  const std::int32_t second = b.position_in(builder);
  return Sym<R>(&builder, builder.append({op, dtype_of<R>, first, second, -1, 0}));
}

template <class T>
BodyBuilder* builder_of(const Sym<T>& a, const Sym<T>& b) {
  return a.is_literal() ? b.builder() : a.builder();
}

}  // namespace symbolic_detail

// --- Arithmetic ---

template <class T>
Sym<T> add(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(ScalarOp::add, scalar::add<T>, a, b);
}
template <class T>
Sym<T> subtract(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(ScalarOp::sub, scalar::subtract<T>, a, b);
}
template <class T>
Sym<T> multiply(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(ScalarOp::mul, scalar::multiply<T>, a, b);
}
template <class T>
Sym<T> negate(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::neg, scalar::negate<T>, a);
}
template <class T>
Sym<T> operator+(const Sym<T>& a, const Sym<T>& b) {
  return add(a, b);
}
template <class T>
Sym<T> operator-(const Sym<T>& a, const Sym<T>& b) {
  return subtract(a, b);
}
template <class T>
Sym<T> operator*(const Sym<T>& a, const Sym<T>& b) {
  return multiply(a, b);
}
template <class T>
Sym<T> operator-(const Sym<T>& a) {
  return negate(a);
}
template <scalar::RealFloat T>
Sym<T> operator/(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(
      ScalarOp::div, [](T x, T y) { return x / y; }, a, b);
}
template <scalar::RealFloat T>
Sym<T> fma(const Sym<T>& a, const Sym<T>& b, const Sym<T>& c) {
  if (a.is_literal() && b.is_literal() && c.is_literal()) {
    return Sym<T>(scalar::fma(a.literal(), b.literal(), c.literal()));
  }
  BodyBuilder* owner = symbolic_detail::builder_of(a, b);
  BodyBuilder& builder = *(owner == nullptr ? c.builder() : owner);
  const std::int32_t first = a.position_in(builder);
  const std::int32_t second = b.position_in(builder);
  const std::int32_t third = c.position_in(builder);
  return Sym<T>(&builder, builder.append({ScalarOp::fma, dtype_of<T>, first, second, third, 0}));
}

// --- Floats ---

template <scalar::RealFloat T>
Sym<T> abs(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::abs, scalar::abs<T>, a);
}
template <scalar::RealFloat T>
Sym<T> sqrt(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::sqrt, scalar::sqrt<T>, a);
}
template <scalar::RealFloat T>
Sym<T> round_even(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::round_even, scalar::round_even<T>, a);
}
template <scalar::RealFloat T>
Sym<T> floor(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::floor, scalar::floor<T>, a);
}
template <scalar::RealFloat T>
Sym<T> ceil(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::ceil, scalar::ceil<T>, a);
}
template <scalar::RealFloat T>
Sym<T> trunc(const Sym<T>& a) {
  return symbolic_detail::unary<T>(ScalarOp::trunc, scalar::trunc<T>, a);
}
template <scalar::RealFloat T>
Sym<T> wrap_angle(const Sym<T>& a, int quarters) {
  return symbolic_detail::unary<T>(
      ScalarOp::wrap_angle, [=](T x) { return scalar::wrap_angle(x, quarters); }, a, quarters);
}

// --- Masks ---

// A literal mask decides `and` and `or` at once.
inline Sym<bool> mask_and(const Sym<bool>& a, const Sym<bool>& b) {
  if (a.is_literal()) return a.literal() ? b : a;
  if (b.is_literal()) return b.literal() ? a : b;
  return symbolic_detail::binary<bool>(ScalarOp::bit_and, scalar::mask_and, a, b);
}
inline Sym<bool> mask_or(const Sym<bool>& a, const Sym<bool>& b) {
  if (a.is_literal()) return a.literal() ? a : b;
  if (b.is_literal()) return b.literal() ? b : a;
  return symbolic_detail::binary<bool>(ScalarOp::bit_or, scalar::mask_or, a, b);
}
inline Sym<bool> mask_xor(const Sym<bool>& a, const Sym<bool>& b) {
  return symbolic_detail::binary<bool>(ScalarOp::bit_xor, scalar::mask_xor, a, b);
}
inline Sym<bool> mask_not(const Sym<bool>& a) {
  return symbolic_detail::unary<bool>(ScalarOp::bit_not, scalar::mask_not, a);
}
inline Sym<bool> operator&(const Sym<bool>& a, const Sym<bool>& b) { return mask_and(a, b); }
inline Sym<bool> operator|(const Sym<bool>& a, const Sym<bool>& b) { return mask_or(a, b); }
inline Sym<bool> operator^(const Sym<bool>& a, const Sym<bool>& b) { return mask_xor(a, b); }
inline Sym<bool> operator!(const Sym<bool>& a) { return mask_not(a); }

// --- Comparisons ---

template <scalar::RealNumber T>
Sym<bool> operator==(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<bool>(
      ScalarOp::eq, [](T x, T y) { return x == y; }, a, b);
}
template <scalar::RealNumber T>
Sym<bool> operator!=(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<bool>(
      ScalarOp::ne, [](T x, T y) { return x != y; }, a, b);
}
template <scalar::RealNumber T>
Sym<bool> operator<(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<bool>(
      ScalarOp::lt, [](T x, T y) { return x < y; }, a, b);
}
template <scalar::RealNumber T>
Sym<bool> operator<=(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<bool>(
      ScalarOp::le, [](T x, T y) { return x <= y; }, a, b);
}
template <scalar::RealNumber T>
Sym<bool> operator>(const Sym<T>& a, const Sym<T>& b) {
  return b < a;
}
template <scalar::RealNumber T>
Sym<bool> operator>=(const Sym<T>& a, const Sym<T>& b) {
  return b <= a;
}
inline Sym<bool> operator==(const Sym<bool>& a, const Sym<bool>& b) {
  return mask_not(mask_xor(a, b));
}
inline Sym<bool> operator!=(const Sym<bool>& a, const Sym<bool>& b) { return mask_xor(a, b); }
template <scalar::RealNumber T>
Sym<bool> is_nan(const Sym<T>& a) {
  if constexpr (scalar::RealFloat<T>) {
    return a != a;
  } else {
    return Sym<bool>(false);
  }
}

// --- Bits ---

template <scalar::RealFloat T>
Sym<scalar::IntegerLike<T>> bits(const Sym<T>& a) {
  using Integer = scalar::IntegerLike<T>;
  return symbolic_detail::unary<Integer>(
      ScalarOp::bitcast, [](T x) { return scalar::bits(x); }, a);
}
inline Sym<float> from_bits(const Sym<std::int32_t>& a) {
  return symbolic_detail::unary<float>(
      ScalarOp::bitcast, [](std::int32_t x) { return scalar::from_bits(x); }, a);
}
inline Sym<double> from_bits(const Sym<std::int64_t>& a) {
  return symbolic_detail::unary<double>(
      ScalarOp::bitcast, [](std::int64_t x) { return scalar::from_bits(x); }, a);
}
template <scalar::RealInteger T>
Sym<T> operator&(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(
      ScalarOp::bit_and, [](T x, T y) { return x & y; }, a, b);
}
template <scalar::RealInteger T>
Sym<T> operator|(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(
      ScalarOp::bit_or, [](T x, T y) { return x | y; }, a, b);
}
template <scalar::RealInteger T>
Sym<T> operator^(const Sym<T>& a, const Sym<T>& b) {
  return symbolic_detail::binary<T>(
      ScalarOp::bit_xor, [](T x, T y) { return x ^ y; }, a, b);
}
template <scalar::RealInteger T>
Sym<T> operator~(const Sym<T>& a) {
  return symbolic_detail::unary<T>(
      ScalarOp::bit_not, [](T x) { return ~x; }, a);
}
template <scalar::RealInteger T>
Sym<T> shift_left(const Sym<T>& a, int distance) {
  return symbolic_detail::unary<T>(
      ScalarOp::shift_left, [=](T x) { return scalar::shift_left(x, distance); }, a, distance);
}
template <scalar::RealInteger T>
Sym<T> shift_right(const Sym<T>& a, int distance) {
  return symbolic_detail::unary<T>(
      ScalarOp::shift_right, [=](T x) { return scalar::shift_right(x, distance); }, a, distance);
}
template <scalar::RealInteger T>
Sym<T> shift_right_logical(const Sym<T>& a, int distance) {
  return symbolic_detail::unary<T>(
      ScalarOp::shift_right_logical, [=](T x) { return scalar::shift_right_logical(x, distance); },
      a, distance);
}

// --- Choice and conversion ---

// A choice by a literal mask is made at once. A choice between masks is three bit operations, so
// that no back end needs a select of masks.
template <class T>
Sym<T> select(const Sym<bool>& mask, const Sym<T>& a, const Sym<T>& b) {
  if (mask.is_literal()) return mask.literal() ? a : b;
  if constexpr (std::is_same_v<T, bool>) {
    return mask_or(mask_and(mask, a), mask_and(mask_not(mask), b));
  } else {
    BodyBuilder& builder = *mask.builder();
    const std::int32_t first = a.position_in(builder);
    const std::int32_t second = b.position_in(builder);
    return Sym<T>(&builder, builder.append({ScalarOp::select, dtype_of<T>,
                                            mask.position_in(builder), first, second, 0}));
  }
}

template <class To, class From>
Sym<To> convert(const Sym<From>& a) {
  return symbolic_detail::unary<To>(
      ScalarOp::convert, [](From x) { return scalar::convert<To>(x); }, a);
}

}  // namespace sinter::ir

namespace sinter::ir::scalar {

template <class T>
struct NumberTraits<ir::Sym<T>> {
  using Real = T;
  template <class U>
  using Rebind = ir::Sym<U>;
};

}  // namespace sinter::ir::scalar

#endif  // SINTER_IR_SYMBOLIC_H_
