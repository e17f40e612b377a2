// examples/own_recipe.cc as a user has it: what a recipe of 60 lines gets from the library.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "../base/temporary_folder.h"
#include "run_command.h"

namespace sinter {
namespace {

using Words = std::vector<std::string>;

RunningCommand::Options own(const std::string& input = "") {
  RunningCommand::Options options;
  options.program = SINTER_OWN_RECIPE;
  options.input = input;
  return options;
}

Words job(const std::string& out, const Words& more = {}) {
  Words words = {"train", "rings", "--out", out, "--threads", "1", "--set", "checkpoint_steps=20"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(OwnRecipe, trains_resumes_to_the_same_bytes_and_predicts) {
  const TemporaryFolder folder;
  const CommandResult whole = run_command(folder.path(), job("whole"), own());
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_NE(whole.out.find("accuracy 0.9"), std::string::npos) << whole.out;

  RunningCommand killed(folder.path(), job("killed"), own());
  const std::string checkpoint = folder / "killed/checkpoints/last.safetensors";
  while (killed.is_running() && content_of(checkpoint).empty()) usleep(1000);
  killed.send(SIGKILL);
  killed.wait();
  const CommandResult resumed = run_command(folder.path(), job("killed", {"--resume"}), own());
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  for (const char* name : {"/model.safetensors", "/metrics.jsonl", "/config.toml"}) {
    EXPECT_EQ(content_of((folder / "killed") + name), content_of((folder / "whole") + name))
        << name;
  }
  EXPECT_NE(content_of(folder / "whole/summary.json").find("\"objective\":{\"name\":\"accuracy\""),
            std::string::npos);

  const CommandResult predicted = run_command(
      folder.path(), {"predict", "whole"}, own("{\"points\": [0.0, 0.7]}\n{\"points\": [0, 0]}\n"));
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_EQ(predicted.out.rfind("{\"index\":0,\"logits\":[", 0), 0u) << predicted.out;
  EXPECT_NE(predicted.out.find("\"probabilities\":[0.0"), std::string::npos) << predicted.out;
  const CommandResult eval = run_command(folder.path(), {"eval", "whole/model.safetensors"}, own());
  EXPECT_EQ(eval.status, 0) << eval.err;
}

TEST(OwnRecipe, has_help_plan_and_errors) {
  const TemporaryFolder folder;
  const CommandResult help = run_command(folder.path(), {"train", "rings", "--help"}, own());
  EXPECT_NE(help.out.find("width=N"), std::string::npos) << help.out;
  EXPECT_NE(help.out.find("hidden neurons [64]"), std::string::npos) << help.out;
  const CommandResult plan = run_command(folder.path(), job("x", {"--plan"}), own());
  EXPECT_NE(plan.out.find("fits"), std::string::npos) << plan.out << plan.err;
  EXPECT_EQ(run_command(folder.path(), {"train", "image"}, own()).status, 2);
  ASSERT_EQ(run_command(folder.path(), job("run", {"--steps", "5"}), own()).status, 0);
  for (const char* line : {"[1,2]", "{\"points\": [1]}", "{\"points\": [1, \"x\"]}", "{"}) {
    const CommandResult bad = run_command(folder.path(), {"predict", "run"}, own(line));
    EXPECT_EQ(bad.status, 1) << line;
    EXPECT_EQ(bad.err.rfind("sinter: error: line 1: ", 0), 0u) << bad.err;
  }
}

}  // namespace
}  // namespace sinter
