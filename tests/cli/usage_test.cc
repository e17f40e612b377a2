// What people get wrong: each time one clear line and the right exit status.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "../base/temporary_folder.h"
#include "io/safetensors.h"
#include "run_command.h"

namespace sinter {
namespace {

struct Mistake {
  std::vector<std::string> words;
  int status;
  std::string says;
};

void expect_mistake(const TemporaryFolder& folder, const Mistake& mistake) {
  std::string text;
  for (const std::string& word : mistake.words) text += word + " ";
  const CommandResult result = run_command(folder.path(), mistake.words);
  EXPECT_EQ(result.status, mistake.status) << text << result.err;
  EXPECT_EQ(result.err.rfind("sinter: error: ", 0), 0u) << text << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << text << result.err;
  EXPECT_NE(result.err.find(mistake.says), std::string::npos) << text << result.err;
}

TEST(Usage, wrong_words_are_named_with_what_was_meant) {
  const TemporaryFolder folder;
  for (const Mistake& mistake : std::vector<Mistake>{
           {{"trian", "image"}, 2, "did you mean 'train'?"},
           {{"train", "imgae"}, 2, "did you mean 'image'?"},
           {{"train"}, 2, "recipe"},
           {{"train", "image", "--epoch", "3"}, 2, "did you mean '--epochs'?"},
           {{"train", "image", "--model", "cn"}, 2, "did you mean 'cnn'?"},
           {{"train", "image", "--epochs", "many"}, 2, "--epochs"},
           {{"train", "image", "--epochs", "0"}, 2, "out of range"},
           {{"train", "image", "--epochs", "99999999999999999999"}, 2, "--epochs"},
           {{"train", "image", "--batch", "-1"}, 2, "out of range"},
           {{"train", "image", "--lr", "nan"}, 2, "--lr"},
           {{"train", "image", "--precision", "f8"}, 2, "bf16"},
           {{"train", "image", "--set", "lrr=1"}, 2, "did you mean 'lr'?"},
           {{"train", "image", "--set", "lr"}, 2, "key=value"},
           {{"train", "image", "--config", "none.toml"}, 2, "none.toml"},
           {{"eval", "here", "--split", "tset"}, 2, "--split"},
           {{"bench", "mpl"}, 2, "did you mean 'mlp'?"},
           {{"train", "image", "--device", "gpu"}, 2, "auto, cpu, cuda or cuda:N"},
           {{"bench", "mlp", "--device", "cuda:x"}, 2, "auto, cpu, cuda or cuda:N"},
           {{"compare", "image"}, 2, "--devices"},
           {{"compare", "image", "--devices", "cpu,gpu"}, 2, "there is no device 'gpu'"},
           {{"compare", "image", "--devices", "cpu", "--price", "cpu"}, 2, "DEVICE=X"},
       }) {
    expect_mistake(folder, mistake);
  }
}

TEST(Usage, what_is_not_there_is_named) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "empty");
  for (const Mistake& mistake : std::vector<Mistake>{
           {{"train", "image", "--data", "nowhere"}, 1, "nowhere: there is no such folder"},
           {{"train", "image", "--data", "empty"}, 1, "train-images-idx3-ubyte"},
           {{"train", "image", "--init", "nowhere"}, 1, "nowhere"},
           {{"train", "image", "--set", "embedded_train=100", "--batch", "128"}, 1, "batch"},
           {{"eval", "empty"}, 1, "not the folder of a run"},
           {{"predict", "empty"}, 1, "not the folder of a run"},
           {{"info", "nowhere"}, 1, "nowhere"},
       }) {
    expect_mistake(folder, mistake);
  }
}

TEST(Usage, damaged_data_and_config_name_the_file) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "data");
  std::ofstream(folder / "data/train-images-idx3-ubyte") << "no idx";
  std::ofstream(folder / "data/train-labels-idx1-ubyte") << "no idx";
  expect_mistake(folder, {{"train", "image", "--data", "data"}, 1, "train-images-idx3-ubyte"});
  std::ofstream(folder / "bad.toml") << "epochs = = 3\n";
  expect_mistake(folder, {{"train", "image", "--config", "bad.toml"}, 2, "bad.toml:1"});
  std::ofstream(folder / "unknown.toml") << "\nepoch = 3\n";
  expect_mistake(folder,
                 {{"train", "image", "--config", "unknown.toml"}, 2, "did you mean 'epochs'?"});
}

