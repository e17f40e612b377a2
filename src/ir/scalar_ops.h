// The vocabulary that pointwise ops and their mathematics are written in, for real numbers: one
// function (or built-in operator) per ScalarOp, with exactly the meaning that scalar.h gives it.
// symbolic.h has the same vocabulary for Sym<T>, so that one template serves both.
//
// Numbers are float, double, std::int32_t and std::int64_t; masks are bool. Floats may use the
// operators + - * / and unary -; integers that may overflow use add, subtract, multiply and negate,
// which wrap; their operators & | ^ ~ are the built-in ones. All numbers compare by == != < <=.
// Compile with -ffp-contract=off.
#ifndef SINTER_IR_SCALAR_OPS_H_
#define SINTER_IR_SCALAR_OPS_H_

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/anywhere.h"
#include "ir/large_angle.h"

namespace sinter::ir::scalar {

template <class T>
concept RealFloat = std::same_as<T, float> || std::same_as<T, double>;
template <class T>
concept RealInteger = std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;
template <class T>
concept RealNumber = RealFloat<T> || RealInteger<T>;

// The real number behind T (symbolic.h adds Sym<U> -> U), and T with another real number behind it.
template <class T>
struct NumberTraits {
  using Real = T;
  template <class U>
  using Rebind = U;
};
template <class T>
using RealOf = typename NumberTraits<T>::Real;
template <class T, class U>
using Rebind = typename NumberTraits<T>::template Rebind<U>;

// The integer as wide as a float.
template <class T>
using IntegerLike = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

// --- Arithmetic ---

template <RealNumber T>
SINTER_ANYWHERE T add(T a, T b) {
  if constexpr (RealFloat<T>) {
    return a + b;
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  }
}

template <RealNumber T>
SINTER_ANYWHERE T subtract(T a, T b) {
  if constexpr (RealFloat<T>) {
    return a - b;
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
  }
}

template <RealNumber T>
SINTER_ANYWHERE T multiply(T a, T b) {
  if constexpr (RealFloat<T>) {
    return a * b;
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  }
}

template <RealNumber T>
SINTER_ANYWHERE T negate(T a) {
  if constexpr (RealFloat<T>) {
    return -a;
  } else {
    return subtract(T{0}, a);
  }
}

// a * b + c, rounded once.
template <RealFloat T>
SINTER_ANYWHERE T fma(T a, T b, T c) {
  return std::fma(a, b, c);
}

// --- Floats ---

template <RealFloat T>
SINTER_ANYWHERE T abs(T a) {
  return std::fabs(a);
}
template <RealFloat T>
SINTER_ANYWHERE T sqrt(T a) {
  return std::sqrt(a);
}
// To the nearest integer, ties to even (in the default rounding mode, which Sinter never leaves).
template <RealFloat T>
SINTER_ANYWHERE T round_even(T a) {
  return std::nearbyint(a);
}
template <RealFloat T>
SINTER_ANYWHERE T floor(T a) {
  return std::floor(a);
}
template <RealFloat T>
SINTER_ANYWHERE T ceil(T a) {
  return std::ceil(a);
}
template <RealFloat T>
SINTER_ANYWHERE T trunc(T a) {
  return std::trunc(a);
}
// The largest angle that math.h reduces in floating point.
template <RealFloat T>
inline constexpr T kLargestPlainAngle = sizeof(T) == 4 ? T(0x1p20) : T(0x1p30);
// An angle in [-pi/2, pi/2] with the sine of a + quarters * pi/2, for finite a beyond that; others
// stay. quarters is 0 or 1.
template <RealFloat T>
SINTER_ANYWHERE T wrap_angle(T a, int quarters) {
  if (!(std::fabs(a) > kLargestPlainAngle<T>)) return a;
  if constexpr (sizeof(T) == 4) {
    const auto bits = same_bits<unsigned>(a);
    return same_bits<float>(sinter_wrap_large_angle(bits, quarters));
  } else {
    const auto bits = same_bits<unsigned long long>(a);
    return same_bits<double>(sinter_wrap_large_angle(bits, quarters));
  }
}
// False for integers.
template <RealNumber T>
SINTER_ANYWHERE bool is_nan(T a) {
  if constexpr (RealFloat<T>) {
    return a != a;
  } else {
    return false;
  }
}

// --- Masks ---

SINTER_ANYWHERE inline bool mask_and(bool a, bool b) { return a && b; }
SINTER_ANYWHERE inline bool mask_or(bool a, bool b) { return a || b; }
SINTER_ANYWHERE inline bool mask_xor(bool a, bool b) { return a != b; }
SINTER_ANYWHERE inline bool mask_not(bool a) { return !a; }

// --- Bits ---

SINTER_ANYWHERE inline std::int32_t bits(float a) { return same_bits<std::int32_t>(a); }
SINTER_ANYWHERE inline std::int64_t bits(double a) { return same_bits<std::int64_t>(a); }
SINTER_ANYWHERE inline float from_bits(std::int32_t a) { return same_bits<float>(a); }
SINTER_ANYWHERE inline double from_bits(std::int64_t a) { return same_bits<double>(a); }

// REQUIRES: 0 <= distance < the number of bits.
template <RealInteger T>
SINTER_ANYWHERE T shift_left(T a, int distance) {
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) << distance);
}
// Copies the sign.
template <RealInteger T>
SINTER_ANYWHERE T shift_right(T a, int distance) {
  return a >> distance;
}
template <RealInteger T>
SINTER_ANYWHERE T shift_right_logical(T a, int distance) {
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) >> distance);
}

// --- Choice and conversion ---

template <class T>
requires(RealNumber<T> || std::same_as<T, bool>) SINTER_ANYWHERE T select(bool mask, T a, T b) {
  return mask ? a : b;
}

// Numbers to numbers, numbers to masks (a != 0) and back (0 or 1). Float to integer truncates;
// where the result does not fit, scalar.h leaves it open, and here it is the smallest integer (as
// on x86).
template <class To, class From>
requires(RealNumber<From> || std::same_as<From, bool>) SINTER_ANYWHERE To convert(From a) {
  if constexpr (std::same_as<To, bool>) {
    return a != From{0};
  } else if constexpr (RealFloat<From> && RealInteger<To>) {
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    const bool fits = low <= a && a < -low;
    return fits ? static_cast<To>(a) : std::numeric_limits<To>::min();
  } else {
    return static_cast<To>(a);
  }
}

}  // namespace sinter::ir::scalar

#endif  // SINTER_IR_SCALAR_OPS_H_
