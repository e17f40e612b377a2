// Optimizers: parameters, gradients and moments in flat arenas, schedules computed inside the step.
#ifndef SINTER_OPTIM_H_
#define SINTER_OPTIM_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "sinter/named_state.h"
#include "sinter/tensor.h"

namespace sinter::optim {

// A schedule gives the factor (a f64 scalar) on the learning rate from the number of updates done
// so far (an i64 scalar; 0 at the first update). Written in ops, so that it runs inside a compiled
// step and nothing that changes is baked in. The classes below, or any function of one's own.
using Schedule = std::function<Tensor(const Tensor& step)>;

// The factor on the host, for progress lines.
double factor_at(const Schedule& schedule, std::int64_t step);

// 1.
struct Constant {
  Tensor operator()(const Tensor& step) const;
};

// (step + 1) / warmup for `warmup` updates, then `next`, which counts from 0 again.
class LinearWarmup {
 public:
  explicit LinearWarmup(std::int64_t warmup, Schedule next = Constant{});
  Tensor operator()(const Tensor& step) const;

 private:
  std::int64_t warmup_;
  Schedule next_;
};

// From 1 to `last` along half a cosine in `steps` updates; then `last`. (Loshchilov and Hutter
// 2017.)
class Cosine {
 public:
  explicit Cosine(std::int64_t steps, double last = 0);
  Tensor operator()(const Tensor& step) const;

 private:
  std::int64_t steps_;
  double last_;
};

struct OneCycleOptions {
  double rise = 0.3;         // the share of updates in which the rate rises
  double first = 1.0 / 25;   // the factor at the first update
  double last = 1.0 / 25e4;  // and at the last
};

// Half a cosine up from `first` to 1, then half a cosine down to `last` at update steps - 1. (Smith
// and Topin 2018; PyTorch's OneCycleLR with the learning rate as max_lr.)
class OneCycle {
 public:
  explicit OneCycle(std::int64_t steps, const OneCycleOptions& options = {});
  Tensor operator()(const Tensor& step) const;

 private:
  std::int64_t steps_;
  OneCycleOptions options_;
};

// gamma^floor(step / period).
class StepDecay {
 public:
  explicit StepDecay(std::int64_t period, double gamma = 0.1);
  Tensor operator()(const Tensor& step) const;

 private:
  std::int64_t period_;
  double gamma_;
};

// Gradients with the factor that brings their global norm down to a limit.
struct ClippedGradients {
  std::vector<Tensor> gradients;  // as they were
  Tensor norm;                    // f32 scalar: of all of them together, before clipping
  Tensor scale;                   // f32 scalar: min(1, limit / norm)

  // gradients times scale; an optimizer takes the scale into its update instead.
  std::vector<Tensor> scaled() const;
};

// The square root of the gradients' sums of squares, added up in order; undefined gradients count
// nothing. Throws Error unless max_norm > 0 and some gradient is defined.
ClippedGradients clip_gradients(const std::vector<Tensor>& gradients, double max_norm);

// Parameters that are treated alike.
struct ParameterGroup {
  std::vector<State> parameters;
  double learning_rate_scale = 1;
  std::optional<double> weight_decay = std::nullopt;  // the optimizer's where none is given
};

// What the optimizers have in common. The constructor moves the parameters into flat arenas
// (state_arena.h), one for each group; an update is one pass over each. It changes States only,
// works the same called directly and inside compile(), and is not itself tracked.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One update. `gradients` belong to parameters() in their order; a parameter with an undefined
  // gradient keeps its value and moments. With a `guard` (a boolean scalar) that is false, nothing
  // changes, the step counter included: pass isfinite(loss) to survive a loss that is not a number.
  // Throws Error for a wrong number, shape or dtype of gradients; then nothing has changed.
  // The step counter, which corrects AdamW's bias, is one for all parameters.
  // Gives whether the update took place, a boolean scalar; undefined without a guard: then it did.
  Tensor step(const std::vector<Tensor>& gradients, const Tensor& guard = Tensor());
  Tensor step(const ClippedGradients& clipped, const Tensor& guard = Tensor());