TEST(Usage, a_loss_that_is_no_number_is_reported_with_step_and_place) {
  const TemporaryFolder folder;
  expect_mistake(folder, {{"train", "image", "--model", "linear", "--lr", "1e30", "--out", "run",
                           "--quiet", "--set", "embedded_train=1000", "--set", "embedded_test=10"},
                          1,
                          "the loss is not finite"});
  const CommandResult result = run_command(
      folder.path(), {"train", "image", "--model", "linear", "--lr", "1e30", "--out", "run2",
                      "--set", "embedded_train=1000", "--set", "embedded_test=10"});
  EXPECT_NE(result.err.find("error: step "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("the first such value comes from"), std::string::npos) << result.err;
}

TEST(Usage, a_finished_run_is_not_overwritten_unless_asked) {
  const TemporaryFolder folder;
  const std::vector<std::string> job = {
      "train",  "image",           "--out", "run",   "--model",
      "linear", "--steps",         "2",     "--set", "embedded_train=500",
      "--set",  "embedded_test=20"};
  ASSERT_EQ(run_command(folder.path(), job).status, 0);
  const std::string before = content_of(folder / "run/summary.json");
  expect_mistake(folder, {job, 2, "run: there is a run already"});
  EXPECT_EQ(content_of(folder / "run/summary.json"), before);
  std::vector<std::string> forced = job;
  forced.push_back("--force");
  EXPECT_EQ(run_command(folder.path(), forced).status, 0);
}

TEST(Usage, eval_and_predict_read_what_train_wrote) {
  const TemporaryFolder folder;
  ASSERT_EQ(
      run_command(folder.path(), {"train", "image", "--out", "run", "--model", "linear", "--steps",
                                  "2", "--set", "embedded_train=500", "--set", "embedded_test=20"})
          .status,
      0);
  const CommandResult eval = run_command(folder.path(), {"eval", "run"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  const std::string summary = content_of(folder / "run/summary.json");
  const std::string metrics = eval.out.substr(eval.out.find("\"loss\""));
  EXPECT_NE(summary.find(metrics.substr(0, metrics.find('}'))), std::string::npos) << eval.out;

  std::string pixels = "0";
  for (int i = 1; i < 28 * 28; ++i) pixels += ",0";
  const std::string line = "{\"pixels\":[" + pixels + "]}\n";
  const CommandResult predicted =
      run_command(folder.path(), {"predict", "run"}, {.input = line + line, .environment = {}});
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_EQ(std::count(predicted.out.begin(), predicted.out.end(), '\n'), 2);
  EXPECT_NE(predicted.out.find("\"probabilities\":["), std::string::npos);
  const CommandResult wrong = run_command(folder.path(), {"predict", "run", "-"},
                                          {.input = "{\"pixels\":[1,2]}\n", .environment = {}});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.err.find("line 1: "), std::string::npos) << wrong.err;
  // Deeper than any stack.
  const CommandResult deep = run_command(
      folder.path(), {"predict", "run", "-"},
      {.input = "{\"pixels\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}\n",
       .environment = {}});
  EXPECT_EQ(deep.status, 1);
  EXPECT_NE(deep.err.find("line 1: this JSON is nested too deep"), std::string::npos) << deep.err;
}

TEST(Usage, a_config_nested_deeper_than_any_stack_is_an_error) {
  const TemporaryFolder folder;
  std::string key;
  for (int i = 0; i < 300'000; ++i) key += "a.";
  std::ofstream(folder / "deep.toml") << key + "a = 1\n";
  expect_mistake(folder, {{"train", "image", "--config", "deep.toml"}, 2, "deep.toml:1:32: "});
}

// A quantised checkpoint, as others write it.
TEST(Usage, info_lists_tensors_that_cannot_be_read) {
  const TemporaryFolder folder;
  const std::string header =
      R"({"__metadata__":null,"q":{"dtype":"F8_E4M3","shape":[1,2],"data_offsets":[0,2]},)"
      R"("s":{"dtype":"F32","shape":[],"data_offsets":[2,6]}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  std::ofstream(folder / "q.safetensors") << length << header << "xxxxxx";
  const CommandResult info = run_command(folder.path(), {"info", "q.safetensors"});
  EXPECT_EQ(info.status, 0) << info.err;
  EXPECT_NE(info.out.find("F8_E4M3(1, 2)\n"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("f32()\n"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("2 tensors, 3 elements"), std::string::npos) << info.out;
}

TEST(Usage, help_version_and_unknown_switches) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_command(folder.path(), {"--help"}).status, 0);
  EXPECT_EQ(run_command(folder.path(), {"--version"}).out, "sinter 0.1.0\n");
  const CommandResult info =
      run_command(folder.path(), {"info"}, {.input = {}, .environment = {"SINTER_DEBUGG=1"}});
  EXPECT_EQ(info.status, 0);
  EXPECT_NE(info.err.find("SINTER_DEBUGG"), std::string::npos) << info.err;
}

// The disk behind standard output is full.
TEST(Output, that_cannot_be_written_is_an_error) {
  const TemporaryFolder folder;
  for (const char* arguments : {"--help", "info", "train image --plan"}) {
    const std::string command = std::string("cd ") + folder.path() + " && " + SINTER_COMMAND + " " +
                                arguments + " > /dev/full 2> err";
    const int status = std::system(command.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 1) << arguments;
    EXPECT_NE(content_of(folder / "err").find("standard output: cannot be written"),
              std::string::npos)
        << arguments << ": " << content_of(folder / "err");
  }
}

TEST(Folder, below_a_file_is_one_clear_line) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "text";
  const CommandResult result =
      run_command(folder.path(), {"train", "image", "--steps", "1", "--out", "file/run"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err.rfind("sinter: error: file/run", 0), 0u) << result.err;
  EXPECT_NE(result.err.find("cannot be created"), std::string::npos) << result.err;
}

TEST(Compare, refuses_a_device_given_twice_and_a_price_of_none) {
  const TemporaryFolder folder;
  const CommandResult twice =
      run_command(folder.path(), {"compare", "image", "--devices", "cpu,cpu"});
  EXPECT_EQ(twice.status, 2);
  EXPECT_NE(twice.err.find("given twice"), std::string::npos) << twice.err;
  const CommandResult price =
      run_command(folder.path(), {"compare", "image", "--devices", "cpu", "--price", "gpu=1"});
  EXPECT_EQ(price.status, 2);
  EXPECT_NE(price.err.find("'gpu'"), std::string::npos) << price.err;
}

}  // namespace
}  // namespace sinter
