// Whole training steps of small networks, for the tests that compare and count them. They are
// written out, not train::TrainingStep, which stands to the right of what is tested: a function
// that reads and assigns States, with results beside its loss. tests/train compares the public step
// with its ops one by one.
#ifndef SINTER_TESTS_COMPILE_TRAINING_STEPS_H_
#define SINTER_TESTS_COMPILE_TRAINING_STEPS_H_

#include <memory>
#include <string>
#include <vector>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter {

// A model with clipping, schedule and AdamW: all that changes from step to step.
class ModelStep {
 public:
  explicit ModelStep(nn::Sequential model)
      : model_(std::move(model)),
        optimizer_(
            std::make_unique<optim::AdamW>(model_.parameters(), optim::AdamWOptions{.lr = 1e-2})) {
    optimizer_->set_schedule(optim::LinearWarmup(3, optim::Cosine(20, 0.1)));
  }

  // {loss, norm of the gradients}
  std::vector<Tensor> operator()(const std::vector<Tensor>& batch) const {
    const Tensor loss = cross_entropy(model_(batch[0]), batch[1]);
    const auto clipped = optim::clip_gradients(gradients(loss, optimizer_->parameters()), 0.5);
    optimizer_->step(clipped);
    return {loss, clipped.norm};
  }

  Tensor logits(const Tensor& x) const { return model_(x); }
  optim::AdamW& optimizer() const { return *optimizer_; }

  // Everything that training has changed.
  std::vector<NamedState> states() const {
    std::vector<NamedState> all = model_.states();
    for (const NamedState& each : optimizer_->states()) all.push_back(each);
    return all;
  }

 private:
  nn::Sequential model_;
  std::unique_ptr<optim::AdamW> optimizer_;
};

inline ModelStep mlp_step() {
  manual_seed(3);
  return ModelStep(nn::Sequential{nn::Linear(37, 48), nn::GELU(), nn::Dropout(0.25),
                                  nn::Linear(48, 33), nn::ReLU(), nn::Linear(33, 10)});
}
inline std::vector<Tensor> mlp_batch(std::int64_t count, std::mt19937& random) {
  return {random_floats({count, 37}, random), random_labels(count, 10, random)};
}

inline ModelStep cnn_step() {
  manual_seed(4);
  return ModelStep(nn::Sequential{nn::Conv2d(2, 8, 3, {.padding = {1, 1}, .bias = false}),
                                  nn::BatchNorm2d(8), nn::ReLU(), nn::MaxPool2d(2),
                                  nn::Conv2d(8, 12, 3), nn::ReLU(), nn::Dropout(0.5), nn::Flatten(),
                                  nn::Linear(12 * 4 * 4, 10)});
}
inline std::vector<Tensor> cnn_batch(std::int64_t count, std::mt19937& random) {
  return {random_floats({count, 12, 12, 2}, random), random_labels(count, 10, random)};
}

}  // namespace sinter

#endif  // SINTER_TESTS_COMPILE_TRAINING_STEPS_H_
