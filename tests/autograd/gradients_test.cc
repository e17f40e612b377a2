// Gradients of any order, against finite differences in f64, and what is tracked.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using Doubles = std::vector<double>;
using Function = std::function<Tensor(const std::vector<Tensor>&)>;

Tensor doubles(const Doubles& values, const Shape& shape) { return tensor(values, shape); }

Tensor random_doubles(const Shape& shape, std::mt19937& random) {
  std::normal_distribution<double> normal;
  Doubles values(static_cast<std::size_t>(shape.elements()));
  for (double& value : values) value = normal(random);
  return tensor(values, shape);
}

std::vector<Tensor> watched(const std::vector<Tensor>& x) {
  std::vector<Tensor> result;
  for (const Tensor& each : x) result.push_back(watch(each));
  return result;
}

// Central differences of a function to a scalar.
Doubles differences(const Function& f, std::vector<Tensor> x, std::size_t which) {
  const double h = 1e-5;
  const Doubles values = x[which].to_vector<double>();
  const Shape shape = x[which].shape();
  Doubles result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double ends[2];
    for (const int side : {0, 1}) {
      Doubles moved = values;
      moved[i] += side == 0 ? -h : h;
      x[which] = doubles(moved, shape);
      ends[side] = f(x).item<double>();
    }
    result.push_back((ends[1] - ends[0]) / (2 * h));
  }
  return result;
}

void expect_near(const Tensor& dx, const Doubles& wanted, const char* what) {
  const Doubles got = dx.to_vector<double>();
  ASSERT_EQ(got.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-6 * (1 + std::abs(wanted[i]))) << what << ", element " << i;
  }
}

// One scalar of all first gradients, whose gradient holds the second ones. The weights make their
// sum a general direction.
Function gradient_scalar(const Function& f) {
  return [f](const std::vector<Tensor>& x) {
    const std::vector<Tensor> leaves = watched(x);
    const auto dx = gradients(f(leaves), leaves);
    Tensor total;
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const Tensor weights =
          sin(cast(reshape(iota(Shape({dx[i].elements()}), 0), dx[i].shape()), Dtype::f64) * 0.7 +
              static_cast<double>(i));
      const Tensor part = sum(dx[i] * weights);
      total = total.defined() ? total + part : part;
    }
    return total;
  };
}

// First and second order, directly and compiled.
void check(const Function& f, const std::vector<Tensor>& x) {
  const auto all_gradients = [](const Function& g) {
    return [g](const std::vector<Tensor>& given) {
      const std::vector<Tensor> leaves = watched(given);
      return gradients(g(leaves), leaves);
    };
  };
  const Function second = gradient_scalar(f);
  for (const auto& [g, order] : {std::pair(f, "first order"), std::pair(second, "second order")}) {
    const auto dx = all_gradients(g)(x);
    CompiledFunction compiled(all_gradients(g));
    const auto compiled_dx = compiled.call(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(dx[i].defined()) << order << ", input " << i;
      expect_near(dx[i], differences(g, x, i), order);
      EXPECT_TRUE(same_bits(dx[i], compiled_dx[i])) << order << ", input " << i << ", compiled";
    }
  }
}

TEST(Gradients, OfSoftmaxCrossEntropyAreThoseOfDifferencesTwice) {
  std::mt19937 random(1);
  const Tensor labels = tensor(std::vector<std::int64_t>{2, 0, 1, 2}, {4});
  check(
      [&](const std::vector<Tensor>& x) {
        return cross_entropy(linear(tanh(x[0]), x[1], x[2]), labels);
      },
      {random_doubles({4, 5}, random), random_doubles({3, 5}, random),
       random_doubles({3}, random)});
}

TEST(Gradients, OfSoftmaxAndItsLogarithmAreThoseOfDifferencesTwice) {
  std::mt19937 random(2);
  check(
      [](const std::vector<Tensor>& x) {
        return sum(square(softmax(x[0], 0)) + log_softmax(x[0]) * softmax(x[1], 1));
      },
      {random_doubles({3, 4}, random), random_doubles({3, 4}, random)});
}

