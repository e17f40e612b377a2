#include <cmath>
#include <string>

#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter::optim {
namespace {

constexpr double kPi = 3.14159265358979323846;

Tensor as_f64(const Tensor& step) { return cast(step, Dtype::f64); }

// From `first` at share 0 to `last` at share 1.
Tensor half_cosine(const Tensor& share, double first, double last) {
  return last + (first - last) * 0.5 * (1.0 + cos(share * kPi));
}

void check_steps(const char* where, std::int64_t steps, std::int64_t least) {
  if (steps >= least) return;
  raise({.where = where,
         .what = "the schedule is too short",
         .got = std::to_string(steps) + " updates",
         .expected = "at least " + std::to_string(least),
         .hint = ""});
}

}  // namespace

double factor_at(const Schedule& schedule, std::int64_t step) {
  const NoGradScope untracked;
  return schedule(tensor(std::vector<std::int64_t>{step}, Shape{})).item<double>();
}

Tensor Constant::operator()(const Tensor&) const { return full({}, 1, Dtype::f64); }

LinearWarmup::LinearWarmup(std::int64_t warmup, Schedule next)
    : warmup_(warmup), next_(std::move(next)) {
  check_steps("LinearWarmup", warmup, 1);
}

Tensor LinearWarmup::operator()(const Tensor& step) const {
  const auto warmup = static_cast<double>(warmup_);
  const Tensor rising = (as_f64(step) + 1.0) / warmup;
  const Tensor is_rising = step < warmup;
  return where(is_rising, rising, next_(maximum(step - warmup, 0.0)));
}

Cosine::Cosine(std::int64_t steps, double last) : steps_(steps), last_(last) {
  check_steps("Cosine", steps, 1);
}

Tensor Cosine::operator()(const Tensor& step) const {
  const auto steps = static_cast<double>(steps_);
  return half_cosine(minimum(as_f64(step) / steps, 1.0), 1, last_);
}

OneCycle::OneCycle(std::int64_t steps, const OneCycleOptions& options)
    : steps_(steps), options_(options) {
  check_steps("OneCycle", steps, 2);
  if (!(options.rise > 0 && options.rise < 1 && options.rise * static_cast<double>(steps) > 1)) {
    raise({.where = "OneCycle",
           .what = "the rising part is empty or everything",
           .got = std::to_string(options.rise) + " of " + std::to_string(steps) + " updates",
           .expected = "a share between 1 / steps and 1",
           .hint = ""});
  }
}

Tensor OneCycle::operator()(const Tensor& step) const {
  const double top = options_.rise * static_cast<double>(steps_) - 1;
  const double end = static_cast<double>(steps_) - 1;
  const Tensor now = as_f64(step);
  const Tensor rising = half_cosine(now / top, options_.first, 1);
  const Tensor falling = half_cosine(minimum((now - top) / (end - top), 1.0), 1, options_.last);
  return where(now <= top, rising, falling);
}

StepDecay::StepDecay(std::int64_t period, double gamma) : period_(period), gamma_(gamma) {
  check_steps("StepDecay", period, 1);
  if (!(gamma > 0)) {
    raise({.where = "StepDecay",
           .what = "gamma must be positive",
           .got = std::to_string(gamma),
           .expected = "0.1",
           .hint = ""});
  }
}

Tensor StepDecay::operator()(const Tensor& step) const {
  return pow(gamma_, floor(as_f64(step) / static_cast<double>(period_)));
}

}  // namespace sinter::optim
