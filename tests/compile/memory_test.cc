// What a process holds in memory for a training step is what the plan says, within a tenth.
//
// Counted is what the model, the optimizer, a batch, the program and 100 steps add to the resident
// memory. An equal one runs before, and stays: what libraries load, what threads keep and what
// oneDNN keeps for the shapes of this program is no part of any plan. (oneDNN 2.6 keeps some 30 kB
// for a product, 3.7 some 130 kB: descriptors of a kernel for each rest of each length. Programs
// share it.)
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/resident_memory.h"
#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter {
namespace {

struct Growth {
  std::int64_t resident = 0;
  std::int64_t planned = 0;
};

struct Sizes {
  std::int64_t batch;
  std::int64_t width;  // of hidden layers, or channels
};

// A model, its optimizer, a batch and a compiled step.
class Training {
 public:
  Training(const std::function<nn::Sequential(std::int64_t)>& make, const Shape& row,
           const Sizes& sizes)
      : model_(make(sizes.width)), optimizer_(model_.parameters()), step_(loss()) {
    std::mt19937 random(1);
    std::vector<std::int64_t> lengths = row.to_vector();
    lengths.insert(lengths.begin(), sizes.batch);
    batch_ = {random_floats(Shape(lengths), random), random_labels(sizes.batch, 10, random)};
  }
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step_.call(batch_);
  }
  std::int64_t planned_bytes() { return step_.report(batch_).memory.total; }

 private:
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> loss() {
    return [this](const std::vector<Tensor>& batch) {
      const Tensor loss = cross_entropy(model_(batch[0]), batch[1]);
      optimizer_.step(gradients(loss, model_.parameters()));
      return std::vector<Tensor>{loss};
    };
  }

  nn::Sequential model_;
  optim::AdamW optimizer_;
  CompiledFunction step_;
  std::vector<Tensor> batch_;
};

void expect_as_planned(const std::function<nn::Sequential(std::int64_t)>& make, const Shape& row,
                       const Sizes& sizes) {
  if (resident_bytes() < 0) GTEST_SKIP() << "the system does not say how much memory is used";
  Training first(make, row, sizes);
  first.run(3);
  const std::int64_t before = resident_bytes();
  Training second(make, row, sizes);
  second.run(100);
  const Growth growth{.resident = resident_bytes() - before, .planned = second.planned_bytes()};
  testing::Test::RecordProperty("resident_bytes", std::to_string(growth.resident));
  testing::Test::RecordProperty("planned_bytes", std::to_string(growth.planned));
  std::printf("resident %lld, planned %lld: %.3f\n", static_cast<long long>(growth.resident),
              static_cast<long long>(growth.planned),
              static_cast<double>(growth.resident) / static_cast<double>(growth.planned));
  EXPECT_LE(growth.resident, growth.planned + growth.planned / 10);
  EXPECT_GE(growth.resident, growth.planned / 2) << "so much cannot be missing";
}

// Tensors of ever new sizes, one at a time: 820 MB in all.
TEST(ResidentMemory, OfEverNewSizesStaysNearTheLargest) {
  if (resident_bytes() < 0) GTEST_SKIP() << "the system does not say how much memory is used";
  ones({1});
  const std::int64_t before = resident_bytes();
  for (std::int64_t megabytes = 1; megabytes <= 40; ++megabytes) ones({megabytes << 18});
  EXPECT_LE(resident_bytes() - before, std::int64_t{100} << 20);
}

TEST(ResidentMemory, OfAnMlpGrowsByWhatIsPlanned) {
  expect_as_planned(
      [](std::int64_t width) {
        return nn::Sequential{nn::Linear(784, width), nn::ReLU(), nn::Linear(width, width),
                              nn::ReLU(), nn::Linear(width, 10)};
      },
      Shape{784}, {.batch = 128, .width = 512});
}

TEST(ResidentMemory, OfACnnGrowsByWhatIsPlanned) {
  expect_as_planned(
      [](std::int64_t width) {
        const nn::Conv2dModuleOptions same{.padding = {1, 1}};
        return nn::Sequential{nn::Conv2d(1, width, 3, same),
                              nn::ReLU(),
                              nn::MaxPool2d(2),
                              nn::Conv2d(width, 2 * width, 3, same),
                              nn::ReLU(),
                              nn::MaxPool2d(2),
                              nn::Flatten(),
                              nn::Linear(7 * 7 * 2 * width, 4 * width),
                              nn::ReLU(),
                              nn::Linear(4 * width, 10)};
      },
      Shape{28, 28, 1}, {.batch = 128, .width = 32});
}

}  // namespace
}  // namespace sinter
