// What a machine can do: relations between what was measured, and the bounds that follow. How fast
// it is, is no test's business.
#include "backend/machine.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backend/registry.h"
#include "base/parallel.h"

namespace sinter {
namespace {

constexpr Unit kUnits[] = {Unit::contraction_f32, Unit::contraction_f64, Unit::contraction_bf16,
                           Unit::contraction_f16, Unit::vector_32,       Unit::vector_64};

// Enough to see every path, and nothing more.
backend::MeasuredSizes small_sizes() {
  return {.vector_elements = 1 << 10,
          .first_product = 32,
          .last_product = 64,
          .copies = {1 << 14, 1 << 18, 1 << 25},
          .most_seconds = 1};
}

void expect_plausible(const MachinePeaks& peaks) {
  for (const Unit unit : kUnits) {
    EXPECT_TRUE(std::isfinite(peaks.rate(unit))) << static_cast<int>(unit);
    EXPECT_GT(peaks.rate(unit), 0) << static_cast<int>(unit);
  }
  // 16-bit products are f32 ones at worst.
  EXPECT_GE(peaks.rate(Unit::contraction_bf16), peaks.rate(Unit::contraction_f32));
  EXPECT_GE(peaks.rate(Unit::contraction_f16), peaks.rate(Unit::contraction_f32));
  ASSERT_EQ(peaks.copies.size(), small_sizes().copies.size());
  for (std::size_t i = 1; i < peaks.copies.size(); ++i) {
    EXPECT_GT(peaks.copies[i].bytes, peaks.copies[i - 1].bytes);
    EXPECT_LE(peaks.copies[i].bytes_per_second, peaks.copies[i - 1].bytes_per_second);
  }
  EXPECT_GT(peaks.copies.back().bytes_per_second, 0);
  EXPECT_GT(peaks.start_ms, 0);
  EXPECT_GT(peaks.start_operations(), 0);
  EXPECT_GT(peaks.assumed_start_operations, 0);
}

TEST(Machine, WhatIsMeasuredOnTheCpuIsPlausible) {
  const int threads = thread_count();
  for (const int count : {1, 2}) {
    set_thread_count(count);
    const MachinePeaks peaks = backend::measure_peaks(backend::find_backend("cpu"), small_sizes());
    EXPECT_EQ(peaks.device, "cpu");
    EXPECT_EQ(peaks.threads, count);
    EXPECT_GT(peaks.team_ms, 0);
    expect_plausible(peaks);
  }
  set_thread_count(threads);
}

TEST(Machine, SizesGrowWithThreadsAndAscend) {
  const int threads = thread_count();
  const backend::Backend& cpu = backend::find_backend("cpu");
  for (const int count : {1, 2, 64, 1024}) {
    set_thread_count(count);
    const backend::MeasuredSizes sizes = backend::sizes_for(cpu);
    EXPECT_GE(sizes.vector_elements, count);
    ASSERT_FALSE(sizes.copies.empty());
    EXPECT_EQ(sizes.copies.back(), std::int64_t{1} << 27);  // memory
    for (std::size_t i = 1; i < sizes.copies.size(); ++i) {
      EXPECT_GT(sizes.copies[i], sizes.copies[i - 1]);
    }
  }
  set_thread_count(threads);
}

// 100 of each unit a second, 1000 bytes a second below 64 bytes and 10 from there on, a
// millisecond a kernel.
MachinePeaks slow_machine() {
  MachinePeaks peaks;
  peaks.rates.fill(100);
  peaks.copies = {{.bytes = 16, .bytes_per_second = 1000}, {.bytes = 64, .bytes_per_second = 10}};
  peaks.start_ms = 1;
  return peaks;
}

Cost cost(double products, double operations, double bytes, double kernels = 1) {
  Cost cost{.flops = products + operations, .bytes = bytes, .kernels = kernels};
  cost.add(Unit::contraction_bf16, products);
  cost.add(Unit::vector_32, operations);
  return cost;
}

TEST(Machine, ABoundIsTheLongestOfArithmeticTransferAndStarts) {
  const MachinePeaks peaks = slow_machine();
  EXPECT_DOUBLE_EQ(*bound_ms(cost(0, 0, 0), peaks), 1);      // the start
  EXPECT_DOUBLE_EQ(*bound_ms(cost(30, 20, 1), peaks), 500);  // units take turns
  EXPECT_DOUBLE_EQ(*bound_ms(cost(1, 0, 8), peaks), 10);     // arithmetic, beside 8 ms
  EXPECT_DOUBLE_EQ(*bound_ms(cost(0, 0, 8), peaks), 8);      // less than the smallest copy
  EXPECT_DOUBLE_EQ(*bound_ms(cost(0, 0, 63), peaks), 63);
  EXPECT_DOUBLE_EQ(*bound_ms(cost(0, 0, 64), peaks), 6400);
  // Ten kernels that move 32 bytes each find them in the cache.
  EXPECT_DOUBLE_EQ(*bound_ms(cost(0, 0, 320, 10), peaks), 320);
}

TEST(Machine, ABoundGrowsWithTheWork) {
  const MachinePeaks peaks = slow_machine();
  double last = 0;
  for (int i = 0; i < 200; ++i) {
    const double now = *bound_ms(cost(0.01 * i, 0.02 * i, i), peaks);
    EXPECT_GE(now, last) << i;
    last = now;
  }
}

TEST(Machine, ABoundNeedsNoMoreThanThePeaksOfItsUnits) {
  MachinePeaks peaks = slow_machine();
  peaks.rates[static_cast<std::size_t>(Unit::contraction_bf16)] = 0;
  EXPECT_EQ(bound_ms(cost(1, 1, 1), peaks), std::nullopt);
  EXPECT_NE(bound_ms(cost(0, 1, 1), peaks), std::nullopt);
  peaks.copies.clear();
  EXPECT_EQ(bound_ms(cost(0, 1, 1), peaks), std::nullopt);
  EXPECT_NE(bound_ms(cost(0, 1, 0), peaks), std::nullopt);
  EXPECT_EQ(bound_ms(cost(0, 1, 0), MachinePeaks()), std::nullopt);
  EXPECT_EQ(MachinePeaks().bandwidth(100), 0);
}

TEST(Machine, TheBetterOfTwoHasEachBetterFigure) {
  MachinePeaks a = slow_machine(), b = slow_machine();
  a.rates[0] = 200;
  a.rates[1] = 0;  // not measured
  b.copies[1].bytes_per_second = 20;
  b.start_ms = 0;
  b.team_ms = 3;
  const MachinePeaks both = backend::better_of(a, b);
  EXPECT_EQ(both.rates[0], 200);
  EXPECT_EQ(both.rates[1], 100);
  EXPECT_EQ(both.copies[0].bytes_per_second, 1000);
  EXPECT_EQ(both.copies[1].bytes_per_second, 20);
  EXPECT_EQ(both.start_ms, 1);
  EXPECT_EQ(both.team_ms, 3);
  MachinePeaks none = a;
  none.copies.clear();
  EXPECT_EQ(backend::better_of(none, b).copies.size(), 2u);
}

}  // namespace
}  // namespace sinter
