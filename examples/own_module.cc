// Modules of one's own: trained, saved, and read by what would be another program.
#include <sinter/sinter.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace si = sinter;

// x + f(x). Its parameters are named "widen.weight", "widen.bias", "narrow.weight", "narrow.bias".
struct Residual : si::nn::UnaryModule {
  si::nn::Linear widen, narrow;
  si::nn::Dropout dropout;

  explicit Residual(std::int64_t size)
      : widen(add("widen", si::nn::Linear(size, 4 * size))),
        narrow(add("narrow", si::nn::Linear(4 * size, size))),
        dropout(add("dropout", si::nn::Dropout(0.1))) {}

  si::Tensor forward(const si::Tensor& x) const override {
    return x + dropout(narrow(si::gelu(widen(x))));
  }
};

// Points (N, 2) -> values (N, 1). The children's names come before those of their parameters:
// "block.widen.weight".
struct Net : si::nn::UnaryModule {
  si::nn::Linear first = add("first", si::nn::Linear(2, 16));
  Residual block = add("block", Residual(16));
  si::nn::Linear last = add("last", si::nn::Linear(16, 1));
  si::State scale = add_parameter("scale", si::ones({1}));

  si::Tensor forward(const si::Tensor& x) const override {
    const si::Tensor y = last(block(first(x)));
    return y * scale;
  }
};

// Evaluation: dropout passes everything through, batch norm takes its running statistics, and
// nothing is kept for gradients. Both scopes hold for this thread, as long as they live.
si::Tensor predict(const Net& net, const si::Tensor& points) {
  const si::TrainingScope evaluating(false);
  const si::NoGradScope untracked;
  return net(points);
}

void train(const Net& net, si::optim::Optimizer& optimizer, int steps) {
  auto step = si::compile([&](const si::Tensor& points) {
    const si::Tensor wanted = si::sum(points * points, {1}, true);
    const si::Tensor loss = si::mean(si::square(net(points) - wanted));
    optimizer.step(si::gradients(loss, net.parameters()));
    return loss;
  });
  si::Generator random(1);
  for (int i = 0; i < steps; ++i) step(random.uniform({64, 2}));
}

// All that training needs to go on: parameters, running statistics, random positions, moments.
std::vector<si::NamedState> everything(const Net& net, const si::optim::Optimizer& optimizer) {
  std::vector<si::NamedState> states = net.states();
  for (const si::NamedState& state : optimizer.states()) states.push_back(state);
  return states;
}

int main() {
  const std::string weights = "own_module.safetensors";
  const std::string checkpoint = "own_module.checkpoint";
  const si::Tensor points = si::Generator(2).uniform({5, 2});

  si::manual_seed(1);
  Net net;
  si::optim::AdamW optimizer(net.parameters(), {.lr = 1e-2});
  train(net, optimizer, 300);
  si::io::save_weights(weights, net.states(), {{"note", "points to squared radii"}});
  si::io::save_checkpoint(checkpoint, everything(net, optimizer), {});

  // The same struct elsewhere; its own initial weights are replaced.
  Net other;
  si::io::load_weights(weights, other.states());
  const auto same_answers = [&] {
    const std::vector<float> answers = predict(net, points).to_vector<float>();
    return answers == predict(other, points).to_vector<float>();
  };
  const bool same = same_answers();

  // Goes on where the checkpoint was written, bit for bit.
  si::optim::AdamW other_optimizer(other.parameters(), {.lr = 1e-2});
  si::io::load_checkpoint(checkpoint, everything(other, other_optimizer));
  train(net, optimizer, 10);
  train(other, other_optimizer, 10);
  const bool still_same = same_answers();

  for (const float value : predict(net, points).to_vector<float>()) std::printf("%.2f ", value);
  std::printf("\nread back: %s, gone on: %s\n", same ? "same bits" : "other bits",
              still_same ? "same bits" : "other bits");
  return same && still_same ? EXIT_SUCCESS : EXIT_FAILURE;
}
