// A CUDA device measured by its own clock: here an emulated one, whose figures mean nothing.
#include <gtest/gtest.h>

#include <cmath>

#include "backend/machine.h"
#include "backend/registry.h"
#include "sinter/system.h"

namespace sinter {
namespace {

constexpr Unit kUnits[] = {Unit::contraction_f32, Unit::contraction_f64, Unit::contraction_bf16,
                           Unit::contraction_f16, Unit::vector_32,       Unit::vector_64};

TEST(MachineOnDevice, EveryFigureIsMeasured) {
  backend::Backend& cuda = backend::find_backend("cuda");
  const MachinePeaks peaks = backend::measure_peaks(cuda, {.vector_elements = 256,
                                                           .first_product = 16,
                                                           .last_product = 32,
                                                           .copies = {1 << 12, 1 << 16},
                                                           .most_seconds = 10});
  EXPECT_EQ(peaks.device, cuda.name());
  for (const Unit unit : kUnits) {
    EXPECT_TRUE(std::isfinite(peaks.rate(unit))) << static_cast<int>(unit);
    EXPECT_GT(peaks.rate(unit), 0) << static_cast<int>(unit);
  }
  ASSERT_EQ(peaks.copies.size(), 2u);
  EXPECT_GE(peaks.copies[0].bytes_per_second, peaks.copies[1].bytes_per_second);
  EXPECT_GT(peaks.start_ms, 0);
  EXPECT_EQ(peaks.team_ms, 0);
  EXPECT_EQ(peaks.assumed_start_operations, 1 << 23);
}

TEST(MachineOnDevice, AnEmulatedOneHasNoPeaks) {
  const DeviceScope scope("cuda");
  const MachinePeaks peaks = machine_peaks();
  if (!describe_device(current_device()).emulated) {
    EXPECT_NE(bound_ms({.bytes = 1}, peaks), std::nullopt);
    return;
  }
  EXPECT_EQ(peaks.device, current_device());
  for (const Unit unit : kUnits) EXPECT_EQ(peaks.rate(unit), 0);
  EXPECT_EQ(bound_ms({.bytes = 1}, peaks), std::nullopt);
}

}  // namespace
}  // namespace sinter
