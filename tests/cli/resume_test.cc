// Runs that are killed end with the same bytes as runs that are not.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "../base/temporary_folder.h"
#include "run_command.h"
#include "sinter/io.h"

namespace sinter {
namespace {

// 3 epochs of 20 steps, a checkpoint every 7. One thread, so that tests that run beside each other
// do not wait for each other's.
std::vector<std::string> short_job(const std::string& out) {
  std::vector<std::string> words = {"train",    "image", "--out",     out,
                                    "--epochs", "3",     "--threads", "1"};
  for (const char* pair :
       {"batch=16", "embedded_train=350", "embedded_test=50", "checkpoint_steps=7"}) {
    words.insert(words.end(), {"--set", pair});
  }
  return words;
}
constexpr std::int64_t kSteps = 3 * 20;

std::vector<std::string> with(std::vector<std::string> words, const std::string& more) {
  words.push_back(more);
  return words;
}

void wait_for_lines(RunningCommand& command, const std::string& path, std::size_t lines) {
  while (command.is_running() && lines_of(path) < lines) usleep(1000);
}

std::int64_t number_in(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\":");
  return at == std::string::npos ? -1 : std::atoll(json.c_str() + at + key.size() + 3);
}

std::int64_t checkpoint_step(const std::string& run) {
  return std::atoll(io::read_texts(run + "/checkpoints/last.safetensors").at("step").c_str());
}

void expect_same_end(const TemporaryFolder& folder, const std::string& run) {
  for (const char* name : {"model.safetensors", "metrics.jsonl", "config.toml"}) {
    EXPECT_EQ(content_of(folder / (run + "/" + name)),
              content_of(folder / (std::string("whole/") + name)))
        << name;
  }
  EXPECT_FALSE(content_of(folder / (run + "/model.safetensors")).empty());
}

// The 16-bit copies of weights are no part of a checkpoint, the loss scale is.
TEST(Resume, runs_in_16_bits_go_on_as_others_do) {
  for (const char* precision : {"bf16", "f16"}) {
    SCOPED_TRACE(precision);
    const TemporaryFolder folder;
    const auto job = [&](const std::string& out) {
      return with(with(short_job(out), "--precision"), precision);
    };
    ASSERT_EQ(run_command(folder.path(), job("whole")).status, 0);
    {
      RunningCommand command(folder.path(), job("killed"), {});
      wait_for_lines(command, folder / "killed/timing.jsonl", 3);
      command.send(SIGKILL);
      command.wait();
    }
    const CommandResult resumed = run_command(folder.path(), with(job("killed"), "--resume"));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    expect_same_end(folder, "killed");
    const std::string summary = content_of(folder / "killed/summary.json");
    EXPECT_NE(summary.find(precision), std::string::npos) << summary;
    const CommandResult other = run_command(
        folder.path(), with(with(with(short_job("killed"), "--resume"), "--precision"), "f32"));
    EXPECT_EQ(other.status, 2) << other.out;
  }
}

TEST(Resume, a_run_killed_at_any_moment_ends_with_the_bytes_of_one_that_was_not) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), short_job("whole")).status, 0);
  std::mt19937 random(7);
  int killed = 0;
  for (int i = 0; i < 4; ++i) {
    const std::string run = "killed" + std::to_string(i);
    {
      RunningCommand command(folder.path(), short_job(run), {});
      wait_for_lines(command, folder / (run + "/timing.jsonl"), 2 + random() % 6);
      usleep(static_cast<useconds_t>(random() % 50000));
      command.send(SIGKILL);
      if (command.wait().status == 128 + SIGKILL) ++killed;
    }
    const std::int64_t step = checkpoint_step(folder / run);
    const CommandResult resumed = run_command(folder.path(), with(short_job(run), "--resume"));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_NE(resumed.out.find("resuming at step " + std::to_string(step)), std::string::npos)
        << resumed.out;
    const std::string summary = content_of(folder / (run + "/summary.json"));
    EXPECT_EQ(number_in(summary, "resumed_from_step"), step);
    EXPECT_EQ(number_in(summary, "steps_run"), kSteps - step);
    expect_same_end(folder, run);
  }
  EXPECT_GE(killed, 1);
}

