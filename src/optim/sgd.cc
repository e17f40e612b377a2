#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter::optim {
namespace {

std::vector<std::string> moments_of(const SgdOptions& options) {
  if (!(options.momentum >= 0 && options.momentum < 1)) {
    raise({.where = "SGD",
           .what = "momentum is out of range",
           .got = std::to_string(options.momentum),
           .expected = "0 <= momentum < 1",
           .hint = ""});
  }
  if (options.nesterov && options.momentum == 0) {
    raise({.where = "SGD",
           .what = "Nesterov's method needs momentum",
           .got = "momentum 0",
           .expected = "momentum above 0",
           .hint = ""});
  }
  if (options.momentum == 0) return {};
  return {"momentum"};
}

}  // namespace

SGD::SGD(std::vector<State> parameters, const SgdOptions& options)
    : SGD(std::vector<ParameterGroup>{{.parameters = std::move(parameters)}}, options) {}

SGD::SGD(std::vector<ParameterGroup> groups, const SgdOptions& options)
    : Optimizer("SGD", std::move(groups), options.lr, options.weight_decay,
                {.moments = moments_of(options)}),
      options_(options) {}

Optimizer::Piece SGD::updated(const Piece& piece, const Tensor& gradient,
                              const Update& update) const {
  const Tensor rate = cast(update.learning_rate, Dtype::f32);
  Tensor direction = gradient;
  if (update.weight_decay != 0) direction = direction + piece.parameters * update.weight_decay;
  std::vector<Tensor> moments;
  if (options_.momentum != 0) {
    const Tensor velocity = piece.moments.front() * options_.momentum + direction;
    direction = options_.nesterov ? direction + velocity * options_.momentum : velocity;
    moments.push_back(velocity);
  }
  return {piece.parameters - direction * rate, std::move(moments)};
}

}  // namespace sinter::optim
