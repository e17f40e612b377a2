#include "sinter/step.h"

#include <cmath>

#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/state_arena.h"
#include "sinter/state_scope.h"
#include "train/batch_function.h"

namespace sinter::train {
namespace {

using optim::Fault;

void check(bool good, const char* name, const std::string& got, const char* expected) {
  if (good) return;
  raise({.where = "training step",
         .what = std::string(name) + " makes no sense",
         .got = got,
         .expected = expected,
         .hint = {}});
}

void check_options(const StepOptions& options) {
  const auto positive = [](const char* name, const std::optional<double>& value) {
    if (value) check(*value > 0, name, std::to_string(*value), "more than 0");
  };
  positive("clip_norm", options.clip_norm);
  positive("clip_value", options.clip_value);
  check(options.accumulate >= 1, "accumulate", std::to_string(options.accumulate), "at least 1");
  if (options.average) {
    check(*options.average >= 0 && *options.average < 1, "average",
          std::to_string(*options.average), "a decay from 0 to below 1");
  }
  if (!options.loss_scale) return;
  check(options.guard, "loss_scale without guard", "guard = false", "guard = true");
  const LossScale& scale = *options.loss_scale;
  check(scale.initial >= scale.least && scale.least > 0 && scale.growth >= 1 && scale.backoff > 0 &&
            scale.backoff < 1 && scale.interval >= 1,
        "loss_scale", std::to_string(scale.initial),
        "initial >= least > 0, growth >= 1, 0 < backoff < 1, interval >= 1");
}

NamedState progress_state(const State& state) {
  return {.name = state.name(), .state = state, .role = StateRole::progress, .layout = {}};
}

}  // namespace

struct TrainingStep::Impl {
  Loss loss;
  optim::Optimizer* optimizer;
  StepOptions options;
  optim::Guard guard;
  // Of accumulation: the sums of weighted gradients, and of weights.
  std::vector<State> sums;
  std::optional<State> weight;
  std::int64_t accumulated = 0;
  // Of the loss scale: the factor, and good steps since it changed.
  std::optional<State> scale;
  std::optional<State> good_steps;
  // Of averages: all of them as one vector, and where each begins.
  std::vector<State> averages;
  std::optional<State> average_arena;
  std::vector<std::int64_t> offsets;
  BatchFunction whole;  // a batch that ends an update
  BatchFunction part;   // one that does not

  Impl(Loss given_loss, optim::Optimizer& given_optimizer, const StepOptions& given_options)
      : loss(std::move(given_loss)),
        optimizer(&given_optimizer),
        options(given_options),
        whole([this](const Batch& batch) { return update(batch); }, "train step",
              {.programs = options.programs, .precision = options.precision}),
        part([this](const Batch& batch) { return accumulate(batch); }, "gradient step",
             {.programs = options.programs, .precision = options.precision}) {
    check_options(options);
    const std::vector<State> parameters = optimizer->parameters();
    if (options.accumulate > 1) {
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        sums.emplace_back(zeros(parameters[i].shape(), parameters[i].dtype()),
                          "step.gradient." + std::to_string(i));
      }
      weight.emplace(scalar(0, Dtype::f64), "step.weight");
    }
    if (options.loss_scale) {
      scale.emplace(scalar(options.loss_scale->initial), "step.loss_scale");
      good_steps.emplace(zeros({}, Dtype::i64), "step.good_steps");
    }
    if (options.average) {
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        averages.emplace_back(parameters[i].value(), "step.average." + std::to_string(i));
      }
      average_arena.emplace(make_arena(averages, &offsets));
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Tensor loss_of(const Batch& batch) const {
    const Tensor value = loss(batch);
    if (value.rank() != 0) {
      raise({.where = "training step",
             .what = "the loss is not a scalar",
             .got = value.to_string(),
             .expected = "a mean over the batch",
             .hint = "mean(loss) is one"});
    }
    return value;
  }

