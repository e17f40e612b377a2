// What can go wrong with a GPU, as whole runs of the command on the emulated device: errors are
// injected by SINTER_EMULATED_FAIL (backend/cuda/emulated/include/sinter_emulated/control.h), the
// cache of kernels is damaged as a disk or another process would. Unlike the fake library of
// device_test.cc this device computes, so that runs that go on are compared by their bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "../base/temporary_folder.h"
#include "device_job.h"
#include "sinter/io.h"

namespace sinter {
namespace {

namespace fs = std::filesystem;

std::string library() {
  const char* const named = std::getenv("SINTER_CUDA_LIBRARY");
  return named != nullptr ? named : SINTER_CUDA_LIBRARY_PATH;
}

// What this program compiled already: whole runs would compile it again for each test.
const std::string& warm_cache() {
  static const TemporaryFolder folder;
  static const std::string path = folder / "cache";
  return path;
}

RunningCommand::Options on_emulated(const std::string& failures = "",
                                    const std::string& cache = warm_cache()) {
  return {.input = {},
          .environment = {"SINTER_CUDA_LIBRARY=" + library(), "SINTER_EMULATED_FAIL=" + failures,
                          "SINTER_DEVICE=", "SINTER_CACHE=" + cache}};
}

// The files of an uninterrupted run on the emulated device.
class Situation : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    whole_ = new TemporaryFolder;
    const CommandResult result = run_command(whole_->path(), small_job("cuda"), on_emulated());
    ASSERT_EQ(result.status, 0) << result.err;
    ASSERT_FALSE(fs::is_empty(warm_cache()));
  }
  static void TearDownTestSuite() {
    delete whole_;
    whole_ = nullptr;
  }

  // Nothing of the bytes is printed.
  bool is_same(const char* name, const std::string& run = "run") const {
    const std::string content = content_of(folder_ / (run + "/" + name));
    return !content.empty() && content == content_of(*whole_ / (std::string("run/") + name));
  }
  void expect_same_end() const {
    for (const char* name : {"model.safetensors", "metrics.jsonl"}) {
      EXPECT_TRUE(is_same(name)) << name;
    }
  }

  std::int64_t checkpoint_step() const {
    return std::atoll(
        io::read_texts(folder_ / "run/checkpoints/last.safetensors").at("step").c_str());
  }

  const TemporaryFolder folder_;
  static TemporaryFolder* whole_;
};
TemporaryFolder* Situation::whole_ = nullptr;

// Before anything is trained: one line that says what to do, and nothing left behind.
TEST_F(Situation, WhatIsMissingAtTheStart) {
  const std::vector<std::pair<std::string, Words>> cases = {
      {"no_driver", {"cuda:0: there is no NVIDIA driver", "--device cpu"}},
      {"old_driver", {"cuda:0: the NVIDIA driver is too old", "--device cpu"}},
      {"no_device", {"cuda:0: there is no NVIDIA", "--device cpu"}},
      {"no_device_code", {"no code for this GPU's architecture", "8.0 (Ampere)"}},
      {"cudaMalloc:1+", {"out of memory"}},
  };
  for (const auto& [failures, parts] : cases) {
    SCOPED_TRACE(failures);
    expect_one_line(run_command(folder_.path(), small_job("cuda", {"--quiet", "--force"}),
                                on_emulated(failures)),
                    parts);
    EXPECT_FALSE(fs::exists(folder_ / "run/model.safetensors"));
    EXPECT_FALSE(fs::exists(folder_ / "run/checkpoints/last.safetensors"));
  }
  // The same command runs on the CPU.
  EXPECT_EQ(
      run_command(folder_.path(), small_job("cpu", {"--force"}), on_emulated("no_driver")).status,
      0);
}

TEST_F(Situation, NoToolkitIsAnErrorOnlyWhereSomethingHasToBeCompiled) {
  expect_one_line(run_command(folder_.path(), small_job("cuda", {"--quiet"}),
                              on_emulated("no_compiler", folder_ / "empty")),
                  {"NVRTC was not found", "install the CUDA toolkit"});
  const CommandResult cached =
      run_command(folder_.path(), small_job("cuda", {"--force"}), on_emulated("no_compiler"));
  EXPECT_EQ(cached.status, 0) << cached.err;
  expect_same_end();
}

// Memory that runs out later than at the first request: a request is named by its size.
TEST_F(Situation, OutOfMemoryAtAnyRequestIsOneLine) {
  int failed = 0;
  for (int nth = 1; nth < 200; ++nth) {
    SCOPED_TRACE(nth);
    const CommandResult result =
        run_command(folder_.path(), small_job("cuda", {"--quiet", "--force"}),
                    on_emulated("cudaMalloc:" + std::to_string(nth) + "+"));
    if (result.status == 0) break;
    expect_one_line(result, {"memory", "a smaller batch needs less"});
    ++failed;
  }
  EXPECT_GT(failed, 2);
  expect_same_end();
}

