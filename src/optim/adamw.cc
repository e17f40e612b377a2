#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter::optim {
namespace {

std::vector<std::string> moments_of(const AdamWOptions& options) {
  for (const double beta : {options.beta1, options.beta2}) {
    if (beta >= 0 && beta < 1) continue;
    raise({.where = "AdamW",
           .what = "a beta is out of range",
           .got = std::to_string(beta),
           .expected = "0 <= beta < 1",
           .hint = ""});
  }
  if (!(options.epsilon > 0)) {
    raise({.where = "AdamW",
           .what = "epsilon must be positive",
           .got = std::to_string(options.epsilon),
           .expected = "1e-8",
           .hint = ""});
  }
  return {"m", "v"};
}

}  // namespace

AdamW::AdamW(std::vector<State> parameters, const AdamWOptions& options)
    : AdamW(std::vector<ParameterGroup>{{.parameters = std::move(parameters)}}, options) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : Optimizer("AdamW", std::move(groups), options.lr, options.weight_decay,
                {.moments = moments_of(options), .counts_updates = true}),
      options_(options) {}

// The scalars are computed in f64 and rounded once; an element costs one root and one division.
// Zero pads stay zero: their moments are zero and epsilon is not.
Optimizer::Piece AdamW::updated(const Piece& piece, const Tensor& gradient,
                                const Update& update) const {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const Tensor count = cast(update.count, Dtype::f64);
  const Tensor correction1 = 1.0 - pow(beta1, count);
  const Tensor correction2 = 1.0 - pow(beta2, count);
  const Tensor rate = cast(update.learning_rate / correction1, Dtype::f32);
  const Tensor root = cast(rsqrt(correction2), Dtype::f32);

  const Tensor& old_m = piece.moments[0];
  const Tensor m = old_m + (gradient - old_m) * (1 - beta1);
  const Tensor kept = piece.moments[1] * beta2;
  const Tensor v = kept + gradient * gradient * (1 - beta2);
  const Tensor denominator = sqrt(v) * root + options_.epsilon;
  Tensor p = piece.parameters;
  if (update.weight_decay != 0) {
    p = p * cast(1.0 - update.learning_rate * update.weight_decay, Dtype::f32);
  }
  return {p - rate * (m / denominator), {m, v}};
}

// v takes in squares; m is at most as large as a gradient, and its quotient is bounded by epsilon.
Tensor AdamW::keeps_finite(const Tensor& magnitude) const { return isfinite(square(magnitude)); }

}  // namespace sinter::optim
