// Trained networks that answer: from files, from many threads, on memory of the caller's.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <thread>

#include "../base/temporary_folder.h"
#include "base/file.h"
#include "base/json.h"
#include "sinter/autograd.h"
#include "sinter/io.h"
#include "sinter/ops.h"
#include "sinter/random.h"
#include "sinter/recipes.h"
#include "sinter/run.h"
#include "sinter/system.h"

namespace sinter {
namespace {

const train::Recipe& image() { return train::find_recipe(recipes::all(), "image"); }

// An untrained network as a run leaves it: a folder with config.toml and model.safetensors.
class Saved {
 public:
  explicit Saved(const std::string& model) {
    train::Config config = train::whole_config(image());
    config.set("model", model, "here");
    config.set("embedded_train", "60", "here");
    config.set("embedded_test", "20", "here");
    manual_seed(3);
    task = image().prepare(config, "");
    OrderedJson description{{"recipe", "image"}};
    description.update(OrderedJson::parse(task.description));
    io::save_weights(file(), task.states,
                     {{"sinter", json_text(description)}, {"settings", config.to_toml()}});
  }
  std::string file() const { return folder_.path() + "/model.safetensors"; }

  train::Task task;

 private:
  TemporaryFolder folder_;
};

std::vector<std::uint8_t> pixels(std::int64_t images, int seed = 0) {
  std::vector<std::uint8_t> list(static_cast<std::size_t>(images * 28 * 28));
  for (std::size_t i = 0; i < list.size(); ++i) {
    list[i] =
        static_cast<std::uint8_t>((i * 37 + i / 28 + static_cast<std::size_t>(seed) * 11) % 256);
  }
  return list;
}

Shape batch_of(std::int64_t images) { return {images, 28, 28, 1}; }

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// The network itself, fed as a data set feeds it.
std::vector<float> by_the_task(const train::Task& task, const std::vector<std::uint8_t>& raw,
                               std::int64_t images) {
  const TrainingScope evaluating(false);
  const NoGradScope untracked;
  std::string text = "{\"pixels\":[";
  std::vector<float> all;
  const std::size_t each = raw.size() / static_cast<std::size_t>(images);
  for (std::size_t image = 0; image < static_cast<std::size_t>(images); ++image) {
    std::string line = text;
    for (std::size_t i = 0; i < each; ++i) {
      line += (i > 0 ? "," : "") + std::to_string(raw[image * each + i]);
    }
    const Batch row = task.read_line(line + "]}", "here");
    const Tensor shares = task.forward(row)["probabilities"];
    for (const float share : shares.to_vector<float>()) all.push_back(share);
  }
  return all;
}

TEST(Predictor, NormalisesRawPixelsAsTrainingDoes) {
  const Saved saved("linear");
  const Predictor model = load(saved.file());
  EXPECT_EQ(model.row_shape(), (Shape{28, 28, 1}));
  const std::vector<std::uint8_t> raw = pixels(3);
  const Tensor shares = model.predict(view(raw, batch_of(3)));
  EXPECT_EQ(shares.shape(), (Shape{3, 10}));
  const std::vector<float> got = shares.to_vector<float>();
  const std::vector<float> expected = by_the_task(saved.task, raw, 3);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6) << i;
  // The same numbers as floats are the same image.
  const std::vector<float> floats(raw.begin(), raw.end());
  EXPECT_EQ(model.predict(view(floats, batch_of(3))).to_vector<float>(), got);
  EXPECT_EQ(model.predict(tensor(floats, batch_of(3))).to_vector<float>(), got);
  std::vector<float> answers(30);
  model.predict(view(raw, batch_of(3)), answers);
  EXPECT_EQ(answers, got);
}

TEST(Predictor, EightThreadsGetTheBitsOfOne) {
  const bool is_cpu = current_device() == "cpu";
  const int rounds = is_cpu ? 25 : 2;  // an emulated GPU takes its time
  for (const std::string name : {"linear", "cnn"}) {
    if (name == "cnn" && !is_cpu) continue;
    const Saved saved(name);
    const Predictor model = load(saved.file());
    std::vector<std::vector<float>> alone;
    for (int i = 0; i < 8; ++i) {
      alone.push_back(
          model.predict(view(pixels(1 + i % 3, i), batch_of(1 + i % 3))).to_vector<float>());
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const std::int64_t images = 1 + i % 3;
        const std::vector<std::uint8_t> raw = pixels(images, i);
        std::vector<float> answers(static_cast<std::size_t>(images * 10));
        for (int round = 0; round < rounds; ++round) {
          model.predict(view(raw, batch_of(images)), answers);
          if (answers != alone[static_cast<std::size_t>(i)]) ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0) << name;
  }
}

TEST(Predictor, SaysWhatDoesNotFit) {
  const Saved saved("linear");
  const Predictor model = load(saved.file());
  const std::vector<std::uint8_t> raw = pixels(2);
  std::vector<float> answers(20);
  const std::string shape = error_of([&] { model.predict(view(raw, {2, 28, 28}), answers); });
  EXPECT_NE(shape.find("u8(2, 28, 28)"), std::string::npos) << shape;
  EXPECT_NE(shape.find("(rows, 28, 28, 1)"), std::string::npos) << shape;
  EXPECT_THROW(model.predict(view(raw, {1, 56, 28, 1})), Error);
  EXPECT_THROW(model.predict(scalar(1)), Error);
  const std::string size =
      error_of([&] { model.predict(view(raw, batch_of(2)), std::span(answers).subspan(1)); });
  EXPECT_NE(size.find("76 bytes"), std::string::npos) << size;
  EXPECT_NE(size.find("80 bytes"), std::string::npos) << size;
  EXPECT_NE(error_of([&] { load("no such run"); }).find("no such run"), std::string::npos);
}

TEST(Predictor, ADeviceThatIsNotThereIsAnError) {
  const Saved saved("linear");
  const std::string before = current_device();
  EXPECT_THROW(load(saved.file(), {.device = "cuda:77"}), Error);
  EXPECT_THROW(load(saved.file(), {.device = "abacus"}), Error);
  EXPECT_EQ(current_device(), before);
}

TEST(Predictor, StaysOnItsDevice) {
  const Saved saved("linear");
  const Predictor model = load(saved.file(), {.device = "cpu"});
  const std::vector<std::uint8_t> raw = pixels(1);
  const Tensor shares = model.predict(view(raw, batch_of(1)));
  EXPECT_EQ(device_of(shares), "cpu");
}

// Whoever has thousands of rows wants all threads.
TEST(Predictor, LargeBatchesHaveTheSameAnswers) {
  const Saved saved("linear");
  const Predictor model = load(saved.file());
  const std::vector<std::uint8_t> raw = pixels(64);
  const std::vector<float> all = model.predict(view(raw, batch_of(64))).to_vector<float>();
  const Predictor alone = load(saved.file(), {.rows_in_caller = 1000});
  const std::vector<float> expected = alone.predict(view(raw, batch_of(64))).to_vector<float>();
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i], expected[i], 1e-6);
}

