#include "sinter/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "../base/temporary_folder.h"
#include "sinter/error.h"
#include "train/append_log.h"
#include "train/progress.h"
#include "train/quote.h"
#include "train/suggest.h"

namespace sinter::train {
namespace {

Config sample() {
  Config config;
  config.add({.key = "epochs",
              .value = std::int64_t{5},
              .text = "passes",
              .range = Setting::Range{1, 100},
              .choices = {}});
  config.add(
      {.key = "lr", .value = 0.1, .text = {}, .range = Setting::Range{0, 10}, .choices = {}});
  config.add({.key = "model",
              .value = std::string("cnn"),
              .text = {},
              .range = {},
              .choices = {"cnn", "mlp"}});
  config.add({.key = "data", .value = std::string(), .text = {}, .range = {}, .choices = {}});
  config.add({.key = "fast", .value = false, .text = {}, .range = {}, .choices = {}});
  config.add({.key = "threads",
              .value = std::int64_t{0},
              .text = {},
              .range = {},
              .choices = {},
              .determines_result = false});
  return config;
}

std::string refusal(const std::string& key, const std::string& text) {
  Config config = sample();
  try {
    config.set(key, text, "--here");
  } catch (const Error& error) {
    EXPECT_EQ(config.first_difference(sample()), "");
    return error.what();
  }
  return "accepted";
}

TEST(Config, takes_values_of_its_types_only) {
  Config config = sample();
  config.set("epochs", "7", "--epochs");
  config.set("lr", "1e-3", "--lr");
  config.set_pair("model=mlp");
  config.set_pair("data=a=b");
  config.set("fast", "true", "--fast");
  EXPECT_EQ(config.integer("epochs"), 7);
  EXPECT_EQ(config.real("lr"), 1e-3);
  EXPECT_EQ(config.text("model"), "mlp");
  EXPECT_EQ(config.text("data"), "a=b");
  EXPECT_TRUE(config.flag("fast"));
}

TEST(Config, refuses_what_makes_no_sense_and_names_the_place) {
  for (const auto& [key, text, says] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"epochs", "7.5", "whole number"},
           {"epochs", "", "whole number"},
           {"epochs", " 7", "whole number"},
           {"epochs", "0", "out of range"},
           {"epochs", "101", "out of range"},
           {"epochs", "9223372036854775808", "whole number"},
           {"lr", "inf", "number"},
           {"lr", "nan", "number"},
           {"lr", "-0.1", "out of range"},
           {"lr", "0.1x", "number"},
           {"fast", "yes", "true or false"},
           {"model", "cmn", "did you mean 'cnn'?"},
           {"epoch", "3", "did you mean 'epochs'?"},
           {"zzzzzz", "3", "one of epochs"}}) {
    const std::string message = refusal(key, text);
    EXPECT_EQ(message.rfind("--here: ", 0), 0u) << message;
    EXPECT_NE(message.find(says), std::string::npos) << message;
  }
  EXPECT_THROW(sample().set_pair("epochs"), Error);
  EXPECT_THROW(sample().set_pair("=3"), Error);
}

TEST(Config, what_is_written_reads_back_the_same) {
  const TemporaryFolder folder;
  Config config = sample();
  config.set("lr", "3", "");  // a real number that looks like an integer
  config.set("data", "a \"quoted\"\\path\n", "");
  config.set("epochs", "42", "");
  std::ofstream(folder / "c.toml") << config.to_toml() << "\n[environment]\nisa = \"avx512\"\n";
  Config read = sample();
  read.read(folder / "c.toml");
  EXPECT_EQ(read.first_difference(config), "");
  EXPECT_EQ(read.to_toml(), config.to_toml());
  EXPECT_EQ(Config::read_text(folder / "c.toml", "model"), "cnn");
  EXPECT_EQ(Config::read_text(folder / "c.toml", "none"), "");
}

