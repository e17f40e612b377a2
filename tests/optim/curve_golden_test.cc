#include <algorithm>
#include <memory>

#include "../golden/golden.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter {
namespace {

using golden::Json;

// Ten whole training steps from PyTorch's weights: the losses are PyTorch's.
template <class MakeOptimizer>
void check(const char* name, const nn::Sequential& model, MakeOptimizer make, bool compiled) {
  static const Json curves = golden::read("curves");
  const Json& values = curves.at(name);
  for (const NamedState& each : model.states()) {
    if (each.role != StateRole::parameter) continue;
    const Tensor file = golden::floats(values.at("weights").at(each.name));
    each.state.assign(each.layout.from_file(file));
  }
  const std::unique_ptr<optim::Optimizer> optimizer = make(model.parameters());
  const auto train = [&](const Tensor& x, const Tensor& labels) {
    const Tensor loss = cross_entropy(model(x), labels);
    optimizer->step(gradients(loss, model.parameters()));
    return loss;
  };
  auto step = compile(train);
  const Tensor x = golden::floats(values.at("x"));
  const Tensor labels = golden::integers(values.at("labels"));
  const auto wanted = values.at("losses").get<std::vector<double>>();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Tensor loss = compiled ? step(x, labels) : train(x, labels);
    EXPECT_NEAR(loss.item<float>(), wanted[i], 1e-4 * std::max(1.0, wanted[i]))
        << name << (compiled ? " compiled" : " eager") << ", step " << i;
  }
}

nn::Sequential mlp() {
  return nn::Sequential{nn::Linear(6, 12), nn::ReLU(), nn::Linear(12, 8), nn::GELU(),
                        nn::Linear(8, 3)};
}

nn::Sequential cnn() {
  return nn::Sequential{nn::Conv2d(2, 4, 3, {.padding = {1, 1}}),
                        nn::BatchNorm2d(4),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Flatten(),
                        nn::Linear(36, 3)};
}

std::unique_ptr<optim::Optimizer> adamw(const std::vector<State>& parameters) {
  return std::make_unique<optim::AdamW>(parameters, optim::AdamWOptions{.lr = 1e-2});
}

std::unique_ptr<optim::Optimizer> nesterov(const std::vector<State>& parameters) {
  return std::make_unique<optim::SGD>(
      parameters, optim::SgdOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true});
}

TEST(CurveGolden, MlpWithAdamW) {
  check("mlp_adamw", mlp(), adamw, false);
  check("mlp_adamw", mlp(), adamw, true);
}

TEST(CurveGolden, CnnWithAdamW) {
  check("cnn_adamw", cnn(), adamw, false);
  check("cnn_adamw", cnn(), adamw, true);
}

TEST(CurveGolden, CnnWithNesterovsMomentum) {
  check("cnn_sgd", cnn(), nesterov, false);
  check("cnn_sgd", cnn(), nesterov, true);
}

}  // namespace
}  // namespace sinter
