// Optimizers: parameters, gradients and moments in flat arenas, schedules computed inside the step.
#ifndef SINTER_OPTIM_H_
#define SINTER_OPTIM_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sinter/named_state.h"
#include "sinter/state_scope.h"
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
  // f32 scalar: the norm after clipping, NaN where a gradient is not finite. Undefined: not known.
  Tensor scaled_norm = Tensor();

  // gradients times scale; an optimizer takes the scale into its update instead.
  std::vector<Tensor> scaled() const;
};

// The square root of the gradients' sums of squares, added up in order, in f64: gradients whose
// squares overflow f32 are clipped like others. Undefined gradients count nothing. Throws Error
// unless max_norm > 0 and some gradient is defined.
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
  // gradient keeps its value and moments, and the update does not count for it (AdamW corrects a
  // bias by each parameter's own number of updates).
  // With a `guard` (a boolean scalar) the update happens only where the guard is true, every
  // gradient is finite and the method stays finite with them (AdamW squares them); otherwise
  // parameters, moments and counters keep their bits: pass isfinite(loss). The result is then a
  // boolean scalar: whether the update happened. Without a guard nothing is checked, and the result
  // is undefined. See GuardedStep for whole steps.
  // Throws Error for a wrong number, shape or dtype of gradients; then nothing has changed.
  Tensor step(const std::vector<Tensor>& gradients, const Tensor& guard = Tensor());
  Tensor step(const ClippedGradients& clipped, const Tensor& guard = Tensor());

  // The learning rate before schedule and group scale. A State, so that setting it between calls of
  // a compiled step takes effect.
  double learning_rate() const;
  void set_learning_rate(double learning_rate);
  // Takes effect at the next step; one that is compiled already is traced again and compiled anew.
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
  // as in the arenas. A method that corrects a bias also lists "optimizer.missed", the number of
  // updates that each parameter of the group went without: i64 (parameters,). A checkpoint without
  // it is of before these were counted, and gives zeros.
  std::vector<NamedState> states() const;

 protected:
  // A piece of the arenas, as vectors of equal length.
  struct Piece {
    Tensor parameters;
    std::vector<Tensor> moments;
  };
  // What the update of a piece needs; scalars are f64.
  struct Update {
    Tensor learning_rate;
    double weight_decay = 0;
    Tensor count;  // i64: of the piece's updates, this one included; undefined where none counts
  };
  // What a method keeps besides parameters.
  struct Method {
    std::vector<std::string> moments;  // their names: {"m", "v"}
    bool counts_updates = false;       // it needs Update::count
  };

  // Throws Error for no parameters, one that
  // is not f32, one that occurs twice or is in another optimizer, and a negative rate or decay.
  // Groups are moved one after the other: when one holds a State of another optimizer, the groups
  // before it have been moved already (their values are untouched).
  Optimizer(const char* name, std::vector<ParameterGroup> groups, double learning_rate,
            double weight_decay, const Method& method);

  // The piece after an update with gradient (E,). Called for each run of parameters with gradients.
  virtual Piece updated(const Piece& piece, const Tensor& gradient, const Update& update) const = 0;

  // Whether an update stays finite with gradients of at most this magnitude: boolean, from an f32
  // scalar (NaN: one is not finite). isfinite() where a method does not say more.
  virtual Tensor keeps_finite(const Tensor& magnitude) const;

 private:
  struct Group {
    std::vector<State> parameters;
    double learning_rate_scale;
    double weight_decay;
    State arena;
    std::vector<std::int64_t> offsets;
    std::vector<State> moments;
    std::optional<State> missed;  // i64 (parameters,)
    // Parameters with equal numbers have missed the same updates, whatever steps are taken.
    std::vector<int> histories;
  };
  // Neighbours in a group's arena that are updated as one vector.
  struct Run;

  // Clipped or not; then scale is undefined.
  Tensor take_step(const ClippedGradients& given, const Tensor& guard);
  void check(const std::vector<Tensor>& gradients, const Tensor& guard) const;
  std::span<const Tensor> gradients_of(std::size_t group, const std::vector<Tensor>& all) const;
  void follow_histories(const std::vector<Tensor>& gradients);
  std::vector<Run> runs_of(const Group& group, std::span<const Tensor> gradients) const;
  Tensor are_sound(const std::vector<std::vector<Run>>& runs, const ClippedGradients& given) const;
  void update_group(const Group& group, const std::vector<Run>& runs, const Tensor& scale,
                    const Tensor& go, const Update& update) const;
  void count_missed(const Group& group, std::span<const Tensor> gradients, const Tensor& go) const;

  const char* name_;
  std::vector<Group> groups_;
  State learning_rate_;
  State step_;
  Schedule schedule_ = Constant{};
  std::uint64_t seen_configuration_ = 0;  // the histories hold for the counts of this version
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
  Tensor keeps_finite(const Tensor& magnitude) const override;

  AdamWOptions options_;
};