  // Gradients of a batch's loss, whatever it was scaled by.
  std::vector<Tensor> gradients_of(const Tensor& value) const {
    const Tensor factor_of_loss = scale ? cast(*scale, value.dtype()) : Tensor();
    const Tensor scaled = scale ? value * factor_of_loss : value;
    std::vector<Tensor> dx = gradients(scaled, optimizer->parameters());
    if (!scale) return dx;
    const NoGradScope untracked;
    const Tensor factor = 1.0 / *scale;
    for (Tensor& each : dx) {
      if (each.defined()) each = each * factor;
    }
    return dx;
  }

  // A batch that only adds to the sums. Gradients that are not finite show when they are used.
  std::vector<Tensor> accumulate(const Batch& batch) {
    std::optional<optim::GuardedStep> guarded;
    if (options.guard) guarded.emplace(guard);
    const Tensor value = loss_of(batch);
    const std::vector<Tensor> dx = gradients_of(value);
    const NoGradScope untracked;
    const Tensor factor = cast(batch.weight(), Dtype::f32);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined()) continue;
      const Tensor weighted = dx[i] * factor;
      sums[i].assign(sums[i] + weighted);
    }
    const Tensor before = *weight;
    weight->assign(before + batch.weight());
    if (!guarded) return {value};
    const Tensor go = guarded->goes_on(value);
    return {value, guarded->end(go, optim::GuardedStep::fault_of(go, value))};
  }

  // The mean of the batches summed so far and this one; the sums start again at zero.
  void take_sums(std::vector<Tensor>* dx, const Tensor& batch_weight) const {
    const Tensor factor = cast(batch_weight, Dtype::f32);
    const Tensor share = cast(1.0 / (*weight + batch_weight), Dtype::f32);
    for (std::size_t i = 0; i < dx->size(); ++i) {
      Tensor& each = (*dx)[i];
      if (!each.defined()) continue;
      const Tensor weighted = each * factor;
      each = (sums[i] + weighted) * share;
      sums[i].assign(zeros(sums[i].shape(), sums[i].dtype()));
    }
    weight->assign(zeros({}, Dtype::f64));
  }

  // Gives whether the update took place; undefined where nothing asks.
  Tensor take_step(std::vector<Tensor> dx, const Tensor& go) const {
    if (options.clip_value) {
      for (Tensor& each : dx) {
        if (each.defined()) each = clamp(each, -*options.clip_value, *options.clip_value);
      }
    }
    // The optimizer keeps its own States, in the pass that updates them.
    const AssignmentScope::Pause pause;
    if (!options.clip_norm) return optimizer->step(dx, go);
    return optimizer->step(optim::clip_gradients(dx, *options.clip_norm), go);
  }

  std::vector<Tensor> update(const Batch& batch) {
    std::optional<optim::GuardedStep> guarded;
    if (options.guard) guarded.emplace(guard);
    const Tensor value = loss_of(batch);
    std::vector<Tensor> dx = gradients_of(value);
    const NoGradScope untracked;
    if (options.accumulate > 1) take_sums(&dx, batch.weight());
    if (!guarded) {
      take_step(std::move(dx), Tensor());
      if (average_arena) update_averages();
      return {value};
    }
    const Tensor go = guarded->goes_on(value);
    const Tensor done = take_step(std::move(dx), go);
    if (average_arena) update_averages();
    Tensor fault = optim::GuardedStep::fault_of(done, value);
    if (scale) fault = adapt_scale(done, fault);
    return {value, guarded->end(done, fault)};
  }

  // A step whose gradients alone are not finite had too large a scale: that is no fault while the
  // scale can still be made smaller. What was summed is lost with the step.
  Tensor adapt_scale(const Tensor& done, const Tensor& fault) const {
    const LossScale& how = *options.loss_scale;
    const Tensor is_overflow = equal(fault, optim::code_of(Fault::gradients));
    const Tensor smaller = *scale * how.backoff;
    const Tensor is_possible = smaller >= how.least;
    const Tensor goes_on = logical_and(is_overflow, is_possible);
    const Tensor count = *good_steps + 1;
    const Tensor is_due = count >= static_cast<double>(how.interval);
    const Tensor grows = logical_and(done, is_due);
    const AssignmentScope::Pause pause;
    const Tensor now = scale->value();
    const Tensor larger = now * how.growth;
    const Tensor kept = where(grows, larger, now);
    scale->assign(where(goes_on, smaller, kept));
    const Tensor stays = logical_not(grows);
    const Tensor counts = logical_and(done, stays);
    good_steps->assign(where(counts, count, 0.0));
    return where(goes_on, 0.0, fault);
  }

  void update_averages() const {
    const Tensor n = cast(optimizer->step_counter(), Dtype::f64);
    const Tensor next = n + 1;
    const Tensor later = n + 10;
    const Tensor decay = cast(minimum(next / later, *options.average), Dtype::f32);
    std::vector<Tensor> now;
    for (const State& parameter : optimizer->parameters()) now.push_back(parameter.value());
    const Tensor old = average_arena->value();
    const Tensor kept = old * decay;
    const Tensor weights = pack(now, offsets, old.elements());
    const Tensor share = 1 - decay;
    average_arena->assign(kept + weights * share);
  }

  Outcome run(const Batch& batch, bool compiled) {
    const bool ends = ++accumulated >= options.accumulate;
    if (ends) accumulated = 0;
    BatchFunction& function = ends ? whole : part;
    const std::vector<Tensor> results = compiled ? function.call(batch) : function.direct(batch);
    return {.loss = results[0], .fault = results.size() > 1 ? results[1] : Tensor()};
  }
};

