// The elementary functions, written from the vocabulary of scalar_ops.h alone: range reduction, a
// polynomial or rational by Horner's rule with fma, reconstruction by bits; no branches, only
// select. So a function gives the same bits wherever its instructions run. T is float, double or a
// Sym of one.
//
// Largest errors measured by tests/ir/math_test.cc (with 3 million points a range, one f32 in 61),
// in units in the last place:
//         exp   expm1  log   log1p  tanh  erf   sin   cos   sigmoid  softplus  pow
//   f32   0.87  1.5    0.93  1.6    2.6   4.9   1.6   1.6   2.3      1.9       1.1
//   f64   0.85  1.9    0.82  1.4    2.6   1.3   1.6   1.6   2.3      1.8       1.1
// (The erf of f32 is one rational, within 3e-7, for speed; it is odd and never beyond 1.)
// All functions are right at zeros (with their sign), infinities and NaN, and take and give
// denormals. sin and cos are so for angles of every size: beyond 2^20 (f32) or 2^30 (f64) they are
// those of the small angle that wrap_angle gives, within 2.0 units in the last place.
//
// Reduction by unevaluated sums: W. Cody, W. Waite, Software Manual for the Elementary Functions,
// 1980. Logarithm of f64: P. Tang's and FreeBSD's form, log((1 + s) / (1 - s)). pow: logarithm as
// the sum of two numbers by error-free transformations, T. Dekker, A floating-point technique,
// 1971.
#ifndef SINTER_IR_MATH_H_
#define SINTER_IR_MATH_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <limits>

#include "ir/math_coefficients.h"
#include "ir/scalar_ops.h"

