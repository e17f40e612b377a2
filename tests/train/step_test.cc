// The training step against updates written out by hand.
#include "sinter/step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sinter/autograd.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::train {
namespace {

// Rows of a linear problem; batch i differs from batch j.
Batch make_batch(int number, std::int64_t rows = 4) {
  std::vector<float> x;
  std::vector<float> y;
  for (std::int64_t i = 0; i < rows * 3; ++i) {
    x.push_back(std::sin(static_cast<float>(i + 10 * number)));
  }
  for (std::int64_t i = 0; i < rows; ++i) y.push_back(std::cos(static_cast<float>(i + number)));
  return {{"x", tensor(x, {rows, 3})}, {"y", tensor(y, {rows, 1})}};
}

struct Trial {
  nn::Sequential model;
  optim::SGD optimizer;
  TrainingStep step;

  explicit Trial(const StepOptions& options, const optim::SgdOptions& sgd = {.lr = 0.1},
                 double loss_factor = 1)
      : model(make_model()),
        optimizer(model.parameters(), sgd),
        step([this, loss_factor](const Batch& batch) { return loss_of(batch) * loss_factor; },
             optimizer, options) {}

  static nn::Sequential make_model() {
    manual_seed(7);
    return nn::Sequential{nn::Linear(3, 5), nn::Tanh(), nn::Linear(5, 1)};
  }
  Tensor loss_of(const Batch& batch) const {
    const Tensor error = model(batch["x"]) - batch["y"];
    return mean(error * error);
  }
  std::vector<Tensor> gradient_of(const Batch& batch) const {
    return gradients(loss_of(batch), model.parameters());
  }
  std::vector<float> weights() const {
    std::vector<float> all;
    for (const State& state : model.parameters()) {
      for (const float x : state.value().to_vector<float>()) all.push_back(x);
    }
    return all;
  }
};

void expect_near(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << i;
}

std::int32_t fault_of(const TrainingStep::Outcome& outcome) {
  return outcome.fault.item<std::int32_t>();
}

TEST(TrainingStep, SixteenBitsLearnAsFullPrecisionDoes) {
  const auto loss_after = [](Trial& trial, int steps) {
    float loss = 0;
    for (int i = 0; i < steps; ++i) loss = trial.step(make_batch(i % 4)).loss.item<float>();
    return loss;
  };
  Trial full({});
  const float expected = loss_after(full, 200);
  for (const Dtype precision : {Dtype::bf16, Dtype::f16}) {
    StepOptions options{.precision = precision};
    if (precision == Dtype::f16) options.loss_scale = LossScale();
    Trial trial(options);
    EXPECT_NEAR(loss_after(trial, 200), expected, 0.05 * expected + 1e-3) << name_of(precision);
    EXPECT_NE(trial.weights(), full.weights()) << "products were rounded";
    expect_near(trial.weights(), full.weights(), 0.05F);
  }
}

TEST(TrainingStep, CompiledAndDirectlyItGivesTheSameBits) {
  const StepOptions options{.clip_norm = 0.3, .clip_value = 0.2, .accumulate = 2, .average = 0.9};
  Trial compiled(options, {.lr = 0.1, .momentum = 0.9});
  Trial direct(options, {.lr = 0.1, .momentum = 0.9});
  for (int i = 0; i < 8; ++i) {
    const float a = compiled.step(make_batch(i)).loss.item<float>();
    const float b = direct.step.directly(make_batch(i)).loss.item<float>();
    EXPECT_EQ(a, b) << i;
  }
  EXPECT_EQ(compiled.weights(), direct.weights());
  compiled.step.swap_averages();
  direct.step.swap_averages();
  EXPECT_EQ(compiled.weights(), direct.weights());
}

TEST(TrainingStep, AccumulatedBatchesUpdateByTheirWeightedMean) {
  Trial one({.accumulate = 3});
  Trial by_hand({});
  std::vector<Batch> batches = {make_batch(0), make_batch(1), make_batch(2)};
  const double weights[] = {1, 5, 2};
  std::vector<Tensor> sum(4);
  for (int i = 0; i < 3; ++i) {
    batches[static_cast<std::size_t>(i)].set_weight(weights[i]);
    const auto dx = by_hand.gradient_of(batches[static_cast<std::size_t>(i)]);
    for (std::size_t p = 0; p < dx.size(); ++p) {
      const Tensor part = dx[p] * (weights[i] / 8);
      sum[p] = sum[p].defined() ? sum[p] + part : part;
    }
  }
  const std::vector<float> before = one.weights();
  one.step(batches[0]);
  one.step(batches[1]);
  EXPECT_EQ(one.weights(), before) << "two of three";
  EXPECT_EQ(one.step.accumulated(), 2);
  one.step(batches[2]);
  EXPECT_EQ(one.step.accumulated(), 0);
  by_hand.optimizer.step(sum);
  expect_near(one.weights(), by_hand.weights(), 1e-6F);
  // The sums start again: the same batches give the next update from the new weights.
  one.step(batches[0]);
  one.step(batches[1]);
  one.step(batches[2]);
  EXPECT_EQ(one.optimizer.step_count(), 2);
}

TEST(TrainingStep, EqualBatchesAccumulatedAreOneLargeBatch) {
  Trial parts({.accumulate = 2});
  Trial whole({});
  const Batch large = make_batch(3, 8);
  const auto half = [&](std::int64_t begin) {
    return Batch{{"x", slice(large["x"], 0, begin, begin + 4)},
                 {"y", slice(large["y"], 0, begin, begin + 4)}};
  };
  parts.step(half(0));
  parts.step(half(4));
  whole.step(large);
  expect_near(parts.weights(), whole.weights(), 1e-6F);
}

TEST(TrainingStep, ClipsElementsBeforeTheNorm) {
  Trial clipped({.clip_norm = 0.05, .clip_value = 0.01});
  Trial by_hand({});
  const Batch batch = make_batch(1);
  std::vector<Tensor> dx = by_hand.gradient_of(batch);
  for (Tensor& each : dx) each = clamp(each, -0.01, 0.01);
  clipped.step(batch);
  by_hand.optimizer.step(optim::clip_gradients(dx, 0.05));
  EXPECT_EQ(clipped.weights(), by_hand.weights());
}

TEST(TrainingStep, AveragesFollowTheWeights) {
  Trial trial({.average = 0.5});
  std::vector<float> average = trial.weights();
  for (int n = 1; n <= 6; ++n) {
    trial.step(make_batch(n));
    const float decay =
        std::min(0.5F, (1.0F + static_cast<float>(n)) / (10.0F + static_cast<float>(n)));
    const std::vector<float> now = trial.weights();
    for (std::size_t i = 0; i < now.size(); ++i) {
      average[i] = average[i] * decay + now[i] * (1 - decay);
    }
  }
  const std::vector<float> trained = trial.weights();
  trial.step.swap_averages();
  expect_near(trial.weights(), average, 1e-6F);
  trial.step.swap_averages();
  EXPECT_EQ(trial.weights(), trained);
}

TEST(TrainingStep, ALossScaleLeavesNoTraceInTheUpdate) {
  Trial scaled({.loss_scale = LossScale{.initial = 1024}});
  Trial plain({});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(scaled.step(make_batch(i)).loss.item<float>(),
              plain.step(make_batch(i)).loss.item<float>())
        << "a power of two";
  }
  EXPECT_EQ(scaled.weights(), plain.weights());
}