TEST_F(Situation, ALaunchThatFailsEndsTheRunAtTheLastCheckpoint) {
  const CommandResult failed =
      run_command(folder_.path(), small_job("cuda", {"--quiet"}), on_emulated("launch:200"));
  expect_one_line(failed, {"cuda:0", "the device is lost", "unspecified launch failure"});
  ASSERT_TRUE(fs::exists(folder_ / "run/checkpoints/last.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "run/model.safetensors"));
  const std::int64_t step = checkpoint_step();
  EXPECT_GT(step, 0);
  EXPECT_LT(step, 30);
  const CommandResult resumed =
      run_command(folder_.path(), {"train", "image", "--out", "run", "--resume"}, on_emulated());
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_TRUE(holds(resumed.out, "resuming at step " + std::to_string(step))) << resumed.out;
  expect_same_end();
}

// At several moments: while the first program is made ready, in a step, in an evaluation.
TEST_F(Situation, ALostDeviceKeepsTheLastCheckpointAndTheCpu) {
  bool was_resumed = false;
  for (const int kernel : {2, 40, 120, 200}) {
    SCOPED_TRACE(kernel);
    const CommandResult lost =
        run_command(folder_.path(), small_job("cuda", {"--quiet", "--force"}),
                    on_emulated("device_lost:" + std::to_string(kernel)));
    expect_one_line(lost, {"cuda:0", "the device is lost", "the CPU stays usable"});
    EXPECT_FALSE(fs::exists(folder_ / "run/model.safetensors"));
    if (!fs::exists(folder_ / "run/checkpoints/last.safetensors")) continue;
    was_resumed = true;
    const std::int64_t step = checkpoint_step();
    const std::string kept = content_of(folder_ / "run/checkpoints/last.safetensors");

    // On the CPU, from a copy: other bits, but the same training.
    const TemporaryFolder copy;
    fs::copy(folder_.path(), copy.path(), fs::copy_options::recursive);
    const CommandResult on_cpu = run_command(
        copy.path(), {"train", "image", "--out", "run", "--resume", "--device", "cpu", "--force"},
        on_emulated("no_driver"));
    EXPECT_EQ(on_cpu.status, 0) << on_cpu.err;
    EXPECT_TRUE(holds(on_cpu.out, "resuming at step " + std::to_string(step))) << on_cpu.out;

    EXPECT_TRUE(content_of(folder_ / "run/checkpoints/last.safetensors") == kept);
    const CommandResult resumed =
        run_command(folder_.path(), {"train", "image", "--out", "run", "--resume"}, on_emulated());
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    expect_same_end();
  }
  EXPECT_TRUE(was_resumed);
}

// Every file of a cache replaced by what `damage` makes of its bytes.
void damage_all(const std::string& cache,
                const std::function<std::string(std::string, const std::string&)>& damage) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(cache)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_GT(files.size(), 1u);
  std::vector<std::string> contents;
  for (const fs::path& file : files) contents.push_back(content_of(file));
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::ofstream(files[i], std::ios::binary | std::ios::trunc)
        << damage(contents[i], contents[(i + 1) % files.size()]);
  }
}

TEST_F(Situation, ADamagedOrForeignCacheIsCompiledAgain) {
  const std::vector<
      std::pair<const char*, std::function<std::string(std::string, const std::string&)>>>
      cases = {
          {"empty files", [](const std::string&, const std::string&) { return std::string(); }},
          {"the second half is missing",
           [](const std::string& own, const std::string&) {
             return own.substr(0, own.size() / 2);
           }},
          {"one bit is another",
           [](std::string own, const std::string&) {
             own[own.size() - 100] = static_cast<char>(own[own.size() - 100] ^ 4);
             return own;
           }},
          {"the file of another kernel",
           [](const std::string&, const std::string& other) { return other; }},
          {"something else",
           [](const std::string&, const std::string&) { return std::string(100000, 'x'); }}};
  for (const auto& [name, damage] : cases) {
    SCOPED_TRACE(name);
    const std::string cache = folder_ / "cache";
    fs::remove_all(cache);
    fs::copy(warm_cache(), cache);
    damage_all(cache, damage);
    const CommandResult result =
        run_command(folder_.path(), small_job("cuda", {"--force"}), on_emulated("", cache));
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(result.err.empty()) << result.err;
    expect_same_end();
    // What was damaged has been replaced: now no compiler is needed.
    const CommandResult again = run_command(folder_.path(), small_job("cuda", {"--force"}),
                                            on_emulated("no_compiler", cache));
    EXPECT_EQ(again.status, 0) << again.err;
  }
}

TEST_F(Situation, ACacheThatCannotBeWrittenIsSaidOnce) {
  std::ofstream(folder_ / "file") << "no folder";
  const CommandResult result =
      run_command(folder_.path(), small_job("cuda"), on_emulated("", folder_ / "file/cache"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, "compiled kernels are not kept for the next run")) << result.err;
  EXPECT_TRUE(holds(result.err, "SINTER_CACHE")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  expect_same_end();
}

TEST_F(Situation, TwoProcessesThatCompileTheSameKernels) {
  const std::string cache = folder_ / "cache";
  const TemporaryFolder other;
  RunningCommand first(folder_.path(), small_job("cuda"), on_emulated("", cache));
  RunningCommand second(other.path(), small_job("cuda"), on_emulated("", cache));
  for (RunningCommand* const command : {&first, &second}) {
    const CommandResult result = command->wait();
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(result.err.empty()) << result.err;
  }
  expect_same_end();
  EXPECT_TRUE(content_of(other / "run/model.safetensors") ==
              content_of(folder_ / "run/model.safetensors"));
  // Whole files, each once, and no others.
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(cache)) {
    EXPECT_EQ(entry.path().extension(), ".kernel");
    ++files;
  }
  std::size_t expected = 0;
  for (const auto& entry : fs::directory_iterator(warm_cache())) {
    expected += entry.path().extension() == ".kernel" ? 1 : 0;
  }
  EXPECT_GE(files, 2u);
  EXPECT_LE(files, expected);
}

TEST_F(Situation, CompareRunsBothDevices) {
  Words words = small_job("", {"--devices", "cpu,cuda"});
  words[0] = "compare";
  const auto device = std::find(words.begin(), words.end(), "--device");
  words.erase(device, device + 2);
  const CommandResult result = run_command(folder_.path(), words, on_emulated());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(is_same("model.safetensors", "run/cuda"));
  EXPECT_FALSE(holds(result.out, "not run")) << result.out;
}

}  // namespace
}  // namespace sinter