namespace sinter::math {

template <class T>
concept Float = ir::scalar::RealFloat<ir::scalar::RealOf<T>>;

namespace detail {

using ir::scalar::abs;
using ir::scalar::bits;
using ir::scalar::convert;
using ir::scalar::fma;
using ir::scalar::from_bits;
using ir::scalar::mask_and;
using ir::scalar::mask_not;
using ir::scalar::mask_or;
using ir::scalar::RealOf;
using ir::scalar::Rebind;
using ir::scalar::round_even;
using ir::scalar::select;
using ir::scalar::shift_left;
using ir::scalar::shift_right;
using ir::scalar::shift_right_logical;
using ir::scalar::subtract;
using ir::scalar::wrap_angle;

template <class T>
using C = Coefficients<RealOf<T>>;
// The integer whose bits a T can have.
template <class T>
using Int = Rebind<T, ir::scalar::IntegerLike<RealOf<T>>>;

template <class T>
SINTER_ANYWHERE T infinity() {
  return T(std::numeric_limits<RealOf<T>>::infinity());
}
template <class T>
SINTER_ANYWHERE T nan() {
  return T(std::numeric_limits<RealOf<T>>::quiet_NaN());
}

// c[0] + c[1] x + c[2] x^2 + ...
template <class T, std::size_t count>
SINTER_ANYWHERE T polynomial(T x, const std::array<RealOf<T>, count>& c) {
  T sum = T(c[count - 1]);
  for (std::size_t i = count - 1; i-- > 0;) sum = fma(sum, x, T(c[i]));
  return sum;
}

// The same in pairs of terms, by Horner's rule in x^2: fewer roundings in a row, a shorter chain.
template <class T, std::size_t count>
SINTER_ANYWHERE T polynomial_in_pairs(T x, T x_squared, const std::array<RealOf<T>, count>& c) {
  constexpr std::size_t last_pair = (count - 1) / 2 * 2;
  const auto pair = [&](std::size_t i) {
    return i + 1 < count ? fma(T(c[std::min(i + 1, count - 1)]), x, T(c[i])) : T(c[i]);
  };
  T sum = pair(last_pair);
  for (std::size_t i = last_pair; i > 0; i -= 2) sum = fma(sum, x_squared, pair(i - 2));
  return sum;
}

// NaN stays NaN in all three.
template <class T>
SINTER_ANYWHERE T at_least(T x, RealOf<T> low) {
  return select(x < T(low), T(low), x);
}
template <class T>
SINTER_ANYWHERE T at_most(T x, RealOf<T> high) {
  return select(T(high) < x, T(high), x);
}
template <class T>
SINTER_ANYWHERE T clamp(T x, RealOf<T> low, RealOf<T> high) {
  return at_most(at_least(x, low), high);
}

// 2^k from k + bias in the low bits of an integer whose higher bits do not matter.
template <class T>
SINTER_ANYWHERE T power_of_two(Int<T> biased) {
  return from_bits(shift_left(biased, C<T>::kMantissaBits));
}

// x = n ln 2 + r with |r| <= ln(2) / 2; the low bits of `shifted` hold n + offset.
template <class T>
struct ExpReduction {
  T r;
  Int<T> shifted;
};
// REQUIRES: |x| < 1000, or NaN.
template <class T>
SINTER_ANYWHERE ExpReduction<T> reduce_exp(T x, int offset) {
  const T shift = T(C<T>::kRound + static_cast<RealOf<T>>(offset));
  const T rounded = fma(x, T(C<T>::kLog2E), shift);
  const T n = rounded - shift;
  const T r = fma(n, T(-C<T>::ln2()[1]), fma(n, T(-C<T>::ln2()[0]), x));
  return {r, bits(rounded)};
}

// 2^n exp(r), n + 2 * bias in the low bits of `shifted`. 2^n may leave the exponent's range, so two
// factors are made of it; only the last multiplication rounds.
template <class T>
SINTER_ANYWHERE T scaled_exp(T r, Int<T> shifted) {
  const T p = fma(fma(polynomial(r, C<T>::exp_terms()), r, T(1)), r, T(1));
  const Int<T> half = shift_right_logical(shifted, 1);
  return p * power_of_two<T>(half) * power_of_two<T>(subtract(shifted, half));
}

// exp(x) for kExpLow <= x <= kExpHigh or NaN.
template <class T>
SINTER_ANYWHERE T exp_in_range(T x) {
  const ExpReduction<T> reduced = reduce_exp(x, 2 * C<T>::kExponentBias);
  return scaled_exp(reduced.r, reduced.shifted);
}
// exp(x + tail) for the same x and a tiny tail.
template <class T>
SINTER_ANYWHERE T exp_of_sum(T x, T tail) {
  const ExpReduction<T> reduced = reduce_exp(x, 2 * C<T>::kExponentBias);
  return scaled_exp(reduced.r + tail, reduced.shifted);
}

// exp(-|x|).
template <class T>
SINTER_ANYWHERE T exp_of_minus_abs(T x) {
  return exp_in_range(at_least(-abs(x), C<T>::kExpLow));
}

// (exp(x) - 1) / 2 without cancellation, for kExpm1Low <= x <= kExpHigh or NaN: 2^n (exp(r) - 1) +
// (2^n - 1), all halved so that 2^n stays finite. May lose the sign of -0 and the last bit of
// denormals.
template <class T>
SINTER_ANYWHERE T half_expm1(T x) {
  const ExpReduction<T> reduced = reduce_exp(x, C<T>::kExponentBias - 1);
  const T q = fma(reduced.r * reduced.r, polynomial(reduced.r, C<T>::exp_terms()), reduced.r);
  const T half_power = power_of_two<T>(reduced.shifted);
  return fma(half_power, q, half_power - T(0.5));
}

// x = 2^k m with low <= m < 2 low, for normal x > 0; other x give garbage without trapping.
template <class T>
struct LogReduction {
  Int<T> k;
  T m;
};
template <class T>
SINTER_ANYWHERE LogReduction<T> reduce_log(T x, ir::scalar::IntegerLike<RealOf<T>> low_bits) {
  const Int<T> k = shift_right(subtract(bits(x), Int<T>(low_bits)), C<T>::kMantissaBits);
  return {k, from_bits(subtract(bits(x), shift_left(k, C<T>::kMantissaBits)))};
}

// Like reduce_log, for denormal x too.
template <class T>
SINTER_ANYWHERE LogReduction<T> reduce_log_denormal(T x,
                                                    ir::scalar::IntegerLike<RealOf<T>> low_bits) {
  constexpr int kScale = C<T>::kMantissaBits + 2;
  const RealOf<T> scale = static_cast<RealOf<T>>(std::int64_t{1} << kScale);
  const auto small = x < T(C<T>::kMinNormal);
  const LogReduction<T> reduced = reduce_log(select(small, x * T(scale), x), low_bits);
  return {select(small, subtract(reduced.k, Int<T>(kScale)), reduced.k), reduced.m};
}

// k ln 2 + log(1 + f).
template <class T>
SINTER_ANYWHERE T log_from_parts(T k, T f) {
  if constexpr (std::same_as<RealOf<T>, float>) {
    const T u = fma(f, polynomial(f, C<T>::log_terms()), T(-0.5));
    return fma(k, T(C<T>::ln2()[0]), fma(f * f, u, f));
  } else {
    const T s = f / (T(2) + f);
    const T z = s * s;
    const T half_square = T(0.5) * f * f;
    const T r = fma(z, polynomial(z, C<T>::log_terms()), half_square);
    const T tail = fma(s, r, k * T(C<T>::ln2()[1])) - half_square;
    return fma(k, T(C<T>::ln2()[0]), f + tail);
  }
}

// y where 0 < x < infinity; the logarithm's other values elsewhere.
template <class T>
SINTER_ANYWHERE T log_specials(T x, T y) {
  const T outside = select(x == T(0), -infinity<T>(), nan<T>());
  return select(T(0) < x, select(x < infinity<T>(), y, x), outside);
}

// x for tiny |x| and for zeros, where the rest of a function with f(x) = x + O(x^2) loses bits.
template <class T>
SINTER_ANYWHERE T keep_tiny(T x, T y) {
  return select(abs(x) < T(C<T>::kEpsilon / 4), x, y);
}

// log(1 + x) without cancellation, for -1 < x < infinity: what 1 + x loses when rounded is added to
// the mantissa. May lose the sign of -0.
template <class T>
SINTER_ANYWHERE T log1p_in_range(T x) {
  const T u = T(1) + x;
  const T back = u - T(1);
  const T lost = (T(1) - (u - back)) + (x - back);
  const LogReduction<T> reduced = reduce_log(u, C<T>::kLogLowBits);
  // Where k is large, so is x, and what is lost does not count.
  constexpr int kLargest = 2 * C<T>::kMantissaBits;
  const Int<T> k = select(reduced.k < Int<T>(kLargest), reduced.k, Int<T>(kLargest));
  const T scale = power_of_two<T>(subtract(Int<T>(C<T>::kExponentBias), k));
  const T f = fma(lost, scale, reduced.m - T(1));
  return log_from_parts(convert<RealOf<T>>(reduced.k), f);
}

// The magnitude of `magnitude` >= 0 with the sign of `sign`.
template <class T>
SINTER_ANYWHERE T with_sign_of(T sign, T magnitude) {
  return from_bits((bits(sign) & Int<T>(C<T>::kSignBit)) | bits(magnitude));
}

// x P(x^2) / Q(x^2), which reaches 1 where |x| reaches `limit` and stays there.
template <class T, std::size_t p_count, std::size_t q_count>
SINTER_ANYWHERE T odd_rational(T x, RealOf<T> limit, const std::array<RealOf<T>, p_count>& p,
                               const std::array<RealOf<T>, q_count>& q) {
  const T x2 = at_most(x * x, limit * limit);
  const T x4 = x2 * x2;
  return clamp(x * polynomial_in_pairs(x2, x4, p) / polynomial_in_pairs(x2, x4, q), -1, 1);
}

// hi + lo, unevaluated, |lo| <= ulp(hi) / 2 or so.
template <class T>
struct Sum {
  T hi;
  T lo;
};
// REQUIRES: |a| >= |b| or a = 0.
template <class T>
SINTER_ANYWHERE Sum<T> fast_two_sum(T a, T b) {
  const T hi = a + b;
  return {hi, b - (hi - a)};
}
template <class T>
SINTER_ANYWHERE Sum<T> two_product(T a, T b) {
  const T hi = a * b;
  return {hi, fma(a, b, -hi)};
}
template <class T>
SINTER_ANYWHERE Sum<T> product(Sum<T> a, Sum<T> b) {
  const Sum<T> p = two_product(a.hi, b.hi);
  return {p.hi, p.lo + fma(a.hi, b.lo, a.lo * b.hi)};
}

// log(a) of a finite a > 0 to about twice the precision of T, as k ln 2 + 2 s + s^3 (2/3 + s^2
// R(s^2)) with s = (m - 1) / (m + 1).
template <class T>
SINTER_ANYWHERE Sum<T> log_as_sum(T a) {
  const LogReduction<T> reduced = reduce_log_denormal(a, C<T>::kPowLowBits);
  const T f = reduced.m - T(1);
  const T divisor = reduced.m + T(1);
  const T divisor_lo = reduced.m - (divisor - T(1));
  const T quotient = f / divisor;
  const T rest = fma(-quotient, divisor_lo, fma(-quotient, divisor, f));
  const Sum<T> s = {quotient, rest / divisor};
  const Sum<T> z = product(s, s);
  const T two_thirds = T(C<T>::two_thirds()[0]);
  const Sum<T> lead = fast_two_sum(two_thirds, z.hi * polynomial(z.hi, C<T>::pow_terms()));
  const Sum<T> weight = {lead.hi, lead.lo + T(C<T>::two_thirds()[1])};
  const Sum<T> cubic = product(product(s, z), weight);
  const T k = convert<RealOf<T>>(reduced.k);
  const Sum<T> exponent = two_product(k, T(C<T>::ln2()[0]));
  const Sum<T> first = fast_two_sum(exponent.hi, s.hi + s.hi);
  const Sum<T> second = fast_two_sum(first.hi, cubic.hi);
  const T exponent_lo = fma(k, T(C<T>::ln2()[1]), exponent.lo);
  const T lo = ((first.lo + second.lo) + (s.lo + s.lo)) + (cubic.lo + exponent_lo);
  return fast_two_sum(second.hi, lo);
}

// a^y for a >= 0; where y = 0 or a = 1 anything.
template <class T>
SINTER_ANYWHERE T pow_magnitude(T a, T y) {
  const Sum<T> logarithm = log_as_sum(a);
  const T hi = select(a == T(0), -infinity<T>(), select(a < infinity<T>(), logarithm.hi, a));
  const T p = y * hi;
  const T lo = fma(y, hi, -p) + y * logarithm.lo;
  const T tail = select(abs(p) < T(-C<T>::kExpLow), lo, T(0));
  return exp_of_sum(clamp(p, C<T>::kExpLow, C<T>::kExpHigh), tail);
}

// sin(angle + quarters * pi / 2). An angle that was too large has the quarters in it once wrapped.
template <class T>
SINTER_ANYWHERE T sin_shifted(T angle, int quarters) {
  const T x = wrap_angle(angle, quarters);
  T shift = T(C<T>::kRound);
  if (quarters != 0) {
    const auto is_plain = abs(angle) <= T(ir::scalar::kLargestPlainAngle<RealOf<T>>);
    shift = select(is_plain, T(C<T>::kRound + static_cast<RealOf<T>>(quarters)), shift);
  }
  const T rounded = fma(x, T(C<T>::kTwoOverPi), shift);
  const T n = rounded - shift;
  T r = fma(n, T(-C<T>::half_pi()[0]), x);
  r = fma(n, T(-C<T>::half_pi()[1]), r);
  r = fma(n, T(-C<T>::half_pi()[2]), r);
  const T z = r * r;
  const T sine = fma(r * z, polynomial(z, C<T>::sin_terms()), r);
  const T cosine = fma(z * z, polynomial(z, C<T>::cos_terms()), fma(z, T(-0.5), T(1)));
  const Int<T> quadrant = bits(rounded);
  const auto odd = (quadrant & Int<T>(1)) != Int<T>(0);
  constexpr int kSignShift = 8 * static_cast<int>(sizeof(RealOf<T>)) - 2;
  const Int<T> sign = shift_left(quadrant & Int<T>(2), kSignShift);
  return from_bits(bits(select(odd, cosine, sine)) ^ sign);
}

}  // namespace detail

template <Float T>
SINTER_ANYWHERE T exp(T x) {
  using namespace detail;
  return exp_in_range(clamp(x, C<T>::kExpLow, C<T>::kExpHigh));
}

template <Float T>
SINTER_ANYWHERE T expm1(T x) {
  using namespace detail;
  const T half = half_expm1(clamp(x, C<T>::kExpm1Low, C<T>::kExpHigh));
  return keep_tiny(x, half + half);
}

template <Float T>
SINTER_ANYWHERE T log(T x) {
  using namespace detail;
  const LogReduction<T> reduced = reduce_log_denormal(x, C<T>::kLogLowBits);
  return log_specials(x, log_from_parts(convert<RealOf<T>>(reduced.k), reduced.m - T(1)));
}

template <Float T>
SINTER_ANYWHERE T log1p(T x) {
  using namespace detail;
  return keep_tiny(x, log_specials(T(1) + x, log1p_in_range(x)));
}

// With h = (exp(-2 |x|) - 1) / 2, which is exact for tiny x: |tanh(x)| = -h / (1 + h).
template <Float T>
SINTER_ANYWHERE T tanh(T x) {
  using namespace detail;
  const T h = half_expm1(at_least(T(-2) * abs(x), C<T>::kExpm1Low));
  return with_sign_of(x, (T(0) - h) / (T(1) + h));  // 0 - h is never -0
}

// 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow.
template <Float T>
SINTER_ANYWHERE T sigmoid(T x) {
  using namespace detail;
  const T e = exp_of_minus_abs(x);
  return select(x < T(0), e, T(1)) / (T(1) + e);
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)).
template <Float T>
SINTER_ANYWHERE T softplus(T x) {
  using namespace detail;
  return select(x < T(0), T(0), x) + log1p_in_range(exp_of_minus_abs(x));
}

