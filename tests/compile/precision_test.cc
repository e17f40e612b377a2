// Functions compiled in 16 bits: what is rounded, and that the rounded copies of States are never
// older than the States.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/state_arena.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;

// Numbers that no 16-bit type holds exactly.
Tensor rough(const Shape& shape, float phase) {
  Floats values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    values.push_back(std::sin(0.7f * static_cast<float>(i) + phase) / 3);
  }
  return tensor(values, shape);
}

Floats rounded(const Tensor& x, Dtype low) {
  return cast(cast(x, low), Dtype::f32).to_vector<float>();
}

class Precision : public testing::TestWithParam<Dtype> {
 protected:
  CompileOptions options() const { return {.precision = GetParam()}; }
  // As `compile` in this precision multiplies, op by op.
  Tensor product(const Tensor& a, const Tensor& b) const {
    return cast(matmul(cast(a, GetParam()), cast(b, GetParam())), Dtype::f32);
  }
};

TEST_P(Precision, APairOfProductsRoundsOperandsAndWhatLeadsOn) {
  const Tensor x = rough({5, 24}, 0), w1 = rough({24, 16}, 1), w2 = rough({16, 3}, 2);
  auto function = compile([](const Tensor& a, const Tensor& b,
                             const Tensor& c) { return matmul(tanh(matmul(a, b) + 0.25), c); },
                          "pair", options());
  const Tensor hidden = tanh(product(x, w1) + 0.25);
  const Tensor y = function(x, w1, w2);
  EXPECT_EQ(y.dtype(), Dtype::f32);
  // The last product's sum is a result, and so stays f32: rounding it gives what 16 bits would.
  EXPECT_EQ(rounded(y, GetParam()), product(hidden, w2).to_vector<float>());
  EXPECT_NE(y.to_vector<float>(), product(hidden, w2).to_vector<float>());
  EXPECT_NE(y.to_vector<float>(), matmul(tanh(matmul(x, w1) + 0.25), w2).to_vector<float>());
}

TEST_P(Precision, SumsAreF32) {
  // 300 ones: bf16 counts to 256, f16 to 2048 by ones.
  auto function =
      compile([](const Tensor& each, const Tensor& factor) { return matmul(each, factor); },
              "count", options());
  EXPECT_EQ(function(ones({1, 3001}), ones({3001, 1})).item<float>(), 3001);
}

TEST_P(Precision, EverythingButContractionsComputesInF32) {
  const Tensor x = rough({64, 33}, 0);
  const auto statistics = [](const Tensor& each) {
    return std::tuple{softmax(exp(each) * 1.001), sum(each), mean(each * each, {0})};
  };
  auto low = compile(statistics, "low", options());
  auto full = compile(statistics, "full");
  const auto [a0, a1, a2] = low(x);
  const auto [b0, b1, b2] = full(x);
  EXPECT_EQ(a0.to_vector<float>(), b0.to_vector<float>());
  EXPECT_EQ(a1.to_vector<float>(), b1.to_vector<float>());
  EXPECT_EQ(a2.to_vector<float>(), b2.to_vector<float>());
}

TEST_P(Precision, F64StaysF64) {
  const Tensor x = cast(rough({4, 9}, 0), Dtype::f64), w = cast(rough({9, 4}, 1), Dtype::f64);
  auto function =
      compile([](const Tensor& each, const Tensor& factor) { return matmul(each, factor); }, "wide",
              options());
  EXPECT_EQ(function(x, w).to_vector<double>(), matmul(x, w).to_vector<double>());
}

TEST_P(Precision, AResultThatIsAlsoMultipliedKeepsItsBits) {
  const Tensor x = rough({8, 8}, 0);
  auto function = compile(
      [](const Tensor& each) {
        const Tensor y = exp(each);
        return std::tuple{y, matmul(y, each)};
      },
      "both", options());
  EXPECT_EQ(std::get<0>(function(x)).to_vector<float>(), exp(x).to_vector<float>());
}

TEST_P(Precision, GradientsOfWeightsAreSumsInF32) {
  const State w(rough({6, 5}, 1), "w");
  const Tensor x = rough({300, 6}, 0);
  auto function = compile(
      [&](const Tensor& each) {
        return gradients(sum(matmul(each, w.value())), std::vector<State>{w})[0];
      },
      "gradient", options());
  const Tensor dw = function(x);
  const Tensor rounded_x = cast(cast(x, GetParam()), Dtype::f32);
  const Tensor expected = matmul(transpose(rounded_x), ones({300, 5}));
  const Floats got = dw.to_vector<float>(), wanted = expected.to_vector<float>();
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 2e-5) << i;
}

