#include "sinter/step.h"

#include <cmath>

#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/state_arena.h"
#include "train/batch_function.h"

namespace sinter::train {
namespace {

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
  std::vector<State> followed;  // by the guard: what the forward pass changes
  StepOptions options;
  State failed{zeros({}, Dtype::boolean), "step.failed"};
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

  Impl(Loss given_loss, optim::Optimizer& given_optimizer, std::vector<NamedState> states,
       const StepOptions& given_options)
      : loss(std::move(given_loss)),
        optimizer(&given_optimizer),
        options(given_options),
        whole([this](const Batch& batch) { return update(batch); }, "train step"),
        part([this](const Batch& batch) { return accumulate(batch); }, "gradient step") {
    check_options(options);
    for (const NamedState& named : states) {
      if (named.role != StateRole::parameter) followed.push_back(named.state);
    }
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
      good_steps.emplace(cast(scalar(0), Dtype::i64), "step.good_steps");
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

  // The values before the forward pass of what it may change.
  std::vector<Tensor> read_followed() const {
    std::vector<Tensor> before;
    if (!options.guard) return before;
    for (const State& state : followed) before.push_back(state.value());
    return before;
  }

  void keep_followed(const Tensor& is_good, const std::vector<Tensor>& before) const {
    for (std::size_t i = 0; i < before.size(); ++i) {
      const Tensor now = followed[i].value();
      if (now.impl() != before[i].impl()) followed[i].assign(where(is_good, now, before[i]));
    }
  }

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

  // Gradients of a batch, in f32 terms of the unscaled loss; in sums that are not yet divided,
  // times the batch's weight.
  std::vector<Tensor> gradients_of(const Tensor& value) const {
    const Tensor scaled = scale ? value * cast(*scale, value.dtype()) : value;
    std::vector<Tensor> dx = gradients(scaled, optimizer->parameters());
    if (!scale) return dx;
    const Tensor factor = 1.0 / scale->value();
    for (Tensor& each : dx) {
      if (each.defined()) each = each * factor;
    }
    return dx;
  }

  bool is_watched() const { return options.guard || scale; }
  Tensor guard_of(const Tensor& value) const { return logical_and(logical_not(failed), isfinite(value)); }

  std::vector<Tensor> accumulate(const Batch& batch) {
    const std::vector<Tensor> before = read_followed();
    const Tensor value = loss_of(batch);
    std::vector<Tensor> dx = gradients_of(value);
    const NoGradScope untracked;
    const Tensor is_good = guard_of(value);
    add_to_sums(dx, batch.weight(), is_good);
    if (options.guard) {
      failed.assign(logical_not(is_good));
      keep_followed(is_good, before);
    }
    return result_of(value);
  }

  std::vector<Tensor> result_of(const Tensor& value) const {
    if (is_watched()) return {value, failed.value()};
    return {value};
  }

  void add_to_sums(const std::vector<Tensor>& dx, const Tensor& batch_weight,
                   const Tensor& is_good) const {
    const Tensor factor = cast(batch_weight, Dtype::f32);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined()) continue;
      const Tensor next = sums[i] + dx[i] * factor;
      sums[i].assign(options.guard ? where(is_good, next, sums[i]) : next);
    }
    const Tensor next = *weight + batch_weight;
    weight->assign(options.guard ? where(is_good, next, *weight) : next);
  }

  // The mean of the batches summed so far and this one; the sums start again at zero.
  void take_sums(std::vector<Tensor>* dx, const Tensor& batch_weight) const {
    const Tensor factor = cast(batch_weight, Dtype::f32);
    const Tensor share = cast(1.0 / (*weight + batch_weight), Dtype::f32);
    for (std::size_t i = 0; i < dx->size(); ++i) {
      Tensor& each = (*dx)[i];
      if (!each.defined()) continue;
      each = (sums[i] + each * factor) * share;
      sums[i].assign(zeros(sums[i].shape(), sums[i].dtype()));
    }
    weight->assign(scalar(0, Dtype::f64));
  }

  std::vector<Tensor> update(const Batch& batch) {
    const std::vector<Tensor> before = read_followed();
    const Tensor value = loss_of(batch);
    std::vector<Tensor> dx = gradients_of(value);
    const NoGradScope untracked;
    if (options.accumulate > 1) take_sums(&dx, batch.weight());
    if (options.clip_value) {
      for (Tensor& each : dx) {
        if (each.defined()) each = clamp(each, -*options.clip_value, *options.clip_value);
      }
    }
    const Tensor is_good = is_watched() ? guard_of(value) : Tensor();
    const Tensor updated =
        options.clip_norm ? optimizer->step(optim::clip_gradients(dx, *options.clip_norm), is_good)
                          : optimizer->step(dx, is_good);
    if (scale) {
      adapt_scale(is_good, updated);
    } else if (options.guard) {
      failed.assign(logical_not(updated));
    }
    if (options.guard) keep_followed(updated, before);
    if (average_arena) update_averages(updated);
    return result_of(value);
  }

  // A step whose gradients alone are not finite had too large a scale.
  void adapt_scale(const Tensor& loss_is_good, const Tensor& updated) const {
    const LossScale& how = *options.loss_scale;
    const Tensor count = where(updated, *good_steps + 1, 0.0);
    const Tensor grows = count >= static_cast<double>(how.interval);
    const Tensor larger = where(grows, *scale * how.growth, *scale);
    const Tensor next = where(updated, larger, *scale * how.backoff);
    const Tensor goes_on = logical_and(loss_is_good, next >= how.least);
    failed.assign(logical_not(goes_on));
    scale->assign(where(goes_on, next, *scale));
    good_steps->assign(where(grows, zeros({}, Dtype::i64), count));
  }

  void update_averages(const Tensor& updated) const {
    const Tensor n = cast(optimizer->step_counter(), Dtype::f64);
    const Tensor decay = cast(minimum((n + 1) / (n + 10), *options.average), Dtype::f32);
    std::vector<Tensor> now;
    for (const State& parameter : optimizer->parameters()) now.push_back(parameter.value());
    const Tensor old = average_arena->value();
    const Tensor next = old * decay + pack(now, offsets, old.elements()) * (1 - decay);
    average_arena->assign(updated.defined() ? where(updated, next, old) : next);
  }

  Outcome run(const Batch& batch, bool compiled) {
    const bool ends = ++accumulated >= options.accumulate;
    if (ends) accumulated = 0;
    BatchFunction& function = ends ? whole : part;
    const std::vector<Tensor> results = compiled ? function.call(batch) : function.direct(batch);
    return {.loss = results[0], .failed = results.size() > 1 ? results[1] : Tensor()};
  }
};

TrainingStep::TrainingStep(Loss loss, optim::Optimizer& optimizer, std::vector<NamedState> states,
                           const StepOptions& options)
    : impl_(std::make_unique<Impl>(std::move(loss), optimizer, std::move(states), options)) {}
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
  std::vector<NamedState> found{progress_state(impl_->failed)};
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
