#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>

#include "../base/temporary_folder.h"
#include "base/file.h"
#include "base/switches.h"
#include "sinter/io.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/system.h"
#include "sinter/train.h"

namespace sinter::train {
namespace {

constexpr std::int64_t kRows = 40;
constexpr std::int64_t kBatch = 8;
constexpr std::int64_t kEpochSteps = kRows / kBatch;

// Rows of three numbers that follow from row and epoch; the class is row % 2. Row `poisoned` holds
// a number that is none, from epoch 1 on.
class Rows : public data::Dataset {
 public:
  explicit Rows(std::int32_t poisoned = -1) : poisoned_(poisoned) {}
  std::int64_t size() const override { return kRows; }
  Batch batch(std::span<const std::int32_t> rows, const data::Draw& draw) const override {
    std::vector<float> inputs;
    std::vector<std::int32_t> targets;
    for (const std::int32_t row : rows) {
      for (int i = 0; i < 3; ++i) {
        inputs.push_back(std::sin(static_cast<float>(row * 3 + i + 7 * draw.epoch)));
      }
      if (row == poisoned_ && draw.epoch >= 1) {
        inputs.back() = std::numeric_limits<float>::quiet_NaN();
      }
      targets.push_back(row % 2);
    }
    const auto count = static_cast<std::int64_t>(rows.size());
    return {{"inputs", tensor(inputs, {count, 3})}, {"targets", tensor(targets, {count})}};
  }

 private:
  std::int32_t poisoned_;
};

// A figure that the host makes up.
Metric made_up(std::string name, std::function<double()> value) {
  return {.name = std::move(name),
          .sums = [](const Batch&, const Batch&) { return std::vector<Tensor>{}; },
          .finish = [value = std::move(value)](const Metric::Columns&) { return value(); }};
}

Config config_of(double lr) {
  Config config;
  config.add({.key = "lr", .value = 0.05});
  config.set("lr", std::to_string(lr), "here");
  return config;
}

// A model with dropout and batch norm, in a trainer of its own: as a process would have it.
struct Session {
  nn::Sequential model;
  std::shared_ptr<optim::AdamW> optimizer;
  std::unique_ptr<Trainer> trainer;
  int validations = 0;

  Session(const std::string& folder, Options options, std::int32_t poisoned = -1,
          StepOptions step = {}) {
    manual_seed(3);
    model =
        nn::Sequential{nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Dropout(0.2), nn::Linear(4, 2)};
    optimizer = std::make_shared<optim::AdamW>(model.parameters(), optim::AdamWOptions{.lr = 0.05});
    options.folder = folder;
    if (options.config.settings().empty()) options.config = config_of(0.05);
    Task task;
    task.states = model.states();
    task.forward = [this](const Batch& batch) { return Batch{{"logits", model(batch["inputs"])}}; };
    task.loss = [](const Batch& outputs, const Batch& batch) {
      return cross_entropy(outputs["logits"], batch["targets"]);
    };
    // Validation goes up and down again, so that the best model is not the last.
    task.metrics = {made_up("quality",
                            [this] {
                              ++validations;
                              return optimizer->step_count() == 2 * kEpochSteps ? 0.9 : 0.1;
                            }),
                    made_up("sum", [this] { return sum_of_weights(); })};
    task.objective = "quality";
    task.data = [poisoned](Split split) {
      return std::make_shared<Rows>(split == Split::train ? poisoned : -1);
    };
    trainer = std::make_unique<Trainer>(Job{.task = task,
                                            .optimizer = optimizer,
                                            .step = step,
                                            .batch = kBatch,
                                            .seed = 1,
                                            .steps = 3 * kEpochSteps / step.accumulate},
                                        options);
  }

  double sum_of_weights() const {
    double sum = 0;
    for (const State& state : model.parameters()) {
      for (const float x : state.value().to_vector<float>()) sum += static_cast<double>(x);
    }
    return sum;
  }
  Result run(Observer& observer) { return trainer->run(observer); }
  Result run() {
    Observer silent;
    return run(silent);
  }
};

std::string content(const std::string& path) { return read_file(path, 1 << 20); }

// Ends a run as a crash would: at the n-th event.
struct Crash {};
class CrashingObserver : public Observer {
 public:
  CrashingObserver(std::int64_t step, bool at_evaluation)
      : step_(step), at_evaluation_(at_evaluation) {}
  void on_step(const Step& step) override {
    if (!at_evaluation_ && step.step == step_) throw Crash();
  }
  void on_evaluation(const Step& step, const std::string&, const MetricValues&) override {
    if (at_evaluation_ && step.step == step_) throw Crash();
  }

