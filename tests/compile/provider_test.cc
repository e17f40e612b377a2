// A vendor's kernels in compiled functions, on the emulated device: the made-up provider of
// tests/backend runs products, with the epilogues that it knows, in a graph as well.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/system.h"

namespace sinter {
namespace {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

struct Outcome {
  Tensors results;  // in host memory
  ProgramReport report;
};

Tensors on_host(Tensors tensors) {
  for (Tensor& each : tensors) each = to_host(each);
  return tensors;
}

Tensors on_current_device(const Tensors& tensors) {
  Tensors copies;
  for (const Tensor& each : tensors)
    copies.push_back(tensor(each.to_vector<float>(), each.shape()));
  return copies;
}

Outcome run(const char* device, const Function& function, const Tensors& inputs,
            const char* disabled = "") {
  const SwitchScope disable("SINTER_DISABLE", disabled);
  const DeviceScope scope(device);
  CompiledFunction compiled(function, "step");
  const Tensors arguments = on_current_device(inputs);
  Outcome outcome{on_host(compiled.call(arguments)), compiled.report(arguments)};
  return outcome;
}

void expect_near(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::vector<float> left = cast(a[i], Dtype::f32).to_vector<float>();
    const std::vector<float> right = cast(b[i], Dtype::f32).to_vector<float>();
    ASSERT_EQ(left.size(), right.size());
    const float tolerance = a[i].dtype() == Dtype::f32 ? 2e-5F : 2e-2F;
    for (std::size_t j = 0; j < left.size(); ++j) {
      EXPECT_NEAR(left[j], right[j], tolerance * (1 + std::abs(right[j]))) << i << " " << j;
    }
  }
}

class ProviderTest : public testing::Test {
 protected:
  Tensor numbers(const Shape& shape) { return random_floats(shape, random_); }
  // Expects the bits that epilogues leave as they are, and the CPU's numbers about; gives the
  // number of steps that epilogues save.
  int steps_saved(const Function& function, const Tensors& inputs) {
    const Outcome with = run("cuda", function, inputs);
    const Outcome without = run("cuda", function, inputs, "epilogues");
    EXPECT_TRUE(says(with.report.text, " by made_up ")) << with.report.text;
    EXPECT_TRUE(with.report.substituted.empty());
    for (std::size_t i = 0; i < with.results.size(); ++i) {
      EXPECT_TRUE(same_bits(with.results[i], without.results[i])) << i;
    }
    expect_near(with.results, run("cpu", function, inputs).results);
    return without.report.kernels - with.report.kernels;
  }