TEST(Resume, interrupting_saves_a_checkpoint_and_gives_130) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), short_job("whole")).status, 0);
  RunningCommand command(folder.path(), short_job("stopped"), {});
  wait_for_lines(command, folder / "stopped/timing.jsonl", 2);
  command.send(SIGINT);
  const CommandResult stopped = command.wait();
  EXPECT_EQ(stopped.status, 130) << stopped.err;
  EXPECT_NE(stopped.err.find("interrupted at step"), std::string::npos) << stopped.err;
  ASSERT_EQ(run_command(folder.path(), {"train", "image", "--out", "stopped", "--resume"}).status,
            0);
  expect_same_end(folder, "stopped");
}

TEST(Resume, a_run_without_a_checkpoint_starts_afresh_and_says_so) {
  const TemporaryFolder folder;
  std::vector<std::string> words = with(short_job("new"), "--resume");
  words.insert(words.end(), {"--steps", "2"});
  const CommandResult typo = run_command(folder.path(), words);
  EXPECT_EQ(typo.status, 2) << typo.out;
  EXPECT_NE(typo.err.find("--resume: there is no run new"), std::string::npos) << typo.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "new"));
  std::filesystem::create_directory(folder / "new");  // as a run leaves it that was killed at once
  const CommandResult result = run_command(folder.path(), words);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("starting afresh"), std::string::npos) << result.out;
}

TEST(Resume, other_settings_or_another_environment_are_refused) {
  const TemporaryFolder folder;
  std::vector<std::string> words = short_job("run");
  words.insert(words.end(), {"--steps", "20"});
  ASSERT_EQ(run_command(folder.path(), words).status, 0);
  const CommandResult settings =
      run_command(folder.path(), {"train", "image", "--out", "run", "--resume", "--lr", "0.5"});
  EXPECT_EQ(settings.status, 2);
  EXPECT_NE(settings.err.find("'lr' is not what the run began with"), std::string::npos)
      << settings.err;
  const std::vector<std::string> resume = {"train", "image", "--out", "run", "--resume"};
  const CommandResult environment =
      run_command(folder.path(), resume, {.input = {}, .environment = {"SINTER_ISA=interpreter"}});
  EXPECT_EQ(environment.status, 1);
  EXPECT_NE(environment.err.find("interpreter"), std::string::npos) << environment.err;
  EXPECT_EQ(run_command(folder.path(), with(resume, "--force"),
                        {.input = {}, .environment = {"SINTER_ISA=interpreter"}})
                .status,
            0);
}

TEST(Resume, a_full_disk_is_one_clear_line_and_leaves_the_last_checkpoint) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), short_job("whole")).status, 0);
  RunningCommand command(folder.path(), short_job("run"), {});
  wait_for_lines(command, folder / "run/timing.jsonl", 2);
  command.send(SIGKILL);
  command.wait();
  const std::string before = content_of(folder / "run/checkpoints/last.safetensors");
  ASSERT_FALSE(before.empty());
  const std::vector<std::string> resume = with(short_job("run"), "--resume");
  const CommandResult full = run_command(
      folder.path(), resume, {.input = {}, .most_file_bytes = 1 << 20, .environment = {}});
  EXPECT_EQ(full.status, 1);
  EXPECT_EQ(full.err.rfind("sinter: error: ", 0), 0u) << full.err;
  EXPECT_EQ(std::count(full.err.begin(), full.err.end(), '\n'), 1) << full.err;
  EXPECT_NE(full.err.find(".safetensors: cannot be written"), std::string::npos) << full.err;
  EXPECT_EQ(content_of(folder / "run/checkpoints/last.safetensors"), before);
  ASSERT_EQ(run_command(folder.path(), resume).status, 0);
  expect_same_end(folder, "run");
}

TEST(Resume, two_processes_cannot_work_in_one_folder) {
  const TemporaryFolder folder;
  std::vector<std::string> words = short_job("run");
  *std::find(words.begin(), words.end(), "3") = "2000";  // epochs
  RunningCommand first(folder.path(), words, {});
  wait_for_lines(first, folder / "run/timing.jsonl", 1);
  for (const std::string option : {"--force", "--resume"}) {
    const CommandResult second = run_command(folder.path(), with(words, option));
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.err.find("run: another process is at work in this folder"), std::string::npos)
        << option << ": " << second.err;
  }
  first.send(SIGKILL);
  first.wait();
  // Killed, it holds the folder no more.
  EXPECT_EQ(run_command(folder.path(), with(short_job("run"), "--force")).status, 0);
}

}  // namespace
}  // namespace sinter
