// Runs that begin with given weights, runs that keep some of them, and a run that checks itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "../base/temporary_folder.h"
#include "io/safetensors.h"
#include "run_command.h"

namespace sinter {
namespace {

using Bytes = std::string;

// A few steps of a small job, and more words.
std::vector<std::string> job(const std::string& out, const std::string& model, int steps,
                             const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {
      "train", "image",     "--out", out,       "--model",
      model,   "--threads", "1",     "--steps", std::to_string(steps)};
  for (const char* pair :
       {"batch=16", "embedded_train=300", "embedded_test=20", "checkpoint_steps=2"}) {
    words.insert(words.end(), {"--set", pair});
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Bytes bytes_of(const std::string& path, const std::string& name) {
  const io::SafetensorsFile file(path);
  const io::TensorView view = file.get(name);
  return {reinterpret_cast<const char*>(view.data), view.bytes};
}

// A tensor that the test owns.
struct Owned {
  std::string name;
  Dtype dtype;
  Shape shape;
  Bytes bytes;
};

// Copies a file of weights with a change.
void write_changed(const std::string& from, const std::string& to,
                   const std::function<void(std::vector<Owned>&)>& change) {
  const io::SafetensorsFile file(from);
  std::vector<Owned> tensors;
  for (const std::string& name : file.names()) {
    const io::TensorView view = file.get(name);
    tensors.push_back({name, view.dtype, view.shape, bytes_of(from, name)});
  }
  change(tensors);
  std::vector<io::NamedTensor> written;
  for (const Owned& tensor : tensors) {
    written.push_back({.name = tensor.name,
                       .view = {.dtype = tensor.dtype,
                                .shape = tensor.shape,
                                .data = reinterpret_cast<const std::byte*>(tensor.bytes.data()),
                                .bytes = tensor.bytes.size()}});
  }
  io::write_safetensors(to, written);
}

void expect_refused(const TemporaryFolder& folder, const std::vector<std::string>& words,
                    int status, const std::vector<std::string>& parts) {
  const CommandResult result = run_command(folder.path(), words);
  EXPECT_EQ(result.status, status) << result.err;
  EXPECT_EQ(result.err.rfind("sinter: error: ", 0), 0u) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  for (const std::string& part : parts) {
    EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result.err;
  }
}

// With a learning rate of 0 nothing changes, decay of weights included.
const std::vector<std::string> kStandStill = {"--lr", "0"};

TEST(Weights, a_run_begins_with_the_weights_of_another_run_or_of_a_file) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), job("first", "linear", 4)).status, 0);
  const std::string weights = folder / "first/model.safetensors";
  for (const std::string& init : {std::string("first"), std::string("first/model.safetensors")}) {
    std::vector<std::string> words = job("then", "linear", 1, kStandStill);
    words.insert(words.end(), {"--seed", "5", "--force", "--init", init});
    const CommandResult result = run_command(folder.path(), words);
    ASSERT_EQ(result.status, 0) << result.err;
    for (const char* name : {"fc.weight", "fc.bias"}) {
      EXPECT_EQ(bytes_of(folder / "then/model.safetensors", name), bytes_of(weights, name)) << name;
    }
  }
  std::vector<std::string> without = job("without", "linear", 1, kStandStill);
  without.insert(without.end(), {"--seed", "5"});
  ASSERT_EQ(run_command(folder.path(), without).status, 0);
  EXPECT_NE(bytes_of(folder / "without/model.safetensors", "fc.weight"),
            bytes_of(weights, "fc.weight"));
}