TrainingStep::TrainingStep(Loss loss, optim::Optimizer& optimizer, const StepOptions& options)
    : impl_(std::make_unique<Impl>(std::move(loss), optimizer, options)) {}
TrainingStep::~TrainingStep() = default;
TrainingStep::TrainingStep(TrainingStep&&) noexcept = default;
TrainingStep& TrainingStep::operator=(TrainingStep&&) noexcept = default;

TrainingStep::Outcome TrainingStep::operator()(const Batch& batch) {
  return impl_->run(batch, true);
}

TrainingStep::Outcome TrainingStep::directly(const Batch& batch) {
  return impl_->run(batch, false);
}

ProgramReport TrainingStep::report(const Batch& batch) { return impl_->whole.report(batch); }
StepTimes TrainingStep::measure(const Batch& batch, int repeats) {
  return impl_->whole.measure(batch, repeats);
}
std::string TrainingStep::find_first_nonfinite(const Batch& batch) {
  return impl_->whole.find_first_nonfinite(batch);
}

std::vector<NamedState> TrainingStep::states() const {
  std::vector<NamedState> found;
  for (const State& state : impl_->sums) found.push_back(progress_state(state));
  for (const auto* each : {&impl_->weight, &impl_->scale, &impl_->good_steps}) {
    if (each->has_value()) found.push_back(progress_state(**each));
  }
  for (const State& state : impl_->averages) found.push_back(progress_state(state));
  return found;
}

std::int64_t TrainingStep::accumulated() const { return impl_->accumulated; }
void TrainingStep::set_accumulated(std::int64_t batches) { impl_->accumulated = batches; }
bool TrainingStep::averages() const { return impl_->average_arena.has_value(); }

void TrainingStep::swap_averages() {
  const std::vector<State> parameters = impl_->optimizer->parameters();
  for (std::size_t i = 0; i < impl_->averages.size(); ++i) {
    const Tensor weight = parameters[i].value();
    parameters[i].assign(impl_->averages[i].value());
    impl_->averages[i].assign(weight);
  }
}

}  // namespace sinter::train
