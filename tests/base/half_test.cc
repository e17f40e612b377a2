#include "base/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sinter {
namespace {

// A 16-bit floating type, described by its widths; the tests' reference works in double from these.
struct Format {
  int mantissa_bits;
  int max_exponent;  // of the largest finite value
  int min_exponent;  // of the smallest normal value
};
constexpr Format kBf16 = {7, 127, -126};
constexpr Format kF16 = {10, 15, -14};

// What a pattern means, by the definition of the format.
double meaning(const Format& format, std::uint16_t half) {
  const int exponent_bits = 15 - format.mantissa_bits;
  const int exponent = (half >> format.mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = half & ((1 << format.mantissa_bits) - 1);
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, format.min_exponent - format.mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << format.mantissa_bits),
                           exponent - 1 + format.min_exponent - format.mantissa_bits);
}

// `value` rounded to the format, ties to even, by counting in units of the last place.
double rounded(const Format& format, double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), format.min_exponent);
  const double unit = std::ldexp(1.0, exponent - format.mantissa_bits);
  const double result = std::nearbyint(value / unit) * unit;
  if (std::abs(result) >= std::ldexp(1.0, format.max_exponent + 1)) {
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  }
  return result;
}

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

void check_pattern(const Format& format, std::uint16_t half, float (*up)(std::uint16_t),
                   std::uint16_t (*down)(float)) {
  const float value = up(half);
  const double expected = meaning(format, half);
  if (std::isnan(expected)) {
    const std::uint16_t quiet =
        static_cast<std::uint16_t>(half | (1 << (format.mantissa_bits - 1)));
    EXPECT_TRUE(std::isnan(value)) << half;
    EXPECT_NE(bits_of(value) & 0x00400000u, 0U) << half;
    EXPECT_EQ(down(value), quiet) << half;
  } else {
    EXPECT_EQ(static_cast<double>(value), expected) << half;
    EXPECT_EQ(std::signbit(value), (half & 0x8000) != 0) << half;
    EXPECT_EQ(down(value), half) << half;
  }
}

TEST(Half, EveryPatternMeansWhatItsFormatSaysAndComesBack) {
  for (int pattern = 0; pattern < 65536; ++pattern) {
    const auto half = static_cast<std::uint16_t>(pattern);
    check_pattern(kBf16, half, &f32_from_bf16, &bf16_from_f32);
    check_pattern(kF16, half, &f32_from_f16, &f16_from_f32);
    if (HasFailure()) break;
  }
}

void check_rounding(const Format& format, float value, float up) {
  if (std::isnan(value)) {
    // The payload's upper bits, and quiet.
    const std::uint32_t kept = ~std::uint32_t{0} << (23 - format.mantissa_bits);
    EXPECT_EQ(bits_of(up), (bits_of(value) & kept) | 0x00400000u) << std::hex << bits_of(value);
  } else {
    EXPECT_EQ(static_cast<double>(up), rounded(format, static_cast<double>(value)))
        << std::hex << bits_of(value);
  }
  EXPECT_EQ(std::signbit(up), std::signbit(value)) << std::hex << bits_of(value);
}

// Every upper half with the lower halves at which rounding changes, for both formats.
TEST(Half, RoundsToNearestEvenEverywhere) {
  constexpr std::uint32_t kLow[] = {0x0000, 0x0001, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x3001,
                                    0x7fff, 0x8000, 0x8001, 0x9000, 0xb000, 0xefff, 0xf000, 0xffff};
  for (std::uint32_t high = 0; high < 65536; ++high) {
    for (const std::uint32_t low : kLow) {
      const float value = from_bits((high << 16) | low);
      check_rounding(kBf16, value, f32_from_bf16(bf16_from_f32(value)));
      check_rounding(kF16, value, f32_from_f16(f16_from_f32(value)));
    }
    if (HasFailure()) break;
  }
}

void check_middles(float (*up)(std::uint16_t), std::uint16_t (*down)(float), int largest) {
  for (int i = 0; i < largest; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    const auto next = static_cast<std::uint16_t>(i + 1);
    const float a = up(half);
    const float b = up(next);
    const auto middle = static_cast<float>((static_cast<double>(a) + b) / 2);
    ASSERT_EQ(down(middle), half + (half & 1)) << a;
    ASSERT_EQ(down(std::nextafter(middle, a)), half) << a;
    ASSERT_EQ(down(std::nextafter(middle, b)), next) << a;
    ASSERT_EQ(down(-middle), (half + (half & 1)) | 0x8000) << a;
  }
}

TEST(Half, EveryMiddleGoesToTheEvenNeighbour) {
  check_middles(&f32_from_bf16, &bf16_from_f32, 0x7F7F);
  check_middles(&f32_from_f16, &f16_from_f32, 0x7BFF);
}

TEST(Half, RoundsTheNamedCasesOfBf16) {
  static_assert(bf16_from_f32(1.0f) == 0x3F80);
  EXPECT_EQ(bf16_from_f32(from_bits(0x3F808000)), 0x3F80);  // a tie goes to even, down
  EXPECT_EQ(bf16_from_f32(from_bits(0x3F818000)), 0x3F82);  // and up
  EXPECT_EQ(bf16_from_f32(from_bits(0x3F808001)), 0x3F81);
  EXPECT_EQ(bf16_from_f32(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(bf16_from_f32(from_bits(0x7F7F7FFF)), 0x7F7F);
  EXPECT_EQ(bf16_from_f32(from_bits(0x00018000)), 0x0002);  // denormals round too
  EXPECT_EQ(bf16_from_f32(from_bits(0x80000001)), 0x8000);
  EXPECT_EQ(bf16_from_f32(from_bits(0x7F800001)), 0x7FC0);  // not infinity
  EXPECT_EQ(bf16_from_f32(from_bits(0xFFFFFFFF)), 0xFFFF);  // no carry out of a NaN
}

TEST(Half, RoundsTheNamedCasesOfF16) {
  static_assert(f16_from_f32(1.0f) == 0x3C00);
  static_assert(f32_from_f16(0x0001) == 0x1p-24f);
  EXPECT_EQ(f16_from_f32(65504.0f), 0x7BFF);
  EXPECT_EQ(f16_from_f32(65519.99f), 0x7BFF);
  EXPECT_EQ(f16_from_f32(65520.0f), 0x7C00);  // the tie with 2^16
  EXPECT_EQ(f16_from_f32(-1e30f), 0xFC00);
  EXPECT_EQ(f16_from_f32(0x1p-25f), 0x0000);  // the tie between 0 and the smallest
  EXPECT_EQ(f16_from_f32(0x1.000002p-25f), 0x0001);
  EXPECT_EQ(f16_from_f32(0x1.8p-24f), 0x0002);
  EXPECT_EQ(f16_from_f32(0x1.ffap-15f), 0x03FF);
  EXPECT_EQ(f16_from_f32(0x1.ffcp-15f), 0x0400);  // up into the normals
  EXPECT_EQ(f16_from_f32(-1e-40f), 0x8000);
  EXPECT_EQ(f16_from_f32(from_bits(0x7F800001)), 0x7E00);
}

}  // namespace
}  // namespace sinter