 private:
  std::int64_t step_;
  bool at_evaluation_;
};

// Runs that crash at any step or evaluation, with checkpoints of every or every third step, and go
// on.
void expect_same_bytes_after_crashes(const StepOptions& step_options, std::int64_t look_every) {
  const TemporaryFolder folder;
  Session(folder / "whole", {}, -1, step_options).run();
  const std::int64_t steps = 3 * kEpochSteps / step_options.accumulate;
  for (const bool at_evaluation : {false, true}) {
    for (std::int64_t step = 1; step <= steps; ++step) {
      if (at_evaluation && step * step_options.accumulate % kEpochSteps != 0) continue;
      for (const std::int64_t every : {1, 3}) {
        const std::string run = folder / ((at_evaluation ? "e" : "s") + std::to_string(step) + "-" +
                                          std::to_string(every));
        CrashingObserver observer(step, at_evaluation);
        const Options options{.checkpoint_steps = every, .look_every = look_every};
        EXPECT_THROW(Session(run, options, -1, step_options).run(observer), Crash);
        bool resume = true;
        try {
          io::read_texts(last_checkpoint_path(run));
        } catch (const Error&) {
          resume = false;  // it crashed before the first
        }
        Options again = options;
        again.resume = resume;
        const Result result = Session(run, again, -1, step_options).run();
        EXPECT_EQ(result.resumed_from.has_value(), resume);
        EXPECT_EQ(result.steps_run, steps - result.resumed_from.value_or(0));
        for (const char* name : {"/metrics.jsonl", "/model.safetensors"}) {
          EXPECT_EQ(content(run + name), content((folder / "whole") + name)) << run << name;
        }
      }
    }
  }
}

TEST(Trainer, a_run_that_crashed_anywhere_ends_with_the_same_bytes) {
  expect_same_bytes_after_crashes({}, 0);
}

TEST(Trainer, so_does_one_whose_losses_are_looked_at_late) {
  expect_same_bytes_after_crashes({}, 4);
}

TEST(Trainer, so_does_one_that_clips_accumulates_and_averages) {
  expect_same_bytes_after_crashes({.clip_norm = 0.5, .accumulate = 3, .average = 0.9}, 2);
}

TEST(Trainer, the_model_that_validated_best_is_the_one_that_is_tested_and_written) {
  const TemporaryFolder folder;
  Session session(folder / "run", {});
  const Result result = session.run();
  EXPECT_EQ(session.validations, 4);  // after each epoch, and the test
  // The best was after the second of three epochs, and its States are back.
  EXPECT_EQ(session.optimizer->step_count(), 2 * kEpochSteps);
  const io::Texts best = io::read_texts(folder / "run/checkpoints/best.safetensors");
  EXPECT_EQ(best.at("step"), std::to_string(2 * kEpochSteps));
  const io::Texts last = io::read_texts(last_checkpoint_path(folder / "run"));
  EXPECT_EQ(last.at("step"), std::to_string(3 * kEpochSteps));
  EXPECT_EQ(result.steps, 3 * kEpochSteps);
  EXPECT_EQ(result.epochs, 3);
}

// The run ends at the poisoned row, whenever that is looked at, with everything as before its step.
void expect_kept(std::int64_t look_every) {
  const TemporaryFolder folder;
  Session session(folder / "run", {.checkpoint_steps = 1, .look_every = look_every},
                  /*poisoned=*/5);
  Session untouched(folder / "other", {.checkpoint_steps = 1});
  try {
    session.run();
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::int64_t done = session.optimizer->step_count();
    EXPECT_GE(done, kEpochSteps);
    EXPECT_NE(message.find("step " + std::to_string(done + 1) + ": the loss is not finite"),
              std::string::npos)
        << message;
    EXPECT_EQ(io::read_texts(last_checkpoint_path(folder / "run")).at("step"),
              std::to_string(done));
    // A run without the row, stopped after as many steps, has the same States.
    CrashingObserver observer(done, false);
    EXPECT_THROW(untouched.run(observer), Crash);
  }
  const auto states = session.model.states();
  const auto wanted = untouched.model.states();
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i].state.dtype() != Dtype::f32) continue;
    EXPECT_EQ(states[i].state.value().to_vector<float>(),
              wanted[i].state.value().to_vector<float>())
        << states[i].name;
  }
}

TEST(Trainer, a_loss_that_is_no_number_keeps_weights_and_checkpoint_and_names_the_step) {
  expect_kept(1);
}

TEST(Trainer, a_loss_looked_at_late_keeps_them_too) {
  for (const std::int64_t look_every : {2, 3, 7}) expect_kept(look_every);
}

