#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter::optim {

Tensor code_of(Fault fault) { return full({}, static_cast<double>(fault), Dtype::i32); }

Guard::Guard()
    : is_alive_(ones({}, Dtype::boolean), "guard.is_alive"),
      fault_(zeros({}, Dtype::i32), "guard.fault"),
      good_steps_(zeros({}, Dtype::i64), "guard.good_steps") {}

Guard::Report Guard::report() const {
  return {.fault = static_cast<Fault>(fault_.value().item<std::int32_t>()),
          .good_steps = good_steps_.value().item<std::int64_t>()};
}

void Guard::reset() const {
  is_alive_.assign(ones({}, Dtype::boolean));
  fault_.assign(zeros({}, Dtype::i32));
  good_steps_.assign(zeros({}, Dtype::i64));
}

Tensor GuardedStep::goes_on(const Tensor& loss) const {
  if (!loss.defined() || loss.elements() != 1 || !is_floating(loss.dtype())) {
    raise({.where = "GuardedStep",
           .what = "the loss is not one floating-point number",
           .got = loss.to_string(),
           .expected = "f32()",
           .hint = "reduce it with mean() or sum()"});
  }
  const NoGradScope untracked;
  const Tensor is_finite = isfinite(reshape(loss, Shape{}));
  return logical_and(is_finite, guard_.is_alive_);
}

Tensor GuardedStep::fault_of(const Tensor& done, const Tensor& loss) {
  const NoGradScope untracked;
  const Tensor loss_is_finite = isfinite(reshape(loss, Shape{}));
  const Tensor none = code_of(Fault::none);
  const Tensor of_gradients = code_of(Fault::gradients);
  const Tensor of_loss = code_of(Fault::loss);
  const Tensor worst = where(loss_is_finite, of_gradients, of_loss);
  return where(done, none, worst);
}

Tensor GuardedStep::end(const Tensor& done, const Tensor& fault) const {
  const NoGradScope untracked;
  const AssignmentScope::Pause pause;
  const ModuleScope scope("guard");
  for (const AssignmentScope::Assigned& each : changes_.assigned()) {
    each.state.assign(where(done, each.state.value(), each.before));
  }
  const Tensor is_alive = guard_.is_alive_.value();
  const Tensor first = where(is_alive, fault, guard_.fault_);
  guard_.is_alive_.assign(equal(first, 0.0));  // a value of its own is stored directly
  guard_.fault_.assign(first);
  const Tensor good_steps = guard_.good_steps_.value();
  guard_.good_steps_.assign(good_steps + cast(done, Dtype::i64));
  return first;
}

template <class Gradients>
Tensor GuardedStep::finish(Optimizer& optimizer, const Gradients& gradients,
                           const Tensor& loss) const {
  const Tensor go = goes_on(loss);
  const NoGradScope untracked;
  Tensor done;
  {
    // The optimizer keeps its own States, in the pass that updates them.
    const AssignmentScope::Pause pause;
    done = optimizer.step(gradients, go);
  }
  return end(done, fault_of(done, loss));
}

Tensor GuardedStep::update(Optimizer& optimizer, const std::vector<Tensor>& gradients,
                           const Tensor& loss) const {
  return finish(optimizer, gradients, loss);
}

Tensor GuardedStep::update(Optimizer& optimizer, const ClippedGradients& clipped,
                           const Tensor& loss) const {
  return finish(optimizer, clipped, loss);
}

}  // namespace sinter::optim
