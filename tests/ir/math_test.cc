#include "ir/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>

namespace sinter {
namespace {

// The distance of `got` from the true value in units in the last place of the correctly rounded
// result. An infinite or NaN truth asks for the same.
template <class T>
double error_in_ulp(T got, long double truth) {
  const T rounded = static_cast<T>(truth);
  constexpr double kWrong = 1e30;
  if (std::isnan(rounded)) return std::isnan(got) ? 0 : kWrong;
  if (std::isinf(rounded) || std::isinf(got)) {
    if (rounded == got) return 0;
    // One of the two is the largest finite number: a rounding at the edge.
    const T a = std::isinf(rounded) ? got : rounded;
    return std::abs(a) == std::numeric_limits<T>::max() ? 1 : kWrong;
  }
  if (std::isnan(got)) return kWrong;
  int exponent = std::ilogb(rounded == 0 ? std::numeric_limits<T>::denorm_min() : rounded);
  exponent = std::max(exponent, std::numeric_limits<T>::min_exponent - 1);
  const long double ulp = std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits + 1);
  return static_cast<double>(std::abs(static_cast<long double>(got) - truth) / ulp);
}

struct Worst {
  double ulp = 0;
  long double at = 0;
  template <class T>
  void see(T x, T got, long double truth) {
    const double error = error_in_ulp(got, truth);
    if (error > ulp) {
      ulp = error;
      at = x;
    }
  }
};

// Sweeps the bit patterns of f32 with a stride that is odd, so that all exponents and both signs
// occur.
template <class Function, class Reference>
Worst sweep_f32(Function f, Reference reference, float limit = INFINITY) {
  constexpr std::uint32_t kStride = 9001;
  Worst worst;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += kStride) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!(std::abs(x) <= limit)) continue;
    worst.see(x, f(x), static_cast<long double>(reference(static_cast<double>(x))));
  }
  return worst;
}
// Random points of [low, high].
template <class T, class Function, class Reference>
Worst sample(Function f, Reference reference, double low, double high, int count = 60000) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(low, high);
  Worst worst;
  for (int i = 0; i < count; ++i) {
    const T x = static_cast<T>(uniform(random));
    worst.see(x, f(x), reference(static_cast<long double>(x)));
  }
  return worst;
}
// Random bit patterns of f64.
template <class Function, class Reference>
Worst sample_bits(Function f, Reference reference, double limit = INFINITY, int count = 100000) {
  std::mt19937_64 random(11);
  Worst worst;
  for (int i = 0; i < count; ++i) {
    const double x = std::bit_cast<double>(random());
    if (!(std::abs(x) <= limit)) continue;
    worst.see(x, f(x), reference(static_cast<long double>(x)));
  }
  return worst;
}

// What a function may do at most, with the range where it does most of its work.
struct Bounds {
  const char* name;
  double low;
  double high;
  double f32;
  double f64;
  double limit32 = INFINITY;
  double limit64 = INFINITY;
};

template <class F32, class F64, class R32, class R64>
void check(const Bounds& bounds, F32 f32, F64 f64, R32 reference32, R64 reference64) {
  const auto wide = [&](long double x) {
    return static_cast<long double>(reference32(static_cast<double>(x)));
  };
  const Worst all32 = sweep_f32(f32, reference32, static_cast<float>(bounds.limit32));
  const Worst dense32 = sample<float>(f32, wide, bounds.low, bounds.high);
  const Worst all64 = sample_bits(f64, reference64, bounds.limit64);
  const Worst dense64 = sample<double>(f64, reference64, bounds.low, bounds.high);
  const Worst tiny64 = sample<double>(f64, reference64, -1e-3, 1e-3);
  const Worst one64 = sample<double>(f64, reference64, -2, 2);
  const double worst32 = std::max(all32.ulp, dense32.ulp);
  const double worst64 = std::max({all64.ulp, dense64.ulp, tiny64.ulp, one64.ulp});
  std::printf("%-10s largest error in ulp: f32 %.2f, f64 %.2f\n", bounds.name, worst32, worst64);
  EXPECT_LE(all32.ulp, bounds.f32) << bounds.name << " at " << all32.at;
  EXPECT_LE(dense32.ulp, bounds.f32) << bounds.name << " at " << dense32.at;
  EXPECT_LE(all64.ulp, bounds.f64) << bounds.name << " at " << all64.at;
  EXPECT_LE(dense64.ulp, bounds.f64) << bounds.name << " at " << dense64.at;
  EXPECT_LE(tiny64.ulp, bounds.f64) << bounds.name << " at " << tiny64.at;
  EXPECT_LE(one64.ulp, bounds.f64) << bounds.name << " at " << one64.at;
}

