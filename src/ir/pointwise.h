// The pointwise ops: one struct each. `forward` is a template over the number type T: a real
// number, or a Sym, from which fused code is made; it uses only the vocabulary of scalar_ops.h and
// the functions of math.h, and has no `if`, only select. `backward(g, x, y)` gives the gradients of
// the inputs from g, the gradient of the output y; V is a tensor (or anything else) with + - * /,
// unary -, < <= > >=, doubles as weak scalars, and the functions of pointwise_list.h found by its
// namespace. An op without `backward` has no gradient. Adding an op: a struct here, a line in
// include/sinter/pointwise_list.h, a sample row in the op tests.
#ifndef SINTER_IR_POINTWISE_H_
#define SINTER_IR_POINTWISE_H_

#include <array>
#include <cstdint>
#include <limits>

#include "ir/math.h"
#include "ir/scalar_ops.h"

namespace sinter::ir {

// Which element types an op takes: all inputs have the same one, but for `where`, whose first input
// is boolean. number: floating, i32, i64 and u8. integer: i32, i64 and u8. any: number and boolean.
enum class Accepts : std::uint8_t { floating, number, integer, boolean, any };

// The element type of the result.
enum class ResultType : std::uint8_t { same, boolean };

namespace pointwise {

using scalar::add;
using scalar::fma;
using scalar::is_nan;
using scalar::mask_and;
using scalar::mask_not;
using scalar::mask_or;
using scalar::mask_xor;
using scalar::multiply;
using scalar::negate;
using scalar::select;
using scalar::subtract;

// What an op accepts and returns, as base classes.
struct OnFloats {
  static constexpr Accepts accepts = Accepts::floating;
  static constexpr ResultType result = ResultType::same;
};
struct OnNumbers {
  static constexpr Accepts accepts = Accepts::number;
  static constexpr ResultType result = ResultType::same;
};
struct OnMasks {
  static constexpr Accepts accepts = Accepts::boolean;
  static constexpr ResultType result = ResultType::same;
};
struct Comparison {
  static constexpr Accepts accepts = Accepts::number;
  static constexpr ResultType result = ResultType::boolean;
};
struct Equality {
  static constexpr Accepts accepts = Accepts::any;
  static constexpr ResultType result = ResultType::boolean;
};
struct Classification {
  static constexpr Accepts accepts = Accepts::floating;
  static constexpr ResultType result = ResultType::boolean;
};

// --- Arithmetic ---

struct Add : OnNumbers {
  static constexpr const char* doc = "a + b; integers wrap";
  template <class T>
  static T forward(T a, T b) {
    return add(a, b);
  }
  template <class V>
  static std::array<V, 2> backward(const V& g, const V&, const V&, const V&) {
    return {g, g};
  }
};

struct Subtract : OnNumbers {
  static constexpr const char* doc = "a - b; integers wrap";
  template <class T>
  static T forward(T a, T b) {
    return subtract(a, b);
  }
  template <class V>
  static std::array<V, 2> backward(const V& g, const V&, const V&, const V&) {
    return {g, -g};
  }
};

struct Multiply : OnNumbers {
  static constexpr const char* doc = "a * b; integers wrap";
  template <class T>
  static T forward(T a, T b) {
    return multiply(a, b);
  }
  template <class V>
  static std::array<V, 2> backward(const V& g, const V& a, const V& b, const V&) {
    return {g * b, g * a};
  }
};

struct Divide : OnFloats {
  static constexpr const char* doc = "a / b";
  template <class T>
  static T forward(T a, T b) {
    return a / b;
  }
  template <class V>
  static std::array<V, 2> backward(const V& g, const V&, const V& b, const V& y) {
    const V da = g / b;
    return {da, -(da * y)};
  }
};

struct Pow : OnFloats {
  static constexpr const char* doc = "a to the power b; pow(a, 0) = pow(1, b) = 1 even for NaN";
  template <class T>
  static T forward(T a, T b) {
    return math::pow(a, b);
  }
  // The gradient of b is 0 where a = 0 and b >= 0, and NaN where a < 0.
  template <class V>
  static std::array<V, 2> backward(const V& g, const V& a, const V& b, const V& y) {
    const V zero = b * 0.0;
    const V is_constant = equal(b, zero);
    const V scaled = g * b;
    const V da = where(is_constant, zero, scaled * pow(a, b - 1.0));
    const V is_zero = equal(a, a * 0.0);
    const V flat = where(is_zero, zero, y * log(a));
    return {da, g * flat};
  }
};

struct MultiplyAdd : OnFloats {
  static constexpr const char* doc = "a * b + c, rounded once";
  template <class T>
  static T forward(T a, T b, T c) {
    return fma(a, b, c);
  }
  template <class V>
  static std::array<V, 3> backward(const V& g, const V& a, const V& b, const V&, const V&) {
    return {g * b, g * a, g};
  }
};

struct Negate : OnNumbers {
  static constexpr const char* doc = "-x; integers wrap";
  template <class T>
  static T forward(T x) {
    return negate(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return -g;
  }
};

struct Abs : OnNumbers {
  static constexpr const char* doc = "|x|; the smallest integer stays itself";
  template <class T>
  static T forward(T x) {
    if constexpr (math::Float<T>) {
      using scalar::abs;
      return abs(x);
    } else {
      return select(x < T(0), negate(x), x);
    }
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g * sign(x);
  }
};

struct Sign : OnNumbers {
  static constexpr const char* doc = "-1, 0 or 1; NaN and zeros stay";
  template <class T>
  static T forward(T x) {
    return select(x < T(0), T(-1), select(T(0) < x, T(1), x));
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return g * 0.0;
  }
};

struct Square : OnNumbers {
  static constexpr const char* doc = "x * x; integers wrap";
  template <class T>
  static T forward(T x) {
    return multiply(x, x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g * (x * 2.0);
  }
};

struct Sqrt : OnFloats {
  static constexpr const char* doc = "the square root; NaN below 0";
  template <class T>
  static T forward(T x) {
    using scalar::sqrt;
    return sqrt(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V& y) {
    return g * 0.5 / y;
  }
};

struct Rsqrt : OnFloats {
  static constexpr const char* doc = "1 / sqrt(x), rounded twice";
  template <class T>
  static T forward(T x) {
    using scalar::sqrt;
    return T(1) / sqrt(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V& y) {
    const V half = g * -0.5;
    return half * (y / x);
  }
};

struct Reciprocal : OnFloats {
  static constexpr const char* doc = "1 / x";
  template <class T>
  static T forward(T x) {
    return T(1) / x;
  }
  template <class V>
  static V backward(const V& g, const V&, const V& y) {
    return -(g * (y * y));
  }
};

// --- Elementary functions ---

struct Exp : OnFloats {
  static constexpr const char* doc = "e to the power x";
  template <class T>
  static T forward(T x) {
    return math::exp(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V& y) {
    return g * y;
  }
};

struct Expm1 : OnFloats {
  static constexpr const char* doc = "exp(x) - 1, accurate near 0";
  template <class T>
  static T forward(T x) {
    return math::expm1(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V& y) {
    return g * (y + 1.0);
  }
};

struct Log : OnFloats {
  static constexpr const char* doc = "the natural logarithm; -inf at 0, NaN below";
  template <class T>
  static T forward(T x) {
    return math::log(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g / x;
  }
};

struct Log1p : OnFloats {
  static constexpr const char* doc = "log(1 + x), accurate near 0";
  template <class T>
  static T forward(T x) {
    return math::log1p(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g / (x + 1.0);
  }
};

struct Sin : OnFloats {
  static constexpr const char* doc = "the sine of x radians";
  template <class T>
  static T forward(T x) {
    return math::sin(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g * cos(x);
  }
};

struct Cos : OnFloats {
  static constexpr const char* doc = "the cosine of x radians";
  template <class T>
  static T forward(T x) {
    return math::cos(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return -(g * sin(x));
  }
};

struct Tanh : OnFloats {
  static constexpr const char* doc = "the hyperbolic tangent";
  template <class T>
  static T forward(T x) {
    return math::tanh(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V& y) {
    return g * (1.0 - y * y);
  }
};

struct Erf : OnFloats {
  static constexpr const char* doc = "the error function";
  template <class T>
  static T forward(T x) {
    return math::erf(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g * (exp(-(x * x)) * 1.1283791670955125739);  // 2 / sqrt(pi)
  }
};

// --- Activations ---

struct Sigmoid : OnFloats {
  static constexpr const char* doc = "1 / (1 + exp(-x))";
  template <class T>
  static T forward(T x) {
    return math::sigmoid(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V& y) {
    return g * (y * (1.0 - y));
  }
};

struct Softplus : OnFloats {
  static constexpr const char* doc = "log(1 + exp(x))";
  template <class T>
  static T forward(T x) {
    return math::softplus(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return g * sigmoid(x);
  }
};

struct Relu : OnNumbers {
  static constexpr const char* doc = "max(x, 0); NaN stays NaN; the gradient at 0 is 0";
  template <class T>
  static T forward(T x) {
    return select(x < T(0), T(0), x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    return where(x <= 0.0, 0.0, g);
  }
};

struct Silu : OnFloats {
  static constexpr const char* doc = "x sigmoid(x) (Elfwing et al. 2018, also called swish)";
  template <class T>
  static T forward(T x) {
    return x * math::sigmoid(x);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V& y) {
    const V s = sigmoid(x);
    return g * (s + y * (1.0 - s));
  }
};

struct Gelu : OnFloats {
  static constexpr const char* doc =
      "x Phi(x), Phi the normal distribution (Hendrycks, Gimpel 2016)";
  template <class T>
  static T forward(T x) {
    const T half = x * T(0.5);
    return fma(half, math::erf(x * T(0.70710678118654752440)), half);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    const V distribution = erf(x * 0.70710678118654752440) * 0.5 + 0.5;
    const V density = exp(x * x * -0.5) * 0.39894228040143267794;  // 1 / sqrt(2 pi)
    return g * (distribution + x * density);
  }
};

struct GeluTanh : OnFloats {
  static constexpr const char* doc =
      "gelu with Phi(x) taken as (1 + tanh(c (x + 0.044715 x^3))) / 2";
  template <class T>
  static T forward(T x) {
    const T cubic = fma(x * x, T(0.044715 * 0.79788456080286535588), T(0.79788456080286535588));
    const T half = x * T(0.5);
    return fma(half, math::tanh(x * cubic), half);
  }
  template <class V>
  static V backward(const V& g, const V& x, const V&) {
    const V square = x * x;
    const V inner = x * (square * (0.044715 * 0.79788456080286535588) + 0.79788456080286535588);
    const V slope = square * (3 * 0.044715 * 0.79788456080286535588) + 0.79788456080286535588;
    const V t = tanh(inner);
    const V half = g * 0.5;
    const V first = t + 1.0;
    return half * (first + x * (1.0 - t * t) * slope);
  }
};

// --- Order ---

struct Maximum : OnNumbers {
  static constexpr const char* doc =
      "the larger; a NaN gives NaN; equal ones pass the gradient to a";
  template <class T>
  static T forward(T a, T b) {
    return select(mask_or(is_nan(a), b <= a), a, b);
  }
  template <class V>
  static std::array<V, 2> backward(const V& g, const V& a, const V& b, const V&) {
    return {where(a < b, 0.0, g), where(a < b, g, 0.0)};
  }
};

struct Minimum : OnNumbers {
  static constexpr const char* doc =
      "the smaller; a NaN gives NaN; equal ones pass the gradient to a";
  template <class T>
  static T forward(T a, T b) {
    return select(mask_or(is_nan(a), a <= b), a, b);
  }
  template <class V>
  static std::array<V, 2> backward(const V& g, const V& a, const V& b, const V&) {
    return {where(b < a, 0.0, g), where(b < a, g, 0.0)};
  }
};

struct Clamp : OnNumbers {
  static constexpr const char* doc = "min(max(x, low), high); NaN stays NaN";
  template <class T>
  static T forward(T x, T low, T high) {
    return Minimum::forward(Maximum::forward(x, low), high);
  }
  template <class V>
  static std::array<V, 3> backward(const V& g, const V& x, const V& low, const V& high, const V&) {
    const V lifted = maximum(x, low);
    const V inner = where(high < lifted, 0.0, g);
    return {where(x < low, 0.0, inner), where(x < low, inner, 0.0), where(high < lifted, g, 0.0)};
  }
};

struct Equal : Equality {
  static constexpr const char* doc = "a == b; false with a NaN";
  template <class T>
  static auto forward(T a, T b) {
    return a == b;
  }
};

struct NotEqual : Equality {
  static constexpr const char* doc = "a != b; true with a NaN";
  template <class T>
  static auto forward(T a, T b) {
    return a != b;
  }
};

struct Less : Comparison {
  static constexpr const char* doc = "a < b; false with a NaN";
  template <class T>
  static auto forward(T a, T b) {
    return a < b;
  }
};

struct LessEqual : Comparison {
  static constexpr const char* doc = "a <= b; false with a NaN";
  template <class T>
  static auto forward(T a, T b) {
    return a <= b;
  }
};

struct Greater : Comparison {
  static constexpr const char* doc = "a > b; false with a NaN";
  template <class T>
  static auto forward(T a, T b) {
    return b < a;
  }
};

struct GreaterEqual : Comparison {
  static constexpr const char* doc = "a >= b; false with a NaN";
  template <class T>
  static auto forward(T a, T b) {
    return b <= a;
  }
};

struct IsNan : Classification {
  static constexpr const char* doc = "whether x is NaN";
  template <class T>
  static auto forward(T x) {
    return is_nan(x);
  }
};

struct IsFinite : Classification {
  static constexpr const char* doc = "whether x is neither infinite nor NaN";
  template <class T>
  static auto forward(T x) {
    using scalar::abs;
    return abs(x) < T(std::numeric_limits<scalar::RealOf<T>>::infinity());
  }
};

// --- Masks and choice ---

struct LogicalAnd : OnMasks {
  static constexpr const char* doc = "a and b";
  template <class T>
  static T forward(T a, T b) {
    return mask_and(a, b);
  }
};

struct LogicalOr : OnMasks {
  static constexpr const char* doc = "a or b";
  template <class T>
  static T forward(T a, T b) {
    return mask_or(a, b);
  }
};

struct LogicalXor : OnMasks {
  static constexpr const char* doc = "a or b but not both";
  template <class T>
  static T forward(T a, T b) {
    return mask_xor(a, b);
  }
};

struct LogicalNot : OnMasks {
  static constexpr const char* doc = "not x";
  template <class T>
  static T forward(T x) {
    return mask_not(x);
  }
};

struct Where {
  static constexpr Accepts accepts = Accepts::any;
  static constexpr ResultType result = ResultType::same;
  static constexpr bool mask_first = true;
  static constexpr const char* doc = "a where the boolean condition holds, else b";
  template <class M, class T>
  static T forward(M condition, T a, T b) {
    return select(condition, a, b);
  }
  // The condition has no gradient: backward gives those of a and b.
  template <class V>
  static std::array<V, 2> backward(const V& g, const V& condition, const V&, const V&, const V&) {
    return {where(condition, g, 0.0), where(condition, 0.0, g)};
  }
};

// --- Rounding ---

struct Floor : OnFloats {
  static constexpr const char* doc = "the largest integer <= x; the gradient is 0";
  template <class T>
  static T forward(T x) {
    using scalar::floor;
    return floor(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return g * 0.0;
  }
};

struct Ceil : OnFloats {
  static constexpr const char* doc = "the smallest integer >= x; the gradient is 0";
  template <class T>
  static T forward(T x) {
    using scalar::ceil;
    return ceil(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return g * 0.0;
  }
};

struct Round : OnFloats {
  static constexpr const char* doc = "the nearest integer, ties to even; the gradient is 0";
  template <class T>
  static T forward(T x) {
    using scalar::round_even;
    return round_even(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return g * 0.0;
  }
};

struct Trunc : OnFloats {
  static constexpr const char* doc = "x without its fraction; the gradient is 0";
  template <class T>
  static T forward(T x) {
    using scalar::trunc;
    return trunc(x);
  }
  template <class V>
  static V backward(const V& g, const V&, const V&) {
    return g * 0.0;
  }
};

}  // namespace pointwise
}  // namespace sinter::ir

#endif  // SINTER_IR_POINTWISE_H_