float scale_of(const TrainingStep& step) {
  for (const NamedState& named : step.states()) {
    if (named.name == "step.loss_scale") return named.state.value().item<float>();
  }
  return 0;
}

TEST(TrainingStep, AScaleThatOverflowsIsMadeSmaller) {
  Trial trial({.loss_scale = LossScale{.initial = 3e38}}, {.lr = 0.1}, 100);
  const std::vector<float> before = trial.weights();
  EXPECT_EQ(fault_of(trial.step(make_batch(0))), 0) << "an overflow is no fault";
  EXPECT_EQ(trial.weights(), before);
  EXPECT_FLOAT_EQ(scale_of(trial.step), 1.5e38F);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(fault_of(trial.step(make_batch(0))), 0);
  EXPECT_GT(trial.optimizer.step_count(), 0);
  EXPECT_NE(trial.weights(), before);
}

TEST(TrainingStep, AScaleGrowsAfterGoodStepsInARow) {
  Trial trial({.loss_scale = LossScale{.initial = 1024, .interval = 3}});
  std::vector<float> scales;
  for (int i = 0; i < 7; ++i) {
    trial.step(make_batch(i));
    scales.push_back(scale_of(trial.step));
  }
  EXPECT_EQ(scales, (std::vector<float>{1024, 1024, 2048, 2048, 2048, 4096, 4096}));
}