TEST(Math, ErrorsStayWithinTheDocumentedBounds) {
  const auto both = [](const Bounds& bounds, auto function, auto reference) {
    check(bounds, function, function, reference, reference);
  };
  both(
      {"exp", -110, 95, 1.0, 1.0}, [](auto x) { return math::exp(x); },
      [](auto x) { return std::exp(x); });
  both(
      {"expm1", -20, 20, 1.5, 2.0}, [](auto x) { return math::expm1(x); },
      [](auto x) { return std::expm1(x); });
  both(
      {"log", 0.1, 10, 1.0, 1.0}, [](auto x) { return math::log(x); },
      [](auto x) { return std::log(x); });
  both(
      {"log1p", -0.9, 5, 1.6, 1.5}, [](auto x) { return math::log1p(x); },
      [](auto x) { return std::log1p(x); });
  both(
      {"tanh", -10, 10, 3.0, 3.0}, [](auto x) { return math::tanh(x); },
      [](auto x) { return std::tanh(x); });
  both(
      {"erf", -4, 4, 5.5, 1.5}, [](auto x) { return math::erf(x); },
      [](auto x) { return std::erf(x); });
  both(
      {"sin", -100, 100, 2.0, 2.0}, [](auto x) { return math::sin(x); },
      [](auto x) { return std::sin(x); });
  both(
      {"cos", -100, 100, 2.0, 2.0}, [](auto x) { return math::cos(x); },
      [](auto x) { return std::cos(x); });
  both(
      {"sigmoid", -110, 40, 2.5, 2.5}, [](auto x) { return math::sigmoid(x); },
      [](auto x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); });
  both(
      {"softplus", -110, 40, 2.5, 2.5}, [](auto x) { return math::softplus(x); },
      [](auto x) { return x < 0 ? std::log1p(std::exp(x)) : x + std::log1p(std::exp(-x)); });
}

// The angles of each type that come nearest to a multiple of pi / 2 (J.-M. Muller, Elementary
// Functions, 2016, section 11.3): all but a few bits cancel.
TEST(Math, TheHardestAnglesAreReducedExactly) {
  const double hard = std::ldexp(6381956970095103.0, 797);
  EXPECT_EQ(math::sin(hard), 1);
  EXPECT_EQ(math::sin(-hard), -1);
  EXPECT_EQ(math::cos(hard), -4.6871659242546277e-19);
  EXPECT_EQ(math::cos(-hard), math::cos(hard));
  const float hard32 = std::ldexp(16367173.0f, 72);
  EXPECT_LE(error_in_ulp(math::cos(hard32), std::cos(static_cast<long double>(hard32))), 1);
  EXPECT_LE(error_in_ulp(math::sin(hard32), std::sin(static_cast<long double>(hard32))), 1);
  EXPECT_LT(std::fabs(math::cos(hard32)), 1e-8f);
}

// Angles of every size, each exponent as often as another.
template <class T>
Worst sample_angles(bool cosine) {
  std::mt19937_64 random(13);
  Worst worst;
  for (int i = 0; i < 400000; ++i) {
    const int exponent = i % std::numeric_limits<T>::max_exponent;
    const T mantissa = T(1) + static_cast<T>(random() >> 11) * T(0x1p-53);
    const T x = std::ldexp(i % 2 == 0 ? mantissa : -mantissa, exponent);
    if (!std::isfinite(x)) continue;
    const auto wide = static_cast<long double>(x);
    worst.see(x, cosine ? math::cos(x) : math::sin(x), cosine ? std::cos(wide) : std::sin(wide));
  }
  return worst;
}

TEST(Math, AnglesOfEverySizeAreWithinTwoUlp) {
  for (const bool cosine : {false, true}) {
    EXPECT_LE(sample_angles<float>(cosine).ulp, 2.0);
    EXPECT_LE(sample_angles<double>(cosine).ulp, 2.0);
  }
}

// Bases and exponents of every size whose power is neither 0 nor infinite, and some that are.
template <class T>
Worst sample_pow() {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  const double range = std::numeric_limits<T>::max_exponent;
  Worst worst;
  for (int i = 0; i < 200000; ++i) {
    const double scale = i % 3 == 0 ? range : i % 3 == 1 ? 3 : 0.01;
    const T x = static_cast<T>(std::exp2(uniform(random) * scale));
    const double limit = 1.05 * range / std::max(std::abs(std::log2(static_cast<double>(x))), 1e-6);
    const T y = static_cast<T>(uniform(random) * limit);
    worst.see(x, math::pow(x, y),
              std::pow(static_cast<long double>(x), static_cast<long double>(y)));
  }
  return worst;
}

