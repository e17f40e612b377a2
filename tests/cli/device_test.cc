// The command on a GPU that is not there, fails, or works: with the fake CUDA library
// (backend/fake_cuda.h), which computes nothing but does all the rest.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "../base/temporary_folder.h"
#include "device_job.h"

namespace sinter {
namespace {

RunningCommand::Options with_fake(const std::string& settings = "") {
  return {.input = {},
          .environment = {std::string("SINTER_CUDA_LIBRARY=") + SINTER_FAKE_CUDA,
                          "FAKE_CUDA=" + settings, "SINTER_DEVICE=", "SINTER_CACHE="}};
}

TEST(Device, NoLibrary) {
  const TemporaryFolder folder;
  expect_one_line(
      run_command(folder.path(), small_job("cuda"),
                  {.input = {}, .environment = {"SINTER_CUDA_LIBRARY=/nowhere/cuda.so"}}),
      {"cuda:0: /nowhere/cuda.so: there is no such file", "--device cpu"});
}

TEST(Device, EveryReasonIsOneLine) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, Words>> cases = {
      {"abi=7", {"made for another version of Sinter (ABI 7, expected 2)"}},
      {"count_status=1", {"there is no NVIDIA driver", "--device cpu"}},
      {"count_status=2", {"the NVIDIA driver is too old"}},
      {"context_status=3", {"no code for this GPU's architecture", "8.0 (Ampere)"}},
      {"compile_status=5", {"NVRTC was not found", "install the CUDA toolkit"}},
      {"memory_total=100000", {"a request for ", "that the device has", "smaller batch"}},
      {"launch_status=9,launches_left=3", {"the device found a fault"}},
      {"device_count=0", {"there is no NVIDIA GPU"}}};
  for (const auto& [settings, parts] : cases) {
    SCOPED_TRACE(settings);
    expect_one_line(
        run_command(folder.path(), small_job("cuda", {"--quiet", "--force"}), with_fake(settings)),
        parts);
  }
  expect_one_line(run_command(folder.path(), small_job("cuda:5", {"--force"}), with_fake()),
                  {"cuda:5: there is no such GPU; expected cuda:0 to cuda:1"});
}

TEST(Device, AWholeJobRunsAndIsRecorded) {
  const TemporaryFolder folder;
  const CommandResult trained = run_command(folder.path(), small_job("cuda"), with_fake());
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_TRUE(holds(trained.out, "on cuda:0")) << trained.out;
  EXPECT_TRUE(holds(content_of(folder / "run/config.toml"), "device = \"cuda:0\""));
  EXPECT_TRUE(holds(content_of(folder / "run/summary.json"), "\"device\":\"cuda:0\""));
  for (const char* device : {"cuda", "cpu"}) {
    const CommandResult eval =
        run_command(folder.path(), {"eval", "run", "--device", device}, with_fake());
    EXPECT_EQ(eval.status, 0) << eval.err;
    EXPECT_TRUE(holds(eval.out, "\"accuracy\":")) << eval.out;
  }
  std::string pixels = "0";
  for (int i = 1; i < 28 * 28; ++i) pixels += ",0";
  RunningCommand::Options options = with_fake();
  options.input = "{\"pixels\":[" + pixels + "]}\n";
  const CommandResult predicted =
      run_command(folder.path(), {"predict", "run", "--device", "cuda:1"}, options);
  EXPECT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_TRUE(holds(predicted.out, "\"probabilities\":[")) << predicted.out;
}

TEST(Device, LostInATrainingRunItKeepsTheLastCheckpoint) {
  const TemporaryFolder folder;
  const CommandResult lost = run_command(folder.path(), small_job("cuda", {"--quiet"}),
                                         with_fake("launch_status=10,launches_left=45"));
  expect_one_line(lost, {"cuda:0", "the device is lost", "the CPU stays usable"});
  const std::string checkpoint = folder / "run/checkpoints/last.safetensors";
  ASSERT_TRUE(std::filesystem::exists(checkpoint));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/model.safetensors"));

  const Words resume = {"train", "image", "--out", "run", "--resume"};
  Words on_cpu = resume;
  on_cpu.insert(on_cpu.end(), {"--device", "cpu"});
  expect_one_line(run_command(folder.path(), on_cpu, with_fake()),
                  {"resume: this is not the environment of the checkpoint", "--force"});

  EXPECT_TRUE(holds(content_of(folder / "run/config.toml"), "device = \"cuda:0\""));
  const std::string kept = content_of(checkpoint);
  Words forced = on_cpu;
  forced.push_back("--force");
  const TemporaryFolder copy;
  std::filesystem::copy(folder.path(), copy.path(), std::filesystem::copy_options::recursive);
  // Weights that the fake left are no numbers to train on, but the run gets as far as that.
  const CommandResult went_on = run_command(copy.path(), forced, with_fake());
  EXPECT_FALSE(holds(went_on.err, "environment")) << went_on.err;
  EXPECT_TRUE(holds(content_of(copy / "run/config.toml"), "device = \"cpu\""));

  EXPECT_EQ(content_of(checkpoint), kept);
  const CommandResult resumed = run_command(folder.path(), resume, with_fake());
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_TRUE(holds(content_of(folder / "run/summary.json"), "\"device\":\"cuda:0\""));
  EXPECT_FALSE(holds(content_of(folder / "run/summary.json"), "\"resumed_from_step\":null"));
}

TEST(Device, InfoListsDevicesAndSaysWhyThereAreNone) {
  const TemporaryFolder folder;
  const CommandResult there = run_command(folder.path(), {"info"}, with_fake());
  EXPECT_EQ(there.status, 0);
  EXPECT_TRUE(holds(there.out, "cuda:1: Fake GPU 1 (sm_86)")) << there.out;
  EXPECT_TRUE(holds(there.out, "fake 1.0")) << there.out;
  const CommandResult none = run_command(folder.path(), {"info"}, with_fake("count_status=2"));
  EXPECT_EQ(none.status, 0);
  EXPECT_TRUE(holds(none.out, "cuda: none: the NVIDIA driver is too old")) << none.out;
}

TEST(Device, CompareDoesTheCpusHalfWhereThereIsNoGpu) {
  const TemporaryFolder folder;
  Words words = small_job("", {"--devices", "cpu,cuda", "--price", "cpu=0.2", "--quiet"});
  words[0] = "compare";
  words.erase(std::find(words.begin(), words.end(), "--device"),
              std::find(words.begin(), words.end(), "--device") + 2);
  const CommandResult half = run_command(folder.path(), words, with_fake("count_status=1"));
  EXPECT_EQ(half.status, 1) << "a device did not run";
  EXPECT_TRUE(holds(half.err, "not every device did run; got cuda without a run")) << half.err;
  EXPECT_TRUE(holds(half.out, "cuda     not run: cuda:0: there is no NVIDIA driver")) << half.out;
  EXPECT_TRUE(holds(half.out, "cpu      ")) << half.out;
  const std::string report = content_of(folder / "run/report.html");
  EXPECT_TRUE(holds(report, "not run: cuda:0: there is no NVIDIA driver"));
  EXPECT_TRUE(holds(report, "<polyline"));
  EXPECT_FALSE(holds(report, "http")) << "it is self-contained";
  EXPECT_TRUE(holds(content_of(folder / "run/compare.json"), "\"not_run\":\"cuda:0: "));
  EXPECT_TRUE(std::filesystem::exists(folder / "run/cpu/summary.json"));

  words.push_back("--force");
  const CommandResult whole = run_command(folder.path(), words, with_fake());
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_TRUE(holds(whole.out, "no price given")) << whole.out;
  EXPECT_TRUE(std::filesystem::exists(folder / "run/cuda/summary.json"));

  Words alone = words;
  *std::find(alone.begin(), alone.end(), "cpu,cuda") = "cuda";
  *std::find(alone.begin(), alone.end(), "cpu=0.2") = "cuda=3";
  expect_one_line(run_command(folder.path(), alone, with_fake("count_status=1")),
                  {"none of the devices can be used", "there is no NVIDIA driver"});
}

}  // namespace
}  // namespace sinter
