#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sinter/nn.h"

namespace sinter {
namespace {

std::vector<float> values_of(const State& state) { return state.value().to_vector<float>(); }

TEST(Init, TheSameSeedGivesTheSameWeightsAndAnotherSeedOthers) {
  const auto draw = [](std::uint64_t seed) {
    manual_seed(seed);
    return nn::Sequential{nn::Linear(3, 7), nn::Conv2d(2, 3, 3), nn::Embedding(4, 3)};
  };
  const auto first = draw(5).parameters();
  const auto second = draw(5).parameters();
  const auto other = draw(6).parameters();
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(values_of(first[i]), values_of(second[i])) << i;
    EXPECT_NE(values_of(first[i]), values_of(other[i])) << i;
  }
}

TEST(Init, ModulesOfOneModelDrawDifferentNumbers) {
  manual_seed(1);
  const nn::Linear first(4, 4);
  const nn::Linear second(4, 4);
  EXPECT_NE(values_of(first.weight()), values_of(second.weight()));
  EXPECT_NE(next_seed(), next_seed());
}

// Uniform between -b and b: mean 0, variance b^2 / 3, and both ends come close.
void expect_uniform(const std::vector<float>& values, double bound) {
  double sum = 0;
  double squares = 0;
  double largest = 0;
  double smallest = 0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
    largest = std::max(largest, static_cast<double>(value));
    smallest = std::min(smallest, static_cast<double>(value));
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_LE(largest, bound);
  EXPECT_GE(smallest, -bound);
  EXPECT_GT(largest, 0.99 * bound);
  EXPECT_LT(smallest, -0.99 * bound);
  // Five standard errors.
  EXPECT_NEAR(sum / count, 0, 5 * bound / std::sqrt(3 * count));
  EXPECT_NEAR(squares / count, bound * bound / 3, 5 * bound * bound * 0.3 / std::sqrt(count));
}

TEST(Init, LinearAndConvolutionAreUniformWithPytorchsBound) {
  manual_seed(2);
  const nn::Linear linear(64, 300);
  expect_uniform(values_of(linear.weight()), 1 / 8.0);
  expect_uniform(values_of(nn::Linear(16, 2000).bias()), 1 / 4.0);
  const nn::Conv2d conv(4, 200, 3);
  expect_uniform(values_of(conv.weight()), 1 / 6.0);
  expect_uniform(values_of(nn::Conv2d(1, 2000, 2).bias()), 1 / 2.0);
}

TEST(Init, EmbeddingsAreStandardNormal) {
  manual_seed(3);
  const auto values = values_of(nn::Embedding(200, 50).weight());
  double sum = 0;
  double squares = 0;
  int outside = 0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
    outside += std::abs(value) > 1.959964 ? 1 : 0;
  }
  EXPECT_NEAR(sum / 10000, 0, 0.05);
  EXPECT_NEAR(squares / 10000, 1, 0.07);
  EXPECT_NEAR(outside, 500, 110);
}

TEST(Init, BatchNormStartsAsTheIdentityOfNormalisedValues) {
  const nn::BatchNorm norm(3);
  EXPECT_EQ(values_of(norm.weight()), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(values_of(norm.bias()), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(values_of(norm.running_mean()), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(values_of(norm.running_variance()), (std::vector<float>{1, 1, 1}));
}

}  // namespace
}  // namespace sinter
