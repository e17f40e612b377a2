// The gradients of the pointwise ops against finite differences in f64, first and second order.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "ir/pointwise.h"
#include "sinter/pointwise_list.h"

namespace sinter::ir {
namespace {

// What `backward` runs on here. Doubles convert, as they are weak scalars of tensors; masks are 0
// or 1.
struct Plain {
  double v = 0;
  Plain() = default;
  Plain(double value) : v(value) {}
};

// A number with its derivative along a direction. A function of Duals takes its derivative from the
// op's own backward, so running backward on Duals differentiates it again.
struct Dual {
  Plain v;
  Plain d;
  Dual() = default;
  Dual(double value) : v(value) {}
  Dual(Plain value, Plain direction) : v(value), d(direction) {}
};

template <class V>
const V& some();
template <class Op, class V, class... Rest>
constexpr bool has_gradient() {
  return requires { Op::backward(some<V>(), some<V>(), some<Rest>()..., some<V>()); };
}

template <class Op, class... Rest>
Plain apply(Plain first, Rest... rest) {
  if constexpr (Op::accepts == Accepts::boolean) {
    return static_cast<double>(Op::forward(first.v != 0, (rest.v != 0)...));
  } else if constexpr (requires { Op::mask_first; }) {
    return static_cast<double>(Op::forward(first.v != 0, rest.v...));
  } else {
    return static_cast<double>(Op::forward(first.v, rest.v...));
  }
}

// The gradients for all inputs; that of a condition is 0.
template <class Op, class V, class... Rest>
std::array<V, sizeof...(Rest) + 1> gradients(const V& g, const V& y, const V& first,
                                             const Rest&... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return {Op::backward(g, first, y)};
  } else if constexpr (requires { Op::mask_first; }) {
    const std::array<V, sizeof...(Rest)> some = Op::backward(g, first, rest..., y);
    return {V(0.0), some[0], some[1]};
  } else {
    return Op::backward(g, first, rest..., y);
  }
}

template <class Op, class... Duals>
Dual apply(const Dual& first, const Duals&... rest) {
  const Plain y = apply<Op>(first.v, rest.v...);
  double direction = 0;
  if constexpr (has_gradient<Op, Plain, decltype(rest.v)...>()) {
    const auto slopes = gradients<Op>(Plain(1.0), y, first.v, rest.v...);
    const std::array<double, sizeof...(Duals) + 1> directions = {first.d.v, rest.d.v...};
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      if (directions[i] != 0) direction += slopes[i].v * directions[i];
    }
  }
  return {y, Plain(direction)};
}

template <class V>
concept TestValue = std::same_as<V, Plain> || std::same_as<V, Dual>;

// The functions of the list, found by argument-dependent lookup from the structs.
#define SINTER_UNARY(Struct, function)  \
  template <TestValue V>                \
  V function(const V& x) {              \
    return apply<pointwise::Struct>(x); \
  }
#define SINTER_BINARY(Struct, function)    \
  template <TestValue V>                   \
  V function(const V& a, const V& b) {     \
    return apply<pointwise::Struct>(a, b); \
  }
#define SINTER_TERNARY(Struct, function)
SINTER_POINTWISE_OPS(SINTER_UNARY, SINTER_BINARY, SINTER_TERNARY)
#undef SINTER_UNARY
#undef SINTER_BINARY
#undef SINTER_TERNARY

#define SINTER_OPERATOR(symbol, Struct)                                    \
  [[maybe_unused]] Plain operator symbol(const Plain& a, const Plain& b) { \
    return apply<pointwise::Struct>(a, b);                                 \
  }                                                                        \
  [[maybe_unused]] Dual operator symbol(const Dual& a, const Dual& b) {    \
    return apply<pointwise::Struct>(a, b);                                 \
  }
SINTER_OPERATOR(+, Add)
SINTER_OPERATOR(-, Subtract)
SINTER_OPERATOR(*, Multiply)
SINTER_OPERATOR(/, Divide)
SINTER_OPERATOR(<, Less)
SINTER_OPERATOR(<=, LessEqual)
SINTER_OPERATOR(>, Greater)
SINTER_OPERATOR(>=, GreaterEqual)
#undef SINTER_OPERATOR
Plain operator-(const Plain& x) { return apply<pointwise::Negate>(x); }
Dual operator-(const Dual& x) { return apply<pointwise::Negate>(x); }
Plain where(const Plain& m, const Plain& a, const Plain& b) {
  return apply<pointwise::Where>(m, a, b);
}
Dual where(const Dual& m, const Dual& a, const Dual& b) { return apply<pointwise::Where>(m, a, b); }

constexpr double kStep = 1e-5;
constexpr double kGradient = 1.7;  // of the op's result

template <class Op, std::size_t arity>
double value(const std::array<double, arity>& x) {
  return std::apply([](auto... each) { return apply<Op>(Plain(each)...).v; }, x);
}

template <class Op, std::size_t arity>
std::array<Plain, arity> gradients_at(const std::array<double, arity>& x) {
  return std::apply(
      [&](auto... each) {
        return gradients<Op>(Plain(kGradient), Plain(value<Op>(x)), Plain(each)...);
      },
      x);
}

template <std::size_t arity>
std::array<double, arity> moved(std::array<double, arity> x, std::size_t input, double step) {
  x[input] += step;
  return x;
}

void expect_close(double got, double want, const std::string& what) {
  EXPECT_NEAR(got, want, 2e-8 * (1 + std::abs(want))) << what;
}