  std::mt19937 random_{7};
  Tensors linear_ = {numbers({6, 8}), numbers({8, 5}), numbers({5}), numbers({6, 5})};
};

Tensors biased_relu(const Tensors& x) { return {relu(matmul(x[0], x[1]) + x[2])}; }

TEST_F(ProviderTest, BiasAndReluFollowOnAProduct) {
  EXPECT_EQ(steps_saved(biased_relu, linear_), 1);
  const std::string text = run("cuda", biased_relu, linear_).report.text;
  EXPECT_TRUE(says(text, "; matmul, fused: add relu")) << text;
}

// As a training step has it: relu's gradient reads the mask.
TEST_F(ProviderTest, TheMaskOfReluIsASecondOutput) {
  const auto step = [](const Tensors& x) {
    const Tensors weights{watch(x[1]), watch(x[2]), watch(x[3])};
    const Tensor hidden = relu(matmul(x[0], weights[0]) + weights[1]);
    const Tensor y = matmul(hidden, weights[2]);
    Tensors results = gradients(sum(y * y), weights);
    results.push_back(y);
    return results;
  };
  const Tensors inputs{linear_[0], linear_[1], linear_[2], numbers({5, 4})};
  EXPECT_EQ(steps_saved(step, inputs), 1);
  const std::string text = run("cuda", step, inputs).report.text;
  EXPECT_TRUE(says(text, "; matmul, fused: add relu less_equal")) << text;
}

TEST_F(ProviderTest, AllFormsInEveryOrder) {
  const Function forms[] = {
      [](const Tensors& x) { return Tensors{x[2] + matmul(x[0], x[1])}; },
      [](const Tensors& x) { return Tensors{x[3] + matmul(x[0], x[1])}; },
      [](const Tensors& x) { return Tensors{matmul(x[0], x[1]) * 0.3F}; },
      [](const Tensors& x) { return Tensors{x[3] + (x[2] + matmul(x[0], x[1]) * 0.3F)}; },
      [](const Tensors& x) { return Tensors{relu(x[2] + matmul(x[0], x[1]) + x[3])}; },
      [](const Tensors& x) { return Tensors{cast(biased_relu(x)[0], Dtype::bf16)}; },
      [](const Tensors& x) {
        const Tensor y = reshape(matmul(x[0], x[1]), {2, 3, 5});
        return Tensors{y + reshape(x[3], {2, 3, 5})};
      },
  };
  for (const Function& form : forms) {
    EXPECT_EQ(steps_saved(form, linear_), 1) << run("cuda", form, linear_).report.text;
  }
}

// What is no form, or one that this provider does not know, stays a group of its own.
TEST_F(ProviderTest, OtherGroupsStayGroups) {
  const Function others[] = {
      [](const Tensors& x) { return Tensors{gelu(matmul(x[0], x[1]))}; },
      [](const Tensors& x) { return Tensors{clamp(matmul(x[0], x[1]), 0.0, 6.0)}; },
      [](const Tensors& x) { return Tensors{matmul(x[0], x[1]) + x[3] + x[2]}; },
      [](const Tensors& x) { return Tensors{relu(matmul(x[0], x[1])) + x[2]}; },
      [](const Tensors& x) { return Tensors{sum(matmul(x[0], x[1]) + x[2], {0})}; },
      [](const Tensors& x) {
        const Tensor of_rows = mean(x[3], {1}, true);
        return Tensors{matmul(x[0], x[1]) + of_rows};
      },
      [](const Tensors& x) { return Tensors{cast(biased_relu(x)[0], Dtype::f16)}; },
  };
  for (const Function& other : others) EXPECT_EQ(steps_saved(other, linear_), 0);
}

// Several layers, so that the device has a graph, and new numbers at every call.
TEST_F(ProviderTest, GraphsReplayIt) {
  const Function network = [](const Tensors& x) {
    const Tensors weights{watch(x[1]), watch(x[2])};
    Tensor y = x[0];
    for (int layer = 0; layer < 4; ++layer) y = relu(matmul(y, weights[0]) + weights[1]);
    Tensors results = gradients(sum(y * y), weights);
    results.push_back(y);
    return results;
  };
  const DeviceScope cuda("cuda");
  CompiledFunction on_cuda(network, "network");
  const Tensor w = numbers({6, 6}) * 0.5F, b = numbers({6});
  for (int call = 0; call < 5; ++call) {
    const Tensors inputs{numbers({4, 6}), w, b};
    const Tensors got = on_host(on_cuda.call(inputs));
    Tensors kept;
    for (const Tensor& each : inputs) kept.push_back(to_host(each));
    expect_near(got, run("cpu", network, kept).results);
    const ProgramReport report = on_cuda.report(inputs);
    EXPECT_GT(report.kernels, 4);
    EXPECT_TRUE(says(report.text, "; matmul, fused: add relu less_equal")) << report.text;
  }
}

// SINTER_TEST_PROBLEM is the end of what is said where the provider's library cannot be used.
TEST(WithoutProvider, OurOwnKernelsRunAndTheReportSaysWhy) {
  const char* const problem = std::getenv("SINTER_TEST_PROBLEM");
  ASSERT_NE(problem, nullptr);
  std::mt19937 random(3);
  const Tensors inputs{random_floats({6, 8}, random), random_floats({8, 5}, random),
                       random_floats({5}, random)};
  const Outcome cuda = run("cuda", biased_relu, inputs);
  expect_near(cuda.results, run("cpu", biased_relu, inputs).results);
  EXPECT_EQ(cuda.report.kernels, 2);
  EXPECT_EQ(cuda.report.groups, 1);
  EXPECT_FALSE(says(cuda.report.text, " by ")) << cuda.report.text;
  ASSERT_EQ(cuda.report.substituted.size(), 1U);
  const std::string& said = cuda.report.substituted[0];
  EXPECT_EQ(said.find("matmul: made_up is passed over: "), 0U) << said;
  EXPECT_TRUE(said.ends_with(problem)) << said;
}

TEST(NoProvider, WhereNobodyAskedForOneNothingIsChosenOrSaid) {
  std::mt19937 random(3);
  const Tensors inputs{random_floats({6, 8}, random), random_floats({8, 5}, random),
                       random_floats({5}, random)};
  const Outcome cuda = run("cuda", biased_relu, inputs);
  EXPECT_EQ(cuda.report.kernels, 2);
  EXPECT_FALSE(says(cuda.report.text, " by ")) << cuda.report.text;
  EXPECT_TRUE(cuda.report.substituted.empty());
}

}  // namespace
}  // namespace sinter
