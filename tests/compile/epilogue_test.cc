// Epilogues in compiled functions: which groups follow on a contraction, with the same bits as
// without, and what stands in the program's text.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

struct Outcome {
  Tensors results;
  ProgramReport report;
};

Outcome run(const Function& function, const Tensors& inputs, const char* disabled) {
  const SwitchScope disable("SINTER_DISABLE", disabled);
  CompiledFunction compiled(function, "step");
  Outcome outcome{compiled.call(inputs), compiled.report(inputs)};
  return outcome;
}

// Expects the same bits with and without, and gives the number of kernels that epilogues save.
int kernels_saved(const Function& function, const Tensors& inputs) {
  const Outcome with = run(function, inputs, "");
  const Outcome without = run(function, inputs, "epilogues");
  for (std::size_t i = 0; i < with.results.size(); ++i) {
    EXPECT_EQ(values_of(with.results[i]), values_of(without.results[i])) << i;
  }
  return without.report.kernels - with.report.kernels;
}

class EpilogueTest : public ::testing::Test {
 protected:
  Tensor numbers(const Shape& shape) { return random_floats(shape, random_); }

  std::mt19937 random_{5};
};

TEST_F(EpilogueTest, BiasActivationAndResidualFollowOnAConvolution) {
  const int saved = kernels_saved(
      [](const Tensors& x) {
        const Tensor y = conv2d(x[0], x[1], {.padding = {1, 1}}) + x[2];
        return Tensors{relu(y) + x[3]};
      },
      {numbers({32, 8, 8, 3}), numbers({16, 3, 3, 3}), numbers({16}), numbers({32, 8, 8, 16})});
  EXPECT_EQ(saved, 1);
}

TEST_F(EpilogueTest, TheTextNamesTheKernelAndShowsTheEpilogue) {
  const Function function = [](const Tensors& x) { return Tensors{relu(conv2d(x[0], x[1]))}; };
  const Tensors inputs{numbers({32, 8, 8, 3}), numbers({16, 3, 3, 3})};
  const std::string text = run(function, inputs, "").report.text;
  EXPECT_TRUE(says(text, " by onednn ") || says(text, " by loops ")) << text;
  EXPECT_TRUE(says(text, "; conv, fused: relu ")) << text;
  EXPECT_TRUE(says(text, "    group map ")) << text;
}

TEST_F(EpilogueTest, AResultThatIsReadTwiceIsStored) {
  const auto two_readers = [](const Tensors& x) {
    const Tensor y = conv2d(x[0], x[1]);
    return Tensors{relu(y), y};
  };
  EXPECT_EQ(kernels_saved(two_readers, {numbers({32, 8, 8, 3}), numbers({16, 3, 3, 3})}), 0);
}

TEST_F(EpilogueTest, OfTwoContractionsTheLargerIsFollowed) {
  const Tensors inputs{numbers({32, 8, 8, 3}), numbers({16, 3, 3, 3}), numbers({32, 6, 6, 8}),
                       numbers({16, 1, 1, 8})};
  const auto one = [](const Tensors& x) {
    return Tensors{relu(conv2d(x[0], x[1]) + conv2d(x[2], x[3]))};
  };
  const auto other = [](const Tensors& x) {
    return Tensors{relu(conv2d(x[2], x[3]) + conv2d(x[0], x[1]))};
  };
  for (const Function& function : {Function(one), Function(other)}) {
    EXPECT_EQ(kernels_saved(function, inputs), 1);
    const std::string text = run(function, inputs, "").report.text;
    const std::size_t line = text.find("; conv, fused:");
    ASSERT_NE(line, std::string::npos) << text;
    const std::string step = text.substr(text.rfind('\n', line), line - text.rfind('\n', line));
    EXPECT_TRUE(says(step, "f32(16, 3, 3, 3)")) << step;
  }
}

TEST_F(EpilogueTest, AnotherOrderOfElementsIsNoEpilogue) {
  const auto transposed = [](const Tensors& x) {
    return Tensors{relu(permute(conv2d(x[0], x[1]), {0, 2, 1, 3}) + x[2])};
  };
  EXPECT_EQ(kernels_saved(transposed, {numbers({32, 8, 8, 3}), numbers({16, 3, 3, 3}),
                                       numbers({32, 6, 6, 16})}),
            0);
}

// The epilogue writes where the residual was, but never over what the convolution reads.
TEST_F(EpilogueTest, InputsOfTheContractionAreNotOverwritten) {
  const auto residual = [](const Tensors& x) {
    const Tensor a = x[0] * 2.0F;
    return Tensors{a + conv2d(a, x[1], {.padding = {1, 1}})};
  };
  EXPECT_EQ(kernels_saved(residual, {numbers({8, 8, 8, 16}), numbers({16, 3, 3, 16})}), 1);
  // By images, where they are oneDNN's.
  EXPECT_LE(kernels_saved(residual, {numbers({32, 8, 8, 16}), numbers({16, 3, 3, 16})}), 1);
}

TEST_F(EpilogueTest, AStepWithGradientsHasTheSameBits) {
  const auto step = [](const Tensors& x) {
    Tensors weights{watch(x[1]), watch(x[2]), watch(x[3])};
    const Tensor hidden = gelu(conv2d(x[0], weights[0], {.padding = {1, 1}}) + weights[1]);
    const Tensor y = relu(matmul(reshape(hidden, {32, 8 * 8 * 16}), weights[2]));
    Tensors results = gradients(sum(y * y), weights);
    results.push_back(y);
    return results;
  };
  EXPECT_GE(kernels_saved(step, {numbers({32, 8, 8, 3}), numbers({16, 3, 3, 3}), numbers({16}),
                                 numbers({8 * 8 * 16, 10})}),
            1);
}

}  // namespace
}  // namespace sinter
