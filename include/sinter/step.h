// The training step: the one place where a loss becomes an update.
#ifndef SINTER_STEP_H_
#define SINTER_STEP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sinter/batch.h"
#include "sinter/compile.h"
#include "sinter/named_state.h"
#include "sinter/optim.h"

namespace sinter::train {

// A factor on the loss that keeps small gradients from becoming zero in 16 bits (Micikevicius et
// al. 2018). Gradients are divided by it again before anything else looks at them. A step whose
// gradients are not finite changes nothing but the factor, which becomes `backoff` times as large;
// after `interval` good steps in a row it becomes `growth` times as large.
struct LossScale {
  double initial = 65536;
  double growth = 2;
  double backoff = 0.5;
  std::int64_t interval = 2000;
  double least = 1.0 / 16384;  // below it a step counts as failed
};

struct StepOptions {
  std::optional<double> clip_norm = {};   // of the gradients of an update, all parameters together
  std::optional<double> clip_value = {};  // of each element: to [-x, x]; before clip_norm
  std::int64_t accumulate = 1;            // batches whose gradients, by weight, make one update
  std::optional<LossScale> loss_scale = {};
  // The decay of an exponential average of the weights, 0.999 for example: after update n (from 1)
  // each average is d times itself plus 1 - d times the weight, with d the lesser of this and
  // (1 + n) / (10 + n).
  std::optional<double> average = {};
  // CompileOptions::precision. f16 needs a loss_scale: its smallest number is 6e-8.
  Dtype precision = Dtype::f32;
  // CompileOptions::programs: at least as many as the buckets that rows are padded to (collate.h).
  int programs = 16;
  // Keep weights, moments and the States in `states` as they were before the first step whose loss
  // or gradients are not finite, and change nothing in any later step.
  bool guard = true;
};

// Forward, gradients, accumulation, clipping, update and average as one compiled program.
//
//   train::TrainingStep step([&](const Batch& b) { return mse_loss(model(b["x"]), b["y"]); },
//                            optimizer, {.clip_norm = 1});
//   for (const Batch& batch : loader) last = step(batch).loss;
//
// Nothing is waited for: on a GPU the loss is read when it is asked for, and the guard holds what
// was good until then.
class TrainingStep {
 public:
  // The scalar loss of a batch, a mean over what the batch's weight counts. Traced once a
  // signature.
  using Loss = std::function<Tensor(const Batch&)>;

  struct Outcome {
    Tensor loss;   // f32 scalar
    Tensor fault;  // i32 scalar, an optim::Fault: the first so far, 0 for none; undefined unguarded
  };

  // The optimizer must outlive the step. Throws Error for options that make no sense.
  TrainingStep(Loss loss, optim::Optimizer& optimizer, const StepOptions& options = {});
  ~TrainingStep();
  TrainingStep(TrainingStep&&) noexcept;
  TrainingStep& operator=(TrainingStep&&) noexcept;

  // With accumulation every `accumulate`-th call updates.
  Outcome operator()(const Batch& batch);
  // The same op by op, without a program.
  Outcome directly(const Batch& batch);

  ProgramReport report(const Batch& batch);
  StepTimes measure(const Batch& batch, int repeats);
  // Where the first value that is not finite comes from; "" when all are. Leaves every State.
  std::string find_first_nonfinite(const Batch& batch);

  // What a checkpoint holds besides model and optimizer: sums of gradients, the loss
  // scale, averages of weights.
  std::vector<NamedState> states() const;
  // Batches of the next update that have been summed.
  std::int64_t accumulated() const;
  void set_accumulated(std::int64_t batches);
  bool averages() const;
  // Exchanges the weights with their averages; called again, back.
  void swap_averages();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sinter::train

#endif  // SINTER_STEP_H_