// A finite loss whose gradient is not: the root of 0 where a row's gate is 0.
class GatedRows : public Rows {
 public:
  Batch batch(std::span<const std::int32_t> rows, const data::Draw& draw) const override {
    Batch batch = Rows::batch(rows, draw);
    const bool closed = draw.epoch == 2 && std::find(rows.begin(), rows.end(), 5) != rows.end();
    batch.add("gate", scalar(closed ? 0 : 1));
    return batch;
  }
};

TEST(Trainer, a_gradient_that_is_no_number_is_an_error_too_and_leaves_the_weights) {
  for (const std::int64_t look_every : {1, 5}) {
    const TemporaryFolder folder;
    manual_seed(3);
    const nn::Linear model(3, 2);
    const auto optimizer = std::make_shared<optim::AdamW>(model.parameters());
    Task task;
    task.states = model.states();
    task.forward = [&](const Batch& batch) { return Batch{{"logits", model(batch["inputs"])}}; };
    task.loss = [&](const Batch& outputs, const Batch& batch) {
      const Tensor length = sum(square(model.weight().value()));
      const Tensor term = sqrt(length * batch["gate"]);
      return cross_entropy(outputs["logits"], batch["targets"]) + term;
    };
    task.data = [](Split) { return std::make_shared<GatedRows>(); };
    Options options{.folder = folder / "run", .config = config_of(0.05), .look_every = look_every};
    Trainer trainer(
        {.task = task, .optimizer = optimizer, .batch = kBatch, .steps = 3 * kEpochSteps}, options);
    Observer silent;
    try {
      trainer.run(silent);
      FAIL();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find("step " + std::to_string(optimizer->step_count() + 1) +
                             ": the gradients are not finite; got a loss of"),
                std::string::npos)
          << message;
    }
    EXPECT_GE(optimizer->step_count(), 2 * kEpochSteps);
    for (const float x : model.weight().value().to_vector<float>()) EXPECT_TRUE(std::isfinite(x));
    EXPECT_FALSE(std::filesystem::exists(folder / "run/model.safetensors"));
  }
}

TEST(Trainer, stopping_writes_a_checkpoint_first) {
  const TemporaryFolder folder;
  std::atomic<bool> stop{true};
  EXPECT_THROW(Session(folder / "run", {.stop = &stop}).run(), Interrupted);
  EXPECT_EQ(io::read_texts(last_checkpoint_path(folder / "run")).at("step"), "0");
}

TEST(Trainer, another_config_or_environment_is_refused) {
  const TemporaryFolder folder;
  Session(folder / "run", {.environment = "cpu a"}).run();
  EXPECT_THROW(
      Session(folder / "run", {.config = config_of(0.06), .environment = "cpu a", .resume = true})
          .run(),
      Error);
  EXPECT_THROW(Session(folder / "run", {.environment = "cpu b", .resume = true}).run(), Error);
  EXPECT_NO_THROW(
      Session(folder / "run", {.environment = "cpu b", .resume = true, .force = true}).run());
  EXPECT_THROW(Session(folder / "none", {.resume = true}).run(), Error);
}

// Sets SINTER_DISABLE while it lives.
class Disabled {
 public:
  explicit Disabled(const char* names) {
    setenv("SINTER_DISABLE", names, 1);
    reload_switches();
  }
  ~Disabled() {
    unsetenv("SINTER_DISABLE");
    reload_switches();
  }
  Disabled(const Disabled&) = delete;
  Disabled& operator=(const Disabled&) = delete;
};

TEST(Trainer, other_kernels_than_the_checkpoints_are_refused) {
  if (current_device() != "cpu") GTEST_SKIP() << "ops have one kernel each there";
  const TemporaryFolder folder;
  struct StopsAtStepTwo : Observer {
    void on_step(const Step& step) override { stop = step.step == 2; }
    std::atomic<bool> stop{false};
  } observer;
  EXPECT_THROW(Session(folder / "run", {.stop = &observer.stop}).trainer->run(observer),
               Interrupted);
  const std::string kernels = io::read_texts(last_checkpoint_path(folder / "run")).at("kernels");
  EXPECT_NE(kernels.find("matmul by "), std::string::npos) << kernels;
  Observer silent;
  {
    const Disabled disabled("own,onednn");
    try {
      Session(folder / "run", {.resume = true}).trainer->run(silent);
      FAIL() << "other kernels were taken";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find("other kernels"), std::string::npos) << message;
      EXPECT_NE(message.find("got matmul by "), std::string::npos) << message;
      EXPECT_NE(message.find(kernels), std::string::npos) << message;
    }
  }
  const Result result = Session(folder / "run", {.resume = true}).trainer->run(silent);
  EXPECT_EQ(result.kernels, kernels);
}

}  // namespace
}  // namespace sinter::train