template <Float T>
SINTER_ANYWHERE T erf(T x) {
  using namespace detail;
  if constexpr (std::same_as<RealOf<T>, float>) {
    return odd_rational(x, C<T>::kErfLimit, C<T>::erf_p(), C<T>::erf_q());
  } else {
    const T a = at_most(abs(x), C<T>::kErfLimit);
    const T square = a * a;
    const T near = fma(x, polynomial(square, C<T>::erf_terms()), x);
    const T scaled = polynomial(a, C<T>::erfc_p()) / polynomial(a, C<T>::erfc_q());
    const T far = T(1) - exp_in_range(-square) * scaled;
    return select(a < T(1), near, with_sign_of(x, far));
  }
}

template <Float T>
SINTER_ANYWHERE T sin(T x) {
  using namespace detail;
  return select(x == T(0), x, sin_shifted(x, 0));
}

template <Float T>
SINTER_ANYWHERE T cos(T x) {
  return detail::sin_shifted(x, 1);
}

// x^y = exp(y log|x|), with the sign and the exceptions of IEEE 754 and C.
template <Float T>
SINTER_ANYWHERE T pow(T x, T y) {
  using namespace detail;
  const T a = abs(x);
  const T magnitude = select(mask_or(y == T(0), a == T(1)), T(1), pow_magnitude(a, y));
  const auto whole = round_even(y) == y;
  const T half = y * T(0.5);
  const auto odd = mask_and(whole, round_even(half) != half);
  const Int<T> sign = select(odd, bits(x) & Int<T>(C<T>::kSignBit), Int<T>(0));
  const auto undefined = mask_and(mask_and(x < T(0), a < infinity<T>()), mask_not(whole));
  return select(undefined, nan<T>(), from_bits(bits(magnitude) | sign));
}

}  // namespace sinter::math

#endif  // SINTER_IR_MATH_H_
