#include <gtest/gtest.h>

#include "../base/temporary_folder.h"
#include "base/file.h"
#include "error_message.h"
#include "io/safetensors.h"
#include "sinter/io.h"
#include "sinter/ops.h"

namespace sinter::io {
namespace {

struct Model {
  State kernel{tensor(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, {2, 1, 2, 2})};
  State mean{tensor(std::vector<float>{0.5F}, {1})};
  State position{tensor(std::vector<std::int64_t>{9, 100}, {2})};

  std::vector<NamedState> states() const {
    return {{.name = "conv.weight",
             .state = kernel,
             .layout = FileLayout::channels_last(kernel.shape())},
            {.name = "norm.running_mean", .state = mean, .role = StateRole::statistic},
            {.name = "dropout.generator", .state = position, .role = StateRole::progress}};
  }
  void clear() const {
    kernel.assign(tensor(std::vector<float>(8), {2, 1, 2, 2}));
    mean.assign(tensor(std::vector<float>(1), {1}));
    position.assign(tensor(std::vector<std::int64_t>(2), {2}));
  }
};

TEST(Weights, files_hold_channels_first_and_no_positions) {
  const TemporaryFolder folder;
  const Model model;
  save_weights(folder / "w.safetensors", model.states(), {{"sinter", "{}"}});
  const SafetensorsFile file(folder / "w.safetensors");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"conv.weight", "norm.running_mean"}));
  const TensorView view = file.get("conv.weight");
  EXPECT_EQ(view.shape, (Shape{2, 2, 1, 2}));
  const auto* values = reinterpret_cast<const float*>(view.data);
  EXPECT_EQ(std::vector<float>(values, values + 8), (std::vector<float>{1, 3, 2, 4, 5, 7, 6, 8}));
  EXPECT_EQ(read_texts(folder / "w.safetensors").at("sinter"), "{}");
}

TEST(Weights, come_back_as_they_were_and_leave_positions_alone) {
  const TemporaryFolder folder;
  const Model model;
  save_weights(folder / "w.safetensors", model.states());
  model.clear();
  load_weights(folder / "w.safetensors", model.states());
  EXPECT_EQ(model.kernel.value().to_vector<float>(), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(model.mean.value().item<float>(), 0.5F);
  EXPECT_EQ(model.position.value().to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 0}));
}

TEST(Weights, a_file_of_another_model_is_refused_and_nothing_changes) {
  const TemporaryFolder folder;
  const Model model;
  const std::string path = folder / "w.safetensors";
  save_weights(path, model.states());
  model.clear();

  std::vector<NamedState> more = model.states();
  more.push_back({.name = "fc.bias", .state = State(scalar(0))});
  EXPECT_NE(message_of([&] { load_weights(path, more); }).find("'fc.bias'"), std::string::npos);

  const std::vector<NamedState> fewer = {model.states()[0]};
  EXPECT_NE(message_of([&] { load_weights(path, fewer); }).find("norm.running_mean"),
            std::string::npos);

  std::vector<NamedState> other = model.states();
  other[1].state = State(tensor(std::vector<float>(2), {2}));
  EXPECT_NE(message_of([&] { load_weights(path, other); }).find("does not fit"), std::string::npos);

  EXPECT_EQ(model.kernel.value().to_vector<float>(), std::vector<float>(8));
}

TEST(Checkpoint, holds_every_state_and_the_texts) {
  const TemporaryFolder folder;
  const Model model;
  const std::string path = folder / "c.safetensors";
  save_checkpoint(path, model.states(), {{"step", "12"}});
  model.clear();
  EXPECT_EQ(load_checkpoint(path, model.states()).at("step"), "12");
  EXPECT_EQ(model.kernel.value().to_vector<float>(), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(model.position.value().to_vector<std::int64_t>(), (std::vector<std::int64_t>{9, 100}));
}

// Files of before a State was introduced.
TEST(Checkpoint, a_state_that_may_be_missing_becomes_zero) {
  const TemporaryFolder folder;
  const Model model;
  const std::string path = folder / "c.safetensors";
  save_checkpoint(path, model.states(), {});
  std::vector<NamedState> states = model.states();
  const State counts(tensor(std::vector<std::int64_t>{3, 4}, {2}), "counts");
  states.push_back({.name = "counts", .state = counts, .role = StateRole::progress});
  EXPECT_NE(message_of([&] { load_checkpoint(path, states); }).find("missing"), std::string::npos);
  EXPECT_EQ(counts.value().to_vector<std::int64_t>(), (std::vector<std::int64_t>{3, 4}));
  states.back().may_be_missing = true;
  model.clear();
  load_checkpoint(path, states);
  EXPECT_EQ(counts.value().to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(model.kernel.value().to_vector<float>(), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  counts.assign(tensor(std::vector<std::int64_t>{5, 6}, {2}));
  save_checkpoint(path, states, {});
  counts.assign(zeros({2}, Dtype::i64));
  load_checkpoint(path, states);
  EXPECT_EQ(counts.value().to_vector<std::int64_t>(), (std::vector<std::int64_t>{5, 6}));
  EXPECT_NE(message_of([&] { load_checkpoint(path, model.states()); }).find("does not have"),
            std::string::npos);
}

TEST(Checkpoint, the_same_values_give_the_same_bytes) {
  const TemporaryFolder folder;
  const Model model;
  save_checkpoint(folder / "a", model.states(), {{"step", "12"}});
  save_checkpoint(folder / "b", model.states(), {{"step", "12"}});
  EXPECT_EQ(read_file(folder / "a", 1 << 20), read_file(folder / "b", 1 << 20));
}

// One bit of any tensor; a file without a checksum, of an older version, is taken as it is.
TEST(Checkpoint, a_bit_that_has_changed_is_noticed_and_nothing_changes) {
  const TemporaryFolder folder;
  const Model model;
  const std::string path = folder / "c.safetensors";
  save_checkpoint(path, model.states(), {{"step", "12"}});
  const std::string good = read_file(path, 1 << 20);
  constexpr std::size_t kDataBytes = 8 * 4 + 4 + 2 * 8;
  model.clear();
  for (std::size_t at = good.size() - kDataBytes; at < good.size(); at += 3) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_file(path, damaged);
    EXPECT_NE(message_of([&] { load_checkpoint(path, model.states()); }).find("is damaged"),
              std::string::npos)
        << at;
    EXPECT_EQ(model.kernel.value().to_vector<float>(), std::vector<float>(8));
  }
  write_file(path, good);
  const Texts texts = load_checkpoint(path, model.states());
  EXPECT_EQ(texts, (Texts{{"step", "12"}}));
  std::string old = good;
  old.replace(old.find("\"crc32\""), 7, "\"crc00\"");
  old[good.size() - 1] = static_cast<char>(old[good.size() - 1] ^ 1);
  write_file(path, old);
  EXPECT_EQ(load_checkpoint(path, model.states()).at("step"), "12");
}

}  // namespace
}  // namespace sinter::io
