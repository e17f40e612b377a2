#include <string>

#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter::optim {

std::vector<Tensor> ClippedGradients::scaled() const {
  std::vector<Tensor> results;
  for (const Tensor& gradient : gradients) {
    results.push_back(gradient.defined() ? gradient * scale : gradient);
  }
  return results;
}

ClippedGradients clip_gradients(const std::vector<Tensor>& gradients, double max_norm) {
  if (!(max_norm > 0)) {
    raise({.where = "clip_gradients",
           .what = "the largest norm must be positive",
           .got = std::to_string(max_norm),
           .expected = "1.0",
           .hint = ""});
  }
  const NoGradScope untracked;
  const ModuleScope scope("clip");
  Tensor total;
  for (const Tensor& gradient : gradients) {
    if (!gradient.defined()) continue;
    const Tensor squares = sum(square(cast(gradient, Dtype::f64)));
    total = total.defined() ? total + squares : squares;
  }
  if (!total.defined()) {
    raise({.where = "clip_gradients",
           .what = "there is no gradient",
           .got = std::to_string(gradients.size()) + " undefined ones",
           .expected = "the gradients of a loss that reaches a parameter",
           .hint = ""});
  }
  const Tensor norm = sqrt(total);
  // PyTorch's small number keeps the quotient finite.
  const Tensor scale = minimum(max_norm / (norm + 1e-6), 1.0);
  const Tensor scaled_norm = norm * scale;
  return {.gradients = gradients,
          .norm = cast(norm, Dtype::f32),
          .scale = cast(scale, Dtype::f32),
          .scaled_norm = cast(scaled_norm, Dtype::f32)};
}

}  // namespace sinter::optim