TEST(Gradients, OfBatchNormAreThoseOfDifferencesTwice) {
  std::mt19937 random(3);
  check(
      [](const std::vector<Tensor>& x) {
        const BatchNormResult result = batch_norm(x[0], x[1], x[2]);
        return sum(square(tanh(result.y))) + sum(result.mean * result.variance);
      },
      {random_doubles({2, 3, 2, 3}, random), random_doubles({3}, random),
       random_doubles({3}, random)});
}

TEST(Gradients, OfConvolutionAndPoolingAreThoseOfDifferencesTwice) {
  std::mt19937 random(4);
  check(
      [](const std::vector<Tensor>& x) {
        const Tensor y =
            conv2d(x[0], x[1], {.stride = {1, 2}, .padding = {1, 0}, .dilation = {1, 1}});
        return sum(square(max_pool2d(tanh(y), {.kernel = {2, 2}, .stride = {1, 1}})));
      },
      {random_doubles({2, 4, 7, 2}, random), random_doubles({3, 3, 3, 2}, random)});
}

TEST(Gradients, OfABroadcastMlpWithFanOutAreThoseOfDifferencesTwice) {
  std::mt19937 random(5);
  check(
      [](const std::vector<Tensor>& x) {
        const Tensor h = gelu(matmul(x[0], x[1]) + x[2]);
        const Tensor both = h * h + sigmoid(h) * mean(h, {0}, true);
        return mean(both * exp(slice(h, 1, 0, 1))) + sum(x[2] / (1.0 + square(x[2])));
      },
      {random_doubles({3, 2}, random), random_doubles({2, 4}, random),
       random_doubles({4}, random)});
}

TEST(Gradients, OfGatherAndViewsAreThoseOfDifferencesTwice) {
  std::mt19937 random(6);
  const Tensor ids = tensor(std::vector<std::int64_t>{1, 1, 0, 3}, {4});
  check(
      [&](const std::vector<Tensor>& x) {
        const Tensor rows = gather(x[0], ids);
        return sum(square(matmul(transpose(rows), permute(pad(rows, {0, 1}, {0, 0}), {0, 1})))) +
               sum(tanh(pack({flatten(x[0], 0), reshape(rows, {-1})}, {1, 13}, 30)));
      },
      {random_doubles({4, 3}, random)});
}

TEST(Gradients, OfAParameterThatIsNotReachedAreUndefined) {
  const State used(scalar(2), "used");
  const State unused(scalar(3), "unused");
  const State detached(scalar(5), "detached");
  const auto dx = gradients(used * detach(detached) + cast(cast(unused, Dtype::i32), Dtype::f32),
                            std::vector<State>{unused, used, detached});
  EXPECT_FALSE(dx[0].defined());
  EXPECT_EQ(dx[1].item<float>(), 5);
  EXPECT_FALSE(dx[2].defined());
}

TEST(Gradients, AddUpOverAllUsesOfAState) {
  const State w(scalar(3), "w");
  const Tensor again = w.value();
  const auto dx = gradients(w * w * again + w, std::vector<State>{w, w});
  EXPECT_EQ(dx[0].item<float>(), 28);  // 3 w^2 + 1
  EXPECT_EQ(dx[1].item<float>(), 28);
}

TEST(Gradients, OfTheLossItselfAndOfValuesOnTheWay) {
  const Tensor x = watch(scalar(2));
  const Tensor middle = x * x;
  const Tensor loss = middle * 3.0;
  const auto dx = gradients(loss, std::vector<Tensor>{loss, middle, x, watch(scalar(1))});
  EXPECT_EQ(dx[0].item<float>(), 1);
  EXPECT_EQ(dx[1].item<float>(), 3);
  EXPECT_EQ(dx[2].item<float>(), 12);
  EXPECT_FALSE(dx[3].defined());
}

