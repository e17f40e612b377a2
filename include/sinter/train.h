// Training from start to end: a compiled step over a loader's batches, evaluations, checkpoints
// from which a run goes on bit for bit, and a run directory that tells what happened.
#ifndef SINTER_TRAIN_H_
#define SINTER_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sinter/compile.h"
#include "sinter/config.h"
#include "sinter/metric.h"
#include "sinter/optim.h"
#include "sinter/recipe.h"
#include "sinter/step.h"

namespace sinter::train {

// What is trained on what.
struct Job {
  Task task;
  std::shared_ptr<optim::Optimizer> optimizer = {};  // over parameters of the task's network
  StepOptions step = {};
  std::int64_t batch = 128;
  std::uint64_t seed = 0;  // of the order of rows and their augmentation
  std::int64_t steps = 0;  // updates in all
};

struct Options {
  std::string folder = {};       // the run directory; made when it does not exist
  Config config = {};            // what determines the result
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
  // Losses are looked at when so many steps have been made; 0: after every step on the CPU, where
  // they are there already, and every 16 on a device, which is not waited for in between.
  std::int64_t look_every = 0;
};

// What a run tells while it goes on. All calls come from the thread that trains.
class Observer {
 public:
  struct Step {
    std::int64_t step = 0;   // updates done
    std::int64_t steps = 0;  // of so many
    std::int64_t epoch = 0;  // from 1
    double loss = 0;
    double units_per_second = 0;  // of this process, in the task's unit
  };
  virtual ~Observer() = default;
  // `resumed_from`: the step of the checkpoint that the run goes on from.
  virtual void on_start(std::optional<std::int64_t> resumed_from) { (void)resumed_from; }
  virtual void on_step(const Step& step) { (void)step; }
  virtual void on_evaluation(const Step& step, const std::string& split,
                             const MetricValues& metrics) {
    (void)step;
    (void)split;
    (void)metrics;
  }
};

struct Result {
  MetricValues test;
  std::int64_t steps = 0;
  std::int64_t steps_run = 0;  // by this process
  std::int64_t epochs = 0;
  std::optional<std::int64_t> resumed_from = {};
  double train_seconds = 0;  // of all processes that worked on the run
  double seconds_run = 0;    // of this one
  double units_per_second = 0;
  double first_step_ms = 0;
  std::int64_t planned_bytes = 0;
  std::string kernels;  // that run the step: "matmul by onednn: 8, conv by winograd: 1"
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
  // checkpoint stays good) and when loss or gradients are not finite: the message then names the
  // step and the op that gave the first such value, and the weights are those before that step.
  Result run(Observer& observer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where the checkpoint of a run is: FOLDER/checkpoints/last.safetensors.
std::string last_checkpoint_path(const std::string& folder);

}  // namespace sinter::train

#endif  // SINTER_TRAIN_H_