TEST(Config, knows_its_defaults_and_reads_a_text) {
  Config config = sample();
  config.set_default("epochs", std::int64_t{9});
  config.set("lr", "3", "--lr");
  EXPECT_EQ(config.defaults().integer("epochs"), 9);
  EXPECT_EQ(config.defaults().real("lr"), 0.1);
  EXPECT_EQ(config.real("lr"), 3);
  config.read_toml("epochs = 4\nmodel = \"mlp\"\n", "here");
  EXPECT_EQ(config.integer("epochs"), 4);
  EXPECT_EQ(config.text("model"), "mlp");
  EXPECT_TRUE(config.has("model"));
  EXPECT_FALSE(config.has("modell"));
  EXPECT_THROW(config.read_toml("epochs = 4000\n", "here"), Error);
}

TEST(Config, a_difference_is_named_unless_it_does_not_matter) {
  Config config = sample();
  config.set("threads", "2", "");
  EXPECT_EQ(config.first_difference(sample()), "");
  config.set("lr", "0.2", "");
  EXPECT_EQ(config.first_difference(sample()), "lr");
}

TEST(Suggestion, is_near_or_none) {
  EXPECT_EQ(suggestion("imgae", {"image", "speech"}), "did you mean 'image'?");
  EXPECT_EQ(suggestion("banana", {"image", "speech"}), "");
  EXPECT_EQ(suggestion("", {"image"}), "");
}

TEST(AppendLog, cuts_off_what_lies_behind_and_goes_on) {
  const TemporaryFolder folder;
  std::ofstream(folder / "log") << "one\ntwo\nhal";
  {
    AppendLog log;
    log.open(folder / "log", 4);
    log.append("three\n");
    EXPECT_EQ(log.bytes(), 10);
  }
  std::ifstream file(folder / "log");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "one\nthree\n");
}

TEST(AppendLog, a_file_that_lost_lines_is_an_error) {
  const TemporaryFolder folder;
  std::ofstream(folder / "log") << "one\n";
  AppendLog log;
  EXPECT_THROW(log.open(folder / "log", 5), Error);
  AppendLog nowhere;
  EXPECT_THROW(nowhere.open(folder / "none/log", 0), Error);
}

TEST(AppendLog, a_full_disk_is_an_error_that_names_the_file) {
  AppendLog log;
  try {
    log.open_at_end("/dev/full");
    log.append("x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/dev/full"), std::string::npos) << error.what();
  }
}

TEST(Progress, comes_back_bit_for_bit) {
  Progress progress{.step = 123, .epochs = 4, .position = {4, 17}, .metrics_bytes = 999};
  progress.loss_sum = 0.1 + 0.2;
  progress.loss_weight = 0.7;
  progress.loss_count = 3;
  progress.accumulated = 2;
  progress.best = 1.0 / 3;
  const Progress read = progress_from_texts("here", to_texts(progress));
  EXPECT_EQ(read.step, 123);
  EXPECT_EQ(read.position, progress.position);
  EXPECT_EQ(read.loss_sum, 0.1 + 0.2);
  EXPECT_EQ(read.loss_weight, 0.7);
  EXPECT_EQ(read.accumulated, 2);
  EXPECT_EQ(read.best, 1.0 / 3);
  progress.best.reset();
  EXPECT_FALSE(progress_from_texts("here", to_texts(progress)).best);
}

TEST(Progress, of_before_there_were_weights_counts_every_batch_as_one) {
  Progress progress;
  progress.loss_sum = 6;
  progress.loss_count = 3;
  io::Texts texts = to_texts(progress);
  texts.erase("loss_weight");
  texts.erase("accumulated");
  EXPECT_EQ(progress_from_texts("here", texts).loss_weight, 3);
  EXPECT_EQ(progress_from_texts("here", texts).accumulated, 0);
}

TEST(Progress, a_missing_or_damaged_entry_is_named) {
  for (const char* text : {"", "x", "-1", "3 ", "99999999999999999999"}) {
    io::Texts texts = to_texts({});
    texts["step"] = text;
    EXPECT_THROW(progress_from_texts("here", texts), Error) << text;
  }
  io::Texts texts = to_texts({});
  texts.erase("loss_sum");
  EXPECT_THROW(progress_from_texts("here", texts), Error);
}

}  // namespace
}  // namespace sinter::train
