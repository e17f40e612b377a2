// Learns which points of a square lie in a ring. The whole training step - forward, gradients,
// update - is one program, made at the first call.
#include <sinter/sinter.h>

#include <cstdio>
#include <tuple>

namespace si = sinter;

int main() {
  si::nn::Sequential model{si::nn::Linear(2, 64), si::nn::ReLU(), si::nn::Linear(64, 2)};
  si::optim::AdamW optimizer(model.parameters(), {.lr = 1e-2});
  auto step = si::compile([&](const si::Tensor& points, const si::Tensor& labels) {
    const si::Tensor logits = model(points);
    const si::Tensor loss = si::cross_entropy(logits, labels);
    optimizer.step(si::gradients(loss, model.parameters()));
    const si::Tensor outside = si::slice(logits, 1, 0, 1);
    const si::Tensor guesses = outside < si::slice(logits, 1, 1, 2);
    const si::Tensor right = si::equal(si::cast(si::flatten(guesses, 0), si::Dtype::i32), labels);
    return std::tuple(loss, si::mean(si::cast(right, si::Dtype::f32)));
  });

  si::Generator random(1);
  for (int i = 0; i <= 600; ++i) {
    const si::Tensor points = random.uniform({256, 2}) * 2.0 - 1.0;
    const si::Tensor radius = si::sqrt(si::sum(points * points, {1}));
    const si::Tensor labels = si::cast(si::abs(radius - 0.7) < 0.2, si::Dtype::i32);
    const auto [loss, accuracy] = step(points, labels);
    if (i % 100 == 0) {
      std::printf("step %3d  loss %.3f  right %.3f\n", i, loss.item<float>(),
                  accuracy.item<float>());
    }
  }
}