// Returns the number of points where the op has a value.
template <class Op, std::size_t arity>
int check_gradients(const char* name, const std::vector<std::array<double, arity>>& points) {
  constexpr std::size_t first = requires { Op::mask_first; }
  ? 1 : 0;
  int checked = 0;
  for (const auto& x : points) {
    if (std::isnan(value<Op>(x))) continue;
    ++checked;
    std::string where_at = std::string(name) + " at";
    for (const double each : x) where_at += " " + std::to_string(each);
    const auto dx = gradients_at<Op>(x);
    for (std::size_t i = first; i < arity; ++i) {
      const double slope =
          (value<Op>(moved(x, i, kStep)) - value<Op>(moved(x, i, -kStep))) / (2 * kStep);
      if (std::isnan(slope)) continue;
      expect_close(dx[i].v, kGradient * slope, where_at + ", input " + std::to_string(i));
    }
    for (std::size_t j = first; j < arity; ++j) {
      std::array<Dual, arity> duals;
      for (std::size_t i = 0; i < arity; ++i) duals[i] = {Plain(x[i]), Plain(i == j ? 1.0 : 0.0)};
      const auto second = std::apply(
          [](const auto&... each) {
            return gradients<Op>(Dual(kGradient), apply<Op>(each...), each...);
          },
          duals);
      const auto above = gradients_at<Op>(moved(x, j, kStep));
      const auto below = gradients_at<Op>(moved(x, j, -kStep));
      for (std::size_t i = first; i < arity; ++i) {
        const double slope = (above[i].v - below[i].v) / (2 * kStep);
        if (std::isnan(slope)) continue;
        expect_close(second[i].d.v, slope,
                     where_at + ", second order " + std::to_string(i) + " " + std::to_string(j));
      }
    }
  }
  return checked;
}

// Ops whose gradient is none of this test's business: they have none.
const char* const kWithout[] = {"equal",       "not_equal",     "less",        "less_equal",
                                "greater",     "greater_equal", "logical_and", "logical_or",
                                "logical_xor", "logical_not",   "isnan",       "isfinite"};

bool is_without(const std::string& name) {
  for (const char* other : kWithout) {
    if (name == other) return true;
  }
  return false;
}

const double kPoints[] = {-2.3, -0.71, 0.43, 1.9, 3.6};
const double kOtherPoints[] = {-1.6, 0.37, 2.2};

template <class Op>
void check_unary(const char* name) {
  if constexpr (has_gradient<Op, Plain>()) {
    std::vector<std::array<double, 1>> points;
    for (const double x : kPoints) points.push_back({x});
    EXPECT_GE((check_gradients<Op, 1>(name, points)), 3) << name;
    EXPECT_FALSE(is_without(name)) << name;
  } else {
    EXPECT_TRUE(is_without(name)) << name << " has no gradient";
  }
}

template <class Op>
void check_binary(const char* name) {
  if constexpr (has_gradient<Op, Plain, Plain>()) {
    std::vector<std::array<double, 2>> points;
    for (const double a : kPoints) {
      for (const double b : kOtherPoints) points.push_back({a, b});
    }
    EXPECT_GE((check_gradients<Op, 2>(name, points)), 9) << name;
    EXPECT_FALSE(is_without(name)) << name;
  } else {
    EXPECT_TRUE(is_without(name)) << name << " has no gradient";
  }
}

template <class Op>
void check_ternary(const char* name) {
  std::vector<std::array<double, 3>> points;
  for (const double a : kPoints) {
    points.push_back({requires { Op::mask_first;
  }
  ? double(a < 1) : a, -1.1, 1.3
});
    points.push_back({requires { Op::mask_first;
    }  // namespace
    ? double(a < 1) : a, 1.2, -0.8
    }  // namespace sinter::ir
);
}
EXPECT_EQ((check_gradients<Op, 3>(name, points)), 10) << name;
}

TEST(PointwiseGradients, AgreeWithFiniteDifferencesTwice) {
#define SINTER_UNARY(Struct, function) check_unary<pointwise::Struct>(#function);
#define SINTER_BINARY(Struct, function) check_binary<pointwise::Struct>(#function);
#define SINTER_TERNARY(Struct, function) check_ternary<pointwise::Struct>(#function);
  SINTER_POINTWISE_OPS(SINTER_UNARY, SINTER_BINARY, SINTER_TERNARY)
#undef SINTER_UNARY
#undef SINTER_BINARY
#undef SINTER_TERNARY
}

TEST(PointwiseGradients, AtTheEdgesAreWhatTheDocsSay) {
  const auto at = [](auto op, double x, double y) {
    return decltype(op)::backward(Plain(1.0), Plain(x), Plain(y)).v;
  };
  EXPECT_EQ(at(pointwise::Relu{}, 0, 0), 0);
  EXPECT_EQ(at(pointwise::Abs{}, 0, 0), 0);
  EXPECT_TRUE(std::isinf(at(pointwise::Sqrt{}, 0, 0)));
  const auto pow = [](double a, double b) {
    return pointwise::Pow::backward(Plain(1.0), Plain(a), Plain(b),
                                    apply<pointwise::Pow>(Plain(a), Plain(b)));
  };
  EXPECT_EQ(pow(0, 2)[0].v, 0);
  EXPECT_EQ(pow(0, 2)[1].v, 0);
  EXPECT_EQ(pow(0, 1)[0].v, 1);
  EXPECT_EQ(pow(0, 0)[0].v, 0);
  EXPECT_EQ(pow(-3, 2)[0].v, -6);
  const auto tie = pointwise::Maximum::backward(Plain(1.0), Plain(2.0), Plain(2.0), Plain(2.0));
  EXPECT_EQ(tie[0].v + tie[1].v, 1);
}

}  // namespace
}  // namespace sinter::ir
