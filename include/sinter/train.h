// Training from start to end: a compiled step over a loader's batches, evaluations, checkpoints
// from which a run goes on bit for bit, and a run directory that tells what happened.
#ifndef SINTER_TRAIN_H_
#define SINTER_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sinter/compile.h"
#include "sinter/data.h"
#include "sinter/named_state.h"
#include "sinter/optim.h"

namespace sinter::train {

struct Metric {
  std::string name = {};
  double value = 0;
};
using Metrics = std::vector<Metric>;

// What is trained on what.
struct Job {
  std::vector<NamedState> states = {};    // the model's: Module::states()
  optim::Optimizer* optimizer = nullptr;  // over the model's parameters
  // The scalar loss of a batch; traced once.
  std::function<Tensor(const Tensor& inputs, const Tensor& targets)> loss = {};
  std::shared_ptr<const data::Dataset> data = {};
  std::int64_t batch = 128;
  std::uint64_t seed = 0;  // of the order of rows and their augmentation
  std::int64_t steps = 0;  // updates in all
  // The loss first, then others. `validate` chooses the model; `test` is called once, at the end.
  std::function<Metrics()> validate = {};
  std::function<Metrics()> test = {};
  std::string objective = "accuracy";  // the metric of validate that chooses; larger is better
};

struct Options {
  std::string folder = {};       // the run directory; made when it does not exist
  std::string config = {};       // the text of config.toml: all that determines the result
  std::string description = {};  // the "sinter" entry of model.safetensors
  std::string environment = {};  // device, instruction set, threads, versions: see resume
  double checkpoint_seconds = 30;
  std::int64_t checkpoint_steps = 0;  // also every so many steps; 0: by time only
  // Go on from the folder's last checkpoint. Throws Error when that was made with another config,
  // or in another environment, where the same bits cannot be promised (`force` goes on all the
  // same).
  bool resume = false;
  bool force = false;
  const std::atomic<bool>* stop = nullptr;  // when it becomes true: a checkpoint, then Interrupted
};

// What a run tells while it goes on. All calls come from the thread that trains.
class Observer {
 public:
  struct Step {
    std::int64_t step = 0;   // updates done
    std::int64_t steps = 0;  // of so many
    std::int64_t epoch = 0;  // from 1
    double loss = 0;
    double samples_per_second = 0;  // of this process
  };
  virtual ~Observer() = default;
  // `resumed_from`: the step of the checkpoint that the run goes on from.
  virtual void on_start(std::optional<std::int64_t> resumed_from) { (void)resumed_from; }
  virtual void on_step(const Step& step) { (void)step; }
  virtual void on_evaluation(const Step& step, const std::string& split, const Metrics& metrics) {
    (void)step;
    (void)split;
    (void)metrics;
  }
};

struct Result {
  Metrics test;
  std::int64_t steps = 0;
  std::int64_t steps_run = 0;  // by this process
  std::int64_t epochs = 0;
  std::optional<std::int64_t> resumed_from = {};
  double train_seconds = 0;  // of all processes that worked on the run
  double seconds_run = 0;    // of this one
  double samples_per_second = 0;
  double first_step_ms = 0;
  std::int64_t planned_bytes = 0;
  std::int64_t peak_bytes = 0;
};

// Thrown when Options::stop asked to; the checkpoint is written.
class Interrupted : public Error {
 public:
  using Error::Error;
};

class Trainer {
 public:
  Trainer(Job job, Options options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Makes the training step's program without running it.
  ProgramReport plan();

  // Trains, writes metrics.jsonl, timing.jsonl, checkpoints/ and model.safetensors, and tests the
  // model that did best in validation. Throws Error when something cannot be written (the last
  // checkpoint stays good) and when the loss is not finite: the message then names the step and the
  // op that gave the first such value, and the weights are those before that step.
  Result run(Observer& observer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where the checkpoint of a run is: FOLDER/checkpoints/last.safetensors.
std::string last_checkpoint_path(const std::string& folder);

}  // namespace sinter::train

#endif  // SINTER_TRAIN_H_
