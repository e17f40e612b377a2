// What a process holds in memory for a training step is what the plan says, within a tenth.
//
// Counted is what the model, the optimizer, a batch, the program and 100 steps add to the resident
// memory. A small program with the same layers runs before: what libraries load and what threads
// keep is no part of any plan. Code that oneDNN makes for the shapes of this program is counted.
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

Growth train(const std::function<nn::Sequential(std::int64_t)>& make, const Shape& row,
             const Sizes& sizes, int steps) {
  const std::int64_t before = resident_bytes();
  std::mt19937 random(1);
  nn::Sequential model = make(sizes.width);
  optim::AdamW optimizer(model.parameters());
  CompiledFunction step([&](const std::vector<Tensor>& batch) {
    const Tensor loss = cross_entropy(model(batch[0]), batch[1]);
    optimizer.step(gradients(loss, model.parameters()));
    return std::vector<Tensor>{loss};
  });
  std::vector<std::int64_t> lengths = row.to_vector();
  lengths.insert(lengths.begin(), sizes.batch);
  const std::vector<Tensor> batch = {random_floats(Shape(lengths), random),
                                     random_labels(sizes.batch, 10, random)};
  for (int i = 0; i < steps; ++i) step.call(batch);
  const std::int64_t after = resident_bytes();
  return {.resident = after - before, .planned = step.report(batch).memory.total};
}

void expect_as_planned(const std::function<nn::Sequential(std::int64_t)>& make, const Shape& row,
                       const Sizes& small, const Sizes& real) {
  if (resident_bytes() < 0) GTEST_SKIP() << "the system does not say how much memory is used";
  train(make, row, small, 3);
  const Growth growth = train(make, row, real, 100);
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
      Shape{784}, {.batch = 4, .width = 16}, {.batch = 128, .width = 512});
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
      Shape{28, 28, 1}, {.batch = 2, .width = 32}, {.batch = 128, .width = 32});
}

}  // namespace
}  // namespace sinter
