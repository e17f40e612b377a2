#include "sinter/autograd.h"
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
  return logical_and(isfinite(reshape(loss, Shape{})), guard_.is_alive_);
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
  guard_.good_steps_.assign(guard_.good_steps_ + cast(done, Dtype::i64));
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
  const Tensor loss_is_finite = isfinite(reshape(loss, Shape{}));
  return end(done, where(done, code_of(Fault::none),
                         where(loss_is_finite, code_of(Fault::gradients), code_of(Fault::loss))));
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