TEST(Math, PowIsAccurateUpToItsLargestResults) {
  const Worst f32 = sample_pow<float>();
  const Worst f64 = sample_pow<double>();
  std::printf("%-10s largest error in ulp: f32 %.2f, f64 %.2f\n", "pow", f32.ulp, f64.ulp);
  EXPECT_LE(f32.ulp, 2.0) << f32.at;
  EXPECT_LE(f64.ulp, 2.0) << f64.at;
}

template <class T>
bool same(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

template <class T>
class MathOf : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(MathOf, Types);

TYPED_TEST(MathOf, SpecialValuesAreExactWithTheirSigns) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T tiny = std::numeric_limits<T>::denorm_min();
  const T huge = std::numeric_limits<T>::max();
  for (const T x : {T(0), T(-0.0), inf, -inf, nan, tiny, -tiny, 3 * tiny, huge, -huge, T(-1)}) {
    EXPECT_TRUE(same(math::exp(x), std::exp(x))) << x;
    EXPECT_TRUE(same(math::expm1(x), x == -1 ? math::expm1(x) : std::expm1(x))) << x;
    EXPECT_TRUE(same(math::log1p(x), std::log1p(x))) << x;
    EXPECT_TRUE(same(math::tanh(x), x == -1 ? math::tanh(x) : std::tanh(x))) << x;
    if (std::abs(x) > 1 || x == 0) {
      EXPECT_TRUE(same(math::erf(x), std::erf(x))) << x;
    }
    if (!std::isfinite(x) || x == 0 || std::abs(x) < T(1e-30)) {
      EXPECT_TRUE(same(math::sin(x), std::sin(x))) << x;
      EXPECT_TRUE(same(math::cos(x), std::cos(x))) << x;
    }
  }
  EXPECT_TRUE(same(math::log(T(0)), -inf));
  EXPECT_TRUE(same(math::log(T(-0.0)), -inf));
  EXPECT_TRUE(same(math::log(T(1)), T(0)));
  EXPECT_TRUE(same(math::log(inf), inf));
  EXPECT_TRUE(same(math::log(-tiny), nan));
  EXPECT_TRUE(same(math::log(-inf), nan));
  EXPECT_TRUE(same(math::log(nan), nan));
  EXPECT_TRUE(same(math::sigmoid(-inf), T(0)));
  EXPECT_TRUE(same(math::sigmoid(inf), T(1)));
  EXPECT_TRUE(same(math::sigmoid(nan), nan));
  EXPECT_TRUE(same(math::sigmoid(T(0)), T(0.5)));
  EXPECT_TRUE(same(math::softplus(-inf), T(0)));
  EXPECT_TRUE(same(math::softplus(inf), inf));
  EXPECT_TRUE(same(math::softplus(nan), nan));
}

TYPED_TEST(MathOf, PowHasTheExceptionsOfC) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T huge = std::numeric_limits<T>::max();
  const T tiny = std::numeric_limits<T>::denorm_min();
  const T values[] = {0,      T(-0.0), 1,   -1,  2,    -2,    3,    -3,    T(0.5), T(-0.5),
                      T(2.5), -inf,    inf, nan, huge, -huge, tiny, -tiny, 4,      -4};
  for (const T x : values) {
    for (const T y : values) {
      const T expected = std::pow(x, y);
      const T got = math::pow(x, y);
      if (std::isfinite(expected) && std::abs(expected) > std::numeric_limits<T>::min()) {
        EXPECT_NEAR(static_cast<double>(got / expected), 1, 1e-6) << x << " ^ " << y;
      } else {
        EXPECT_TRUE(same(got, expected)) << x << " ^ " << y << " gives " << got;
      }
    }
  }
}

TYPED_TEST(MathOf, BoundedFunctionsStayWithinTheirBounds) {
  using T = TypeParam;
  for (int i = 0; i < 400000; ++i) {
    const T x = static_cast<T>(i) * T(5e-5);
    ASSERT_LE(math::tanh(x), T(1)) << x;
    ASSERT_LE(math::erf(x), T(1)) << x;
    ASSERT_EQ(math::tanh(-x), -math::tanh(x)) << x;
    ASSERT_EQ(math::erf(-x), -math::erf(x)) << x;
    ASSERT_LE(std::abs(math::sin(x)), T(1)) << x;
    ASSERT_LE(std::abs(math::cos(x)), T(1)) << x;
  }
}

}  // namespace
}  // namespace sinter