// A task that reads one field of JSON lines takes that as an array, too.
TEST(Predictor, TakesTheOnlyFieldOfAnOwnTask) {
  train::Task task;
  task.forward = [](const Batch& batch) {
    return Batch{{"twice", batch["points"] * 2.0}, {"other", batch["points"]}};
  };
  task.inputs = {{.name = "points", .dtype = Dtype::f32, .shape = {2}}};
  const Predictor model(task);
  const std::vector<std::int64_t> points = {1, 2, 3, 4};
  EXPECT_EQ(model.predict(view(points, {2, 2})).to_vector<float>(),
            (std::vector<float>{2, 4, 6, 8}));
  task.inputs.push_back({.name = "more"});
  EXPECT_THROW(Predictor{task}, Error);
}

TEST(Predictor, TakesColumnsOfNumbersInTheirUnits) {
  const train::Recipe& tabular = train::find_recipe(recipes::all(), "tabular");
  const TemporaryFolder folder;
  std::string table = "size,age,price\n";
  for (int i = 0; i < 120; ++i) {
    table += std::to_string(10 + i % 7 * 3) + "," + (i % 9 == 0 ? "" : std::to_string(i % 13)) +
             "," + std::to_string(100 + i % 7 * 30 + i % 13) + ".5\n";
  }
  write_file(folder.path() + "/table.csv", table);
  train::Config config = train::whole_config(tabular);
  config.set("data", folder.path() + "/table.csv", "here");
  manual_seed(1);
  const train::Task task = tabular.prepare(config, "");
  const Predictor model(task);
  EXPECT_EQ(model.row_shape(), Shape{2});
  const float none = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> rows = {13, 4, 19, none};
  const std::vector<float> got = model.predict(view(rows, {2, 2})).to_vector<float>();
  const TrainingScope evaluating(false);
  const NoGradScope untracked;
  const std::vector<std::string> lines = {R"({"size":13,"age":4})", R"({"size":19,"age":null})"};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Batch outputs = task.forward(task.read_line(lines[i], "here"));
    Batch on_host;
    for (const auto& [name, output] : outputs.entries()) on_host.add(name, to_host(output));
    const Json answer = parse_json("{" + task.answer(on_host, 0) + "}", "here");
    EXPECT_NEAR(got[i], answer["value"].get<double>(), 1e-3) << i;
  }
}

}  // namespace
}  // namespace sinter