// Why a guarded step was not taken.
enum class Fault : std::int32_t {
  none = 0,
  loss = 1,       // the loss is not finite
  gradients = 2,  // the loss is, but a gradient or the update would not be
};

// The code of a fault as guarded steps keep it: an i32 scalar.
Tensor code_of(Fault fault);

// What guarded steps remember between calls: the first fault. From then on no step changes
// anything, so that a trainer may look at it (or at the losses) some steps late and still finds
// parameters, moments, counters, running statistics and random positions as they were before the
// first bad step. A copy is a handle on the same.
class Guard {
 public:
  Guard();

  struct Report {
    Fault fault = Fault::none;
    std::int64_t good_steps = 0;  // since construction or reset(); the bad one came right after
  };
  // Waits for the device.
  Report report() const;
  // Forgets the fault and the count.
  void reset() const;

 private:
  friend class GuardedStep;
  State is_alive_;    // boolean
  State fault_;       // i32: a Fault
  State good_steps_;  // i64
};

// Made at the beginning of a training step, inside the function that is compiled or called
// directly; ended by one update:
//
//   optim::Guard guard;
//   auto step = compile([&](const Tensor& x, const Tensor& y) {
//     const optim::GuardedStep guarded(guard);
//     const Tensor loss = cross_entropy(model(x), y);
//     const Tensor fault =
//         guarded.update(optimizer, gradients(loss, optimizer.parameters()), loss);
//     return std::tuple{loss, fault};
//   });
//
// Where the loss, a gradient or the update is not finite, or the guard has seen a fault before,
// every State that the step has assigned keeps its bits (the last batch's part in running
// statistics, the drawn random numbers and the update itself are undone).
class GuardedStep {
 public:
  explicit GuardedStep(const Guard& guard) : guard_(guard) {}

  // Updates `optimizer`; `loss` is one floating number. Gives the guard's fault after the step, an
  // i32 scalar (0: none so far), which can be returned from a compiled step and read late. Throws
  // Error as Optimizer::step, and for another loss.
  Tensor update(Optimizer& optimizer, const std::vector<Tensor>& gradients,
                const Tensor& loss) const;
  Tensor update(Optimizer& optimizer, const ClippedGradients& clipped, const Tensor& loss) const;

  // The parts of update(), for steps that do more or less than that. First: whether the loss is
  // finite and the guard has seen no fault, a boolean scalar. Throws Error as update().
  Tensor goes_on(const Tensor& loss) const;
  // Then: what a step is to blame for that was not `done`; an i32 scalar, 0 where it was.
  static Tensor fault_of(const Tensor& done, const Tensor& loss);
  // Last: puts back what was assigned since the step began unless `done` (a boolean scalar; what
  // an AssignmentScope::Pause was held for is left alone), and remembers `fault` (an i32 scalar)
  // if it is the first. Gives the guard's fault.
  Tensor end(const Tensor& done, const Tensor& fault) const;

 private:
  template <class Gradients>
  Tensor finish(Optimizer& optimizer, const Gradients& gradients, const Tensor& loss) const;

  Guard guard_;
  AssignmentScope changes_;
};

}  // namespace sinter::optim

#endif  // SINTER_OPTIM_H_