TEST(TrainingStep, AScaleThatCannotBecomeSmallerIsAFault) {
  Trial trial({.loss_scale = LossScale{.initial = 3e38, .least = 1e38}}, {.lr = 0.1}, 1e6);
  EXPECT_EQ(fault_of(trial.step(make_batch(0))), 0);
  EXPECT_EQ(fault_of(trial.step(make_batch(0))), static_cast<int>(optim::Fault::gradients));
  EXPECT_EQ(fault_of(trial.step(make_batch(1))), static_cast<int>(optim::Fault::gradients));
}

TEST(TrainingStep, AfterAFaultNothingChanges) {
  for (const std::int64_t accumulate : {1, 2}) {
    Trial trial({.accumulate = accumulate, .average = 0.9}, {.lr = 0.1, .momentum = 0.9});
    Batch bad = make_batch(5);
    bad = {{"x", bad["x"]},
           {"y", tensor(std::vector<float>(4, std::numeric_limits<float>::quiet_NaN()), {4, 1})}};
    for (int i = 0; i < 2; ++i) EXPECT_EQ(fault_of(trial.step(make_batch(i))), 0);
    const std::vector<float> before = trial.weights();
    EXPECT_EQ(fault_of(trial.step(bad)), static_cast<int>(optim::Fault::loss));
    for (int i = 0; i < 3; ++i) EXPECT_NE(fault_of(trial.step(make_batch(i))), 0);
    EXPECT_EQ(trial.weights(), before) << accumulate;
    trial.step.swap_averages();
    for (const float x : trial.weights()) EXPECT_TRUE(std::isfinite(x));
  }
}

TEST(TrainingStep, UnguardedItHasNoFaultToTell) {
  Trial trial({.guard = false});
  EXPECT_FALSE(trial.step(make_batch(0)).fault.defined());
}

TEST(TrainingStep, RefusesOptionsThatMakeNoSense) {
  EXPECT_THROW(Trial({.clip_norm = 0}), Error);
  EXPECT_THROW(Trial({.clip_value = -1}), Error);
  EXPECT_THROW(Trial({.accumulate = 0}), Error);
  EXPECT_THROW(Trial({.average = 1}), Error);
  EXPECT_THROW(Trial({.loss_scale = LossScale{.backoff = 1}}), Error);
  EXPECT_THROW(Trial({.loss_scale = LossScale{}, .guard = false}), Error);
  EXPECT_THROW(Trial({.programs = 0}), Error);
}

TEST(TrainingStep, RefusesALossThatIsNoScalarAndAnotherBatch) {
  nn::Linear model(3, 1);
  optim::SGD optimizer(model.parameters());
  TrainingStep step([&](const Batch& batch) { return model(batch["x"]); }, optimizer);
  EXPECT_THROW(step(make_batch(0)), Error);
  Trial trial({});
  trial.step(make_batch(0));
  EXPECT_THROW(trial.step(Batch{{"y", zeros({4, 1})}, {"x", zeros({4, 3})}}), Error);
}

}  // namespace
}  // namespace sinter::train
