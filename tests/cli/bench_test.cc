// What `sinter bench` and `sinter info --peaks` say: which figures there are and how they are
// related, never how large they are.
#include <gtest/gtest.h>

#include "../base/temporary_folder.h"
#include "base/json.h"
#include "device_job.h"

namespace sinter {
namespace {

Json bench(const Words& more, const RunningCommand::Options& options = {}) {
  const TemporaryFolder folder;
  Words words = {"bench", "mlp", "--batch", "16", "--seconds", "0.02", "--json", "--parts"};
  words.insert(words.end(), more.begin(), more.end());
  const CommandResult result = run_command(folder.path(), words, options);
  EXPECT_EQ(result.status, 0) << result.err;
  const Json all = parse_json(result.out, {"bench"});
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

// Fields that have been there since the first version, and those of the bound.
constexpr const char* kFields[] = {"workload",
                                   "device",
                                   "emulated",
                                   "dtype",
                                   "threads",
                                   "batch",
                                   "units",
                                   "units_per_s",
                                   "step_ms",
                                   "first_step_ms",
                                   "compile_ms",
                                   "contraction_ms",
                                   "kernels_per_step",
                                   "planned_bytes",
                                   "rss_growth_bytes",
                                   "rss_kept_bytes",
                                   "allocations_after_first",
                                   "flops_per_step",
                                   "bytes_per_step",
                                   "roofline_percent",
                                   "bound_ms",
                                   "bound_percent",
                                   "machine",
                                   "parts"};

TEST(Bench, SaysHowFastEachStepCouldBe) {
  for (const char* dtype : {"f32", "bf16"}) {
    const Json result = bench({"--device", "cpu", "--threads", "1", "--dtype", dtype});
    for (const char* field : kFields) {
      ASSERT_TRUE(result.contains(field)) << field;
      EXPECT_FALSE(result[field].is_null()) << field;
    }
    double sum = 0;
    double flops = 0;
    double bytes = 0;
    for (const Json& part : result["parts"]) {
      EXPECT_GT(part["bound_ms"].get<double>(), 0) << part;
      sum += part["bound_ms"].get<double>();
      flops += part["flops"].get<double>();
      bytes += part["bytes"].get<double>();
    }
    EXPECT_EQ(result["parts"].size(), result["kernels_per_step"].get<std::size_t>());
    EXPECT_NEAR(result["bound_ms"].get<double>(), sum, 1e-4 * sum);
    EXPECT_EQ(result["flops_per_step"].get<std::int64_t>(), static_cast<std::int64_t>(flops));
    EXPECT_EQ(result["bytes_per_step"].get<std::int64_t>(), static_cast<std::int64_t>(bytes));
    const Json& machine = result["machine"];
    for (const char* type : {"f32", "f64", "bf16", "f16"}) {
      EXPECT_GT(machine["contraction_gflop_per_s"][type].get<double>(), 0) << type;
    }
    for (const char* width : {"32", "64"}) {
      EXPECT_GT(machine["vector_gop_per_s"][width].get<double>(), 0) << width;
    }
    EXPECT_GE(machine["copies"].size(), 2u);
    EXPECT_GT(machine["start_us"].get<double>(), 0);
    EXPECT_GT(machine["start_operations"].get<double>(), 0);
    EXPECT_EQ(machine["assumed_start_operations"].get<double>(), 1 << 15);
  }
}

// What a device that something stands in for could do is not known.
TEST(Bench, AnEmulatedDeviceHasNoBound) {
  const Json result = bench({"--device", "cuda"},
                            {.input = {},
                             .environment = {std::string("SINTER_CUDA_LIBRARY=") + SINTER_FAKE_CUDA,
                                             "FAKE_CUDA=", "SINTER_DEVICE=", "SINTER_CACHE="}});
  EXPECT_TRUE(result["bound_ms"].is_null());
  EXPECT_TRUE(result["bound_percent"].is_null());
  EXPECT_TRUE(result["roofline_percent"].is_null());
  for (const Json& part : result["parts"]) EXPECT_TRUE(part["bound_ms"].is_null()) << part;
}

TEST(Bench, InfoMeasuresPeaksOnDemand) {
  const TemporaryFolder folder;
  const CommandResult peaks =
      run_command(folder.path(), {"info", "--peaks", "--device", "cpu", "--threads", "1"});
  EXPECT_EQ(peaks.status, 0) << peaks.err;
  for (const char* part : {"peaks    cpu, 1 threads", "contractions: f32 ", "vectors: 32 bits ",
                           "GB/s read and written", "a kernel starts in "}) {
    EXPECT_TRUE(holds(peaks.out, part)) << part << " in " << peaks.out;
  }
  EXPECT_FALSE(holds(run_command(folder.path(), {"info"}).out, "peaks"));
  EXPECT_EQ(run_command(folder.path(), {"info", "here", "--peaks"}).status, 2);
  EXPECT_EQ(run_command(folder.path(), {"info", "--threads", "1"}).status, 2);
}

}  // namespace
}  // namespace sinter
