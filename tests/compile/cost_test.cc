// What compiled functions cost: the sum of their steps, whatever they were fused into.

#include <gtest/gtest.h>

#include "compile/checks.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/scan.h"

namespace sinter {
namespace {

using Tensors = std::vector<Tensor>;

ProgramReport report(const CompiledFunction::Function& function, const Tensors& inputs,
                     const CompileOptions& options = {}) {
  CompiledFunction compiled(function, "step", options);
  return compiled.report(inputs);
}

Cost total(const ProgramReport& report) {
  Cost sum;
  for (const StepReport& step : report.steps) sum.add(step.cost);
  return sum;
}

TEST(ProgramCost, TheReportIsTheSumOfItsSteps) {
  const ProgramReport made =
      report([](const Tensors& x) { return Tensors{softmax(matmul(x[0], x[1]))}; },
             {ones({8, 16}), ones({16, 32})});
  const Cost sum = total(made);
  EXPECT_EQ(static_cast<int>(made.steps.size()), made.kernels);
  EXPECT_EQ(sum.kernels, made.kernels);
  EXPECT_EQ(sum.flops, made.flops);
  EXPECT_EQ(sum.bytes, made.bytes);
  EXPECT_EQ(sum.on(Unit::contraction_f32), 2.0 * 8 * 16 * 32);
  EXPECT_EQ(made.steps.front().kind, StepKind::contraction);
}

// max, subtract, exp, sum and divide of each element, of which exp is several operations: the
// composite costs what its parts do by themselves.
TEST(ProgramCost, ACompositeIsTheSumOfItsParts) {
  const Tensor x = ones({8, 32});
  const Cost whole = total(report([](const Tensors& i) { return Tensors{softmax(i[0])}; }, {x}));
  const Cost exponential = total(report([](const Tensors& i) { return Tensors{exp(i[0])}; }, {x}));
  EXPECT_EQ(whole.flops, 5 * 256);
  EXPECT_EQ(whole.bytes, 2 * 256 * 4);
  EXPECT_EQ(whole.kernels, 1);
  EXPECT_GT(exponential.on(Unit::vector_32), 10 * 256);
  EXPECT_EQ(whole.on(Unit::vector_32), exponential.on(Unit::vector_32) + 4 * 256);
  EXPECT_EQ(whole.on(Unit::vector_64), 0);
}

TEST(ProgramCost, In16BitsProductsAreAnotherUnitAndBytesAreHalved) {
  const auto function = [](const Tensors& i) { return Tensors{matmul(i[0], i[1])}; };
  const Tensors inputs{cast(ones({32, 64}), Dtype::bf16), cast(ones({64, 16}), Dtype::bf16)};
  const Cost half = total(report(function, inputs));
  const Cost full = total(report(function, {ones({32, 64}), ones({64, 16})}));
  EXPECT_EQ(half.flops, full.flops);
  EXPECT_EQ(half.bytes, full.bytes / 2);
  EXPECT_EQ(half.on(Unit::contraction_bf16), full.on(Unit::contraction_f32));
  EXPECT_EQ(half.on(Unit::contraction_f32), 0);
  const Cost lowered =
      total(report(function, {ones({32, 64}), ones({64, 16})}, {.precision = Dtype::bf16}));
  EXPECT_EQ(lowered.on(Unit::contraction_bf16), full.on(Unit::contraction_f32));
  EXPECT_EQ(lowered.on(Unit::contraction_f32), 0);
}

// Whether or not it runs in the contraction's kernel, what follows works on vectors.
TEST(ProgramCost, WhatFollowsOnAContractionKeepsItsUnit) {
  const auto function = [](const Tensors& i) { return Tensors{relu(matmul(i[0], i[1]) + i[2])}; };
  const Tensors inputs{ones({64, 64}), ones({64, 64}), ones({64})};
  const ProgramReport with = report(function, inputs);
  const SwitchScope disable("SINTER_DISABLE", "epilogues");
  const ProgramReport without = report(function, inputs);
  EXPECT_EQ(total(with).work, total(without).work);
  EXPECT_EQ(total(with).flops, total(without).flops);
  EXPECT_LE(total(with).bytes, total(without).bytes);
  EXPECT_GT(total(with).on(Unit::vector_32), 64 * 64);
}

// A sum is made in its place, an argument has to be copied there.
TEST(ProgramCost, WhatIsPackedInItsPlaceIsNotMoved) {
  const auto packed = [](const Tensors& i) {
    return Tensors{pack({i[0] + i[1], i[0]}, {0, 32}, 64) + 1.0F};
  };
  const ProgramReport made = report(packed, {ones({32}), ones({32})});
  ASSERT_EQ(made.steps.size(), 3u);  // the sum, the pack, what reads it
  EXPECT_EQ(made.steps[1].label, "pack");
  EXPECT_EQ(made.steps[1].cost.bytes, 2 * 32 * 4);
  const auto in_place = [](const Tensors& i) {
    const Tensor all = pack({i[0] + i[1], i[0] * i[1]}, {0, 32}, 64);
    return Tensors{all + 1.0F};
  };
  for (const StepReport& step : report(in_place, {ones({32}), ones({32})}).steps) {
    EXPECT_NE(step.label, "pack");
  }
}

TEST(ProgramCost, OnlyTheRowsThatAreGatheredAreRead) {
  const Tensor table = ones({10000, 8});
  const Tensor ids = cast(zeros({5}), Dtype::i64);
  const Cost cost =
      total(report([](const Tensors& i) { return Tensors{gather(i[0], i[1])}; }, {table, ids}));
  EXPECT_EQ(cost.bytes, 2 * 5 * 8 * 4 + 5 * 8);
}

TEST(ProgramCost, AScanCostsWhatItsBodyDoesEachTime) {
  const Tensor weight = ones({4, 4});
  const auto body = [&](const Tensors& c, const Tensors&) -> ScanStep {
    return {{tanh(matmul(c[0], weight))}, {}};
  };
  const auto cost_of_length = [&](std::int64_t length) {
    return total(report([&](const Tensors& i) { return scan(body, {i[0]}, {i[1]}).carries; },
                        {ones({2, 4}), ones({length, 1})}));
  };
  const Cost three = cost_of_length(3);
  const Cost six = cost_of_length(6);
  EXPECT_EQ(three.on(Unit::contraction_f32), 3 * 2.0 * 2 * 4 * 4);
  EXPECT_EQ(six.on(Unit::vector_32), 2 * three.on(Unit::vector_32));
  EXPECT_EQ(six.bytes, 2 * three.bytes);
  EXPECT_EQ(six.kernels, 2 * three.kernels);
}

TEST(ProgramCost, PartsThatAreMeasuredKnowTheirCosts) {
  CompiledFunction compiled([](const Tensors& i) { return Tensors{relu(matmul(i[0], i[1]))}; },
                            "step");
  const Tensors inputs{ones({8, 16}), ones({16, 32})};
  const ProgramReport made = compiled.report(inputs);
  const StepTimes times = compiled.measure(inputs, 1);
  ASSERT_EQ(times.steps.size(), made.steps.size());
  for (std::size_t i = 0; i < times.steps.size(); ++i) {
    EXPECT_EQ(times.steps[i].cost, made.steps[i].cost);
    EXPECT_EQ(times.steps[i].flops, made.steps[i].cost.flops);
    EXPECT_EQ(times.steps[i].bytes, made.steps[i].cost.bytes);
  }
}

}  // namespace
}  // namespace sinter