  // The learning rate before schedule and group scale. A State, so that setting it between calls of
  // a compiled step takes effect.
  double learning_rate() const;
  void set_learning_rate(double learning_rate);
  // Set it before the first step is compiled.
  void set_schedule(Schedule schedule);
  // The rate of the next update: learning rate times schedule, an f64 scalar.
  Tensor scheduled_learning_rate() const;
  // The number of updates done.
  std::int64_t step_count() const;
  // The State that counts them, an i64 scalar, for use inside a step.
  const State& step_counter() const { return step_; }

  std::vector<State> parameters() const;
  // What a checkpoint holds besides the parameters: "optimizer.step", "optimizer.learning_rate",
  // "optimizer.m", ... (with several groups "optimizer.0.m", "optimizer.1.m", ...). The moments lie
  // as in the arenas.
  std::vector<NamedState> states() const;

 protected:
  // A piece of the arenas, as vectors of equal length.
  struct Piece {
    Tensor parameters;
    std::vector<Tensor> moments;
  };
  // What one group's update needs; scalars are f64.
  struct Update {
    Tensor learning_rate;
    double weight_decay = 0;
    Tensor count;  // of updates, this one included
  };

  // `moments` names the moments of the method: {"m", "v"}. Throws Error for no parameters, one that
  // is not f32, one that occurs twice or is in another optimizer, and a negative rate or decay.
  // Groups are moved one after the other: when one holds a State of another optimizer, the groups
  // before it have been moved already (their values are untouched).
  Optimizer(const char* name, std::vector<ParameterGroup> groups, double learning_rate,
            double weight_decay, std::vector<std::string> moments);

  // The piece after an update with gradient (E,). Called for each run of parameters with gradients.
  virtual Piece updated(const Piece& piece, const Tensor& gradient, const Update& update) const = 0;

 private:
  struct Group {
    std::vector<State> parameters;
    double learning_rate_scale;
    double weight_decay;
    State arena;
    std::vector<std::int64_t> offsets;
    std::vector<State> moments;
  };

  Tensor step(const std::vector<Tensor>& gradients, const Tensor& scale, const Tensor& guard);
  void check(const std::vector<Tensor>& gradients, const Tensor& guard) const;
  void update_group(const Group& group, const std::vector<Tensor>& gradients, const Tensor& scale,
                    const Tensor& guard, const Update& update) const;

  const char* name_;
  std::vector<std::string> moment_names_;
  std::vector<Group> groups_;
  State learning_rate_;
  State step_;
  Schedule schedule_ = Constant{};
};

struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double weight_decay = 0;  // added to the gradient
  bool nesterov = false;
};

// Stochastic gradient descent; PyTorch's form of momentum: b = momentum b + g, p -= lr b.
// (Sutskever et al. 2013 for Nesterov's.)
class SGD : public Optimizer {
 public:
  explicit SGD(std::vector<State> parameters, const SgdOptions& options = {});
  explicit SGD(std::vector<ParameterGroup> groups, const SgdOptions& options = {});

 private:
  Piece updated(const Piece& piece, const Tensor& gradient, const Update& update) const override;

  SgdOptions options_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;  // decoupled: p *= 1 - lr weight_decay
};

// Adam with decoupled weight decay (Loshchilov and Hutter 2019), in the order of PyTorch's update.
class AdamW : public Optimizer {
 public:
  explicit AdamW(std::vector<State> parameters, const AdamWOptions& options = {});
  explicit AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options = {});

 private:
  Piece updated(const Piece& piece, const Tensor& gradient, const Update& update) const override;

  AdamWOptions options_;
};

}  // namespace sinter::optim

#endif  // SINTER_OPTIM_H_