TEST(Weights, a_file_that_does_not_fit_the_model_is_refused_by_the_name_of_the_tensor) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), job("first", "linear", 1)).status, 0);
  const std::string good = folder / "first/model.safetensors";
  const auto refuse = [&](const std::function<void(std::vector<Owned>&)>& change,
                          std::vector<std::string> parts) {
    write_changed(good, folder / "changed.safetensors", change);
    parts.push_back("changed.safetensors: ");
    expect_refused(folder, job("then", "linear", 1, {"--init", "changed.safetensors"}), 1, parts);
    EXPECT_FALSE(std::filesystem::exists(folder / "then"));
  };
  refuse(
      [](std::vector<Owned>& tensors) {
        std::erase_if(tensors, [](const Owned& tensor) { return tensor.name == "fc.bias"; });
      },
      {"a tensor is missing", "'fc.bias'"});
  refuse(
      [](std::vector<Owned>& tensors) {
        tensors.push_back({"head.bias", Dtype::f32, Shape{1}, Bytes(4, '\0')});
      },
      {"a tensor that the model does not have", "'head.bias'"});
  refuse(
      [](std::vector<Owned>& tensors) {
        for (Owned& tensor : tensors) {
          if (tensor.name == "fc.weight") tensor.shape = Shape{784, tensor.shape[0]};
        }
      },
      {"'fc.weight' does not fit the model", "expected f32(", ", 784)"});
  refuse(
      [](std::vector<Owned>& tensors) {
        for (Owned& tensor : tensors) {
          if (tensor.name == "fc.bias") tensor.dtype = Dtype::i32;
        }
      },
      {"'fc.bias' does not fit the model", "i32"});
  // The weights of another model, and a run that has none yet.
  ASSERT_EQ(run_command(folder.path(), job("mlp", "mlp", 1)).status, 0);
  expect_refused(folder, job("then", "linear", 1, {"--init", "mlp"}), 1,
                 {"mlp/model.safetensors: a tensor is missing", "'fc.weight'"});
  std::filesystem::remove(folder / "first/model.safetensors");
  expect_refused(folder, job("then", "linear", 1, {"--init", "first"}), 2,
                 {"first: the run is not finished"});
}

TEST(Weights, frozen_weights_keep_their_bits_and_are_counted) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), job("first", "mlp", 1)).status, 0);
  const CommandResult result = run_command(
      folder.path(), job("then", "mlp", 6, {"--init", "first", "--freeze", "fc[12].*"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const io::SafetensorsFile before(folder / "first/model.safetensors");
  std::int64_t frozen = 0;
  int tensors = 0;
  for (const std::string& name : before.names()) {
    const bool same =
        bytes_of(before.path(), name) == bytes_of(folder / "then/model.safetensors", name);
    const bool is_frozen = name.rfind("fc1.", 0) == 0 || name.rfind("fc2.", 0) == 0;
    if (is_frozen) {
      frozen += before.get(name).shape.elements();
      ++tensors;
    }
    EXPECT_EQ(same, is_frozen) << name;
  }
  EXPECT_GT(tensors, 0);
  EXPECT_NE(result.out.find(std::to_string(frozen) + " of them frozen (" + std::to_string(tensors) +
                            " tensors)"),
            std::string::npos)
      << result.out;
}

TEST(Weights, patterns_that_freeze_nothing_or_everything_are_refused) {
  const TemporaryFolder folder;
  expect_refused(folder, job("run", "linear", 1, {"--freeze", "conv*"}), 1,
                 {"--freeze: no parameter of the model matches the pattern", "'conv*'",
                  "fc.weight or fc.bias"});
  expect_refused(folder, job("run", "linear", 1, {"--freeze", "*"}), 1,
                 {"--freeze: nothing would be left to train", "'*'"});
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(Weights, a_run_goes_on_with_the_weights_frozen_that_it_began_with) {
  const TemporaryFolder folder;
  const std::vector<std::string> frozen = {"--freeze", "fc1.*"};
  ASSERT_EQ(run_command(folder.path(), job("run", "mlp", 4, frozen)).status, 0);
  expect_refused(folder, job("run", "mlp", 4, {"--freeze", "fc2.*", "--resume"}), 2,
                 {"--resume: 'freeze' is not what the run began with", "fc1.*", "fc2.*"});
  expect_refused(folder, job("run", "mlp", 4, {"--freeze", "", "--resume"}), 2,
                 {"--resume: 'freeze' is not what the run began with"});
  const std::string model = content_of(folder / "run/model.safetensors");
  for (const std::vector<std::string>& words :
       {job("run", "mlp", 4, {"--resume"}),
        job("run", "mlp", 4, {"--freeze", "fc1.*", "--resume"})}) {
    const CommandResult resumed = run_command(folder.path(), words);
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(content_of(folder / "run/model.safetensors"), model);
  }
}

// SINTER_CHECK=2 compares every step with the same function called op by op.
TEST(Weights, a_run_that_checks_every_step_gives_the_same_bytes) {
  const TemporaryFolder folder;
  for (const std::string& model : {std::string("cnn"), std::string("mlp")}) {
    ASSERT_EQ(run_command(folder.path(), job(model, model, 5)).status, 0);
    const CommandResult checked = run_command(folder.path(), job(model + "-checked", model, 5),
                                              {.input = {}, .environment = {"SINTER_CHECK=2"}});
    ASSERT_EQ(checked.status, 0) << checked.err;
    for (const char* name : {"/model.safetensors", "/metrics.jsonl"}) {
      EXPECT_EQ(content_of(folder / (model + "-checked" + name)),
                content_of(folder / (model + name)));
    }
  }
}

}  // namespace
}  // namespace sinter