TEST(Gradients, AreNotTrackedInANoGradScopeAndBehindDetach) {
  const State w(scalar(3), "w");
  Tensor untracked;
  {
    const NoGradScope scope;
    EXPECT_FALSE(is_tracking());
    untracked = w * 2.0;
  }
  EXPECT_TRUE(is_tracking());
  const std::string nothing = "depends on nothing that is tracked";
  EXPECT_TRUE(says(message_of([&] { gradients(untracked, std::vector<State>{w}); }), nothing));
  EXPECT_TRUE(
      says(message_of([&] { gradients(detach(w * 2.0), std::vector<State>{w}); }), nothing));
  EXPECT_TRUE(says(message_of([&] { gradients(scalar(1), std::vector<State>{w}); }), nothing));
  EXPECT_EQ(gradients(w * untracked, std::vector<State>{w})[0].item<float>(), 6);
}

TEST(Gradients, NeedOneFloatingNumber) {
  const State w(tensor(std::vector<float>{1, 2}, {2}), "w");
  const std::string wrong = "not one floating-point number";
  EXPECT_TRUE(says(message_of([&] { gradients(w * 1.0, std::vector<State>{w}); }), wrong));
  const int line = __LINE__ + 1;
  const std::string message = message_of([&] { gradients(w * 1.0, std::vector<State>{w}); });
  EXPECT_TRUE(says(message, "gradients_test.cc:" + std::to_string(line))) << message;
  EXPECT_TRUE(
      says(message_of([&] { gradients(sum(cast(w, Dtype::i64)), std::vector<State>{w}); }), wrong));
}

TEST(Gradients, OfEmptyHandlesAreErrors) {
  EXPECT_TRUE(says(message_of([] { watch(Tensor()); }), "watch: the Tensor handle is empty"));
  EXPECT_TRUE(says(message_of([] { detach(Tensor()); }), "detach: the Tensor handle is empty"));
  const Tensor x = watch(scalar(1));
  EXPECT_TRUE(says(message_of([&] { gradients(x, std::vector<Tensor>{Tensor()}); }),
                   "gradients: the Tensor handle is empty"));
  EXPECT_TRUE(says(message_of([&] { gradients(Tensor(), std::vector<Tensor>{x}); }), "empty"));
}

TEST(Gradients, OfATensorThatIsNotWatchedAreAnError) {
  const Tensor x = floats({1, 2});
  const Tensor seen = watch(x);
  const Tensor loss = sum(seen * seen);
  const std::string message = message_of([&] { gradients(loss, std::vector<Tensor>{seen, x}); });
  EXPECT_TRUE(says(message, "Tensor 1 is not watched; got f32(2,); take x = watch(x)")) << message;
  EXPECT_TRUE(says(message, "gradients_test.cc:")) << message;
  EXPECT_TRUE(says(message_of([&] { gradients(loss, std::vector<Tensor>{detach(seen)}); }),
                   "is not watched"));
  // One that the loss does not reach has no gradient, as before.
  EXPECT_FALSE(gradients(loss, std::vector<Tensor>{watch(x)})[0].defined());
}

TEST(Gradients, OfAChainOfTwentyThousandOpsDoNotOverflowTheStack) {
  const Tensor x = watch(scalar(1, Dtype::f64));
  Tensor y = x;
  for (int i = 0; i < 20000; ++i) y = y + 0.5;
  EXPECT_EQ(gradients(y, std::vector<Tensor>{x})[0].item<double>(), 1);
}

TEST(Gradients, OfGradientsWithRespectToAStateAreCompiledToo) {
  const State w(scalar(3), "w");
  auto step = compile([&](const Tensor& x) {
    const Tensor loss = w * w * x;
    const Tensor dx = gradients(loss, std::vector<State>{w})[0];
    return std::tuple(dx, gradients(dx * dx, std::vector<State>{w})[0]);
  });
  for (int call = 0; call < 3; ++call) {
    const auto [first, second] = step(scalar(2));
    EXPECT_EQ(first.item<float>(), 12);
    EXPECT_EQ(second.item<float>(), 96);  // d (2 w x)^2 / dw
  }
}

}  // namespace
}  // namespace sinter