TEST_P(Precision, AssigningAStateReachesItsCopy) {
  const State w(rough({6, 5}, 1), "w");
  const Tensor x = rough({3, 6}, 0);
  auto function =
      compile([&](const Tensor& each) { return matmul(each, w.value()); }, "read", options());
  for (const float phase : {1.0f, 2.0f, 3.0f}) {
    w.assign(rough({6, 5}, phase));
    EXPECT_EQ(rounded(function(x), GetParam()), product(x, w.value()).to_vector<float>()) << phase;
  }
}

TEST_P(Precision, AStepOfFullPrecisionReachesTheCopy) {
  const State w(rough({6, 5}, 1), "w");
  const Tensor x = rough({3, 6}, 0);
  auto read =
      compile([&](const Tensor& each) { return matmul(each, w.value()); }, "read", options());
  auto full = compile(
      [&](const Tensor& each) {
        w.assign(w.value() * 0.9);
        return each;
      },
      "full");
  auto low = compile(
      [&](const Tensor& each) {
        w.assign(w.value() - 0.1 * matmul(transpose(each), matmul(each, w.value())));
        return each;
      },
      "low", options());
  for (int i = 0; i < 3; ++i) {
    full(x);
    EXPECT_EQ(rounded(read(x), GetParam()), product(x, w.value()).to_vector<float>()) << i;
    low(x);
    EXPECT_EQ(rounded(read(x), GetParam()), product(x, w.value()).to_vector<float>()) << i;
  }
}

TEST_P(Precision, PartsOfAnArenaHaveOneCopy) {
  const State a(rough({6, 5}, 1), "a"), b(rough({5, 6}, 2), "b");
  const Tensor x = rough({3, 6}, 0);
  auto read =
      compile([&](const Tensor& each) { return matmul(matmul(each, a.value()), b.value()); },
              "read", options());
  const auto expected = [&] { return product(product(x, a.value()), b.value()); };
  EXPECT_EQ(rounded(read(x), GetParam()), expected().to_vector<float>());
  std::vector<std::int64_t> offsets;
  const State arena = make_arena({a, b}, &offsets);
  EXPECT_EQ(rounded(read(x), GetParam()), expected().to_vector<float>());
  b.assign(rough({5, 6}, 7));
  EXPECT_EQ(rounded(read(x), GetParam()), expected().to_vector<float>());
  auto step = compile(
      [&](const Tensor& each) {
        arena.assign(arena.value() * 1.25);
        return read(each);
      },
      "step", options());
  step(x);
  EXPECT_EQ(rounded(read(x), GetParam()), expected().to_vector<float>());
}

TEST_P(Precision, OnlyTheCopiesAreReadByProducts) {
  const State w(rough({64, 64}, 1), "w");
  auto function =
      compile([&](const Tensor& each) { return matmul(each, w.value()); }, "read", options());
  const ProgramReport report = function.report(rough({4, 64}, 0));
  // x is rounded by a kernel of its own; w is not.
  EXPECT_EQ(report.kernels, 2) << report.text;
}

TEST_P(Precision, TheFirstNanIsFoundWhereItIsMade) {
  const Tensor x = full({4, 4}, 3e38), w = full({4, 4}, 3e38);
  auto function =
      compile([](const Tensor& each,
                 const Tensor& factor) { return matmul(relu(matmul(each, factor) * 0.5), factor); },
              "big", options());
  const std::string found = function.function().find_first_nonfinite({x, w});
  EXPECT_FALSE(found.empty());
}

INSTANTIATE_TEST_SUITE_P(Types, Precision, testing::Values(Dtype::bf16, Dtype::f16),
                         [](const auto& each) { return std::string(name_of(each.param)); });

TEST(PrecisionOptions, OtherTypesAreRefused) {
  EXPECT_THROW(compile([](const Tensor& each) { return each; }, "f", {.precision = Dtype::f64}),
               Error);
  EXPECT_THROW(compile([](const Tensor& each) { return each; }, "f", {.precision = Dtype::i32}),
               Error);
}

}  // namespace
}  // namespace sinter
