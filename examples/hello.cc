// Learns which points of a square lie in a ring. The whole training step - forward, gradients,
// update - is one program, made at the first call.
#include <sinter/sinter.h>

#include <cstdio>

namespace si = sinter;

int main() {
  si::nn::Sequential model{si::nn::Linear(2, 64), si::nn::ReLU(), si::nn::Linear(64, 2)};
  si::optim::AdamW optimizer(model.parameters(), {.lr = 1e-2});
  si::train::TrainingStep step(
      [&](const si::Batch& batch) {
        return si::cross_entropy(model(batch["points"]), batch["labels"]);
      },
      optimizer);
  auto share_right = si::compile([&](const si::Tensor& points, const si::Tensor& labels) {
    const si::Tensor guesses = si::argmax(model(points), 1);
    return si::mean(si::cast(si::equal(guesses, labels), si::Dtype::f32));
  });

  si::Generator random(1);
  for (int i = 0; i <= 600; ++i) {
    const si::Tensor points = random.uniform({256, 2}) * 2.0 - 1.0;
    const si::Tensor radius = si::sqrt(si::sum(points * points, {1}));
    const si::Tensor labels = si::cast(si::abs(radius - 0.7) < 0.2, si::Dtype::i64);
    const si::Tensor loss = step({{"points", points}, {"labels", labels}}).loss;
    if (i % 100 == 0) {
      std::printf("step %3d  loss %.3f  right %.3f\n", i, loss.item<float>(),
                  share_right(points, labels).item<float>());
    }
  }
}
