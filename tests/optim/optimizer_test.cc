#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "error_message.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter {
namespace {

std::vector<float> values_of(const State& state) { return state.value().to_vector<float>(); }

Tensor vector_of(const std::vector<float>& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())});
}

// Parameters of odd lengths, so that the arena has pads.
std::vector<State> some_parameters() {
  return {State(vector_of({1, -2, 3}), "a"),
          State(tensor(std::vector<float>{4, 5, -6, 7}, {2, 2}), "b"), State(scalar(0.5), "c")};
}

std::vector<std::vector<double>> copies_of(const std::vector<State>& parameters) {
  std::vector<std::vector<double>> copies;
  for (const State& each : parameters) {
    const auto values = values_of(each);
    copies.emplace_back(values.begin(), values.end());
  }
  return copies;
}

std::vector<Tensor> random_gradients(const std::vector<State>& parameters, std::mt19937* random) {
  std::vector<Tensor> gradients;
  std::normal_distribution<float> normal;
  for (const State& each : parameters) {
    std::vector<float> values(static_cast<std::size_t>(each.shape().elements()));
    for (float& value : values) value = normal(*random);
    gradients.push_back(tensor(values, each.shape()));
  }
  return gradients;
}

void expect_close(const std::vector<State>& parameters,
                  const std::vector<std::vector<double>>& wanted, int step) {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const auto values = values_of(parameters[p]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(values[i], wanted[p][i], 3e-6) << "step " << step << ", " << p << ", " << i;
    }
  }
}

TEST(Optimizer, AdamWWithScheduleEqualsALoopInDoublePrecision) {
  const double lr = 0.02, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-6, decay = 0.1;
  const std::vector<State> parameters = some_parameters();
  auto p = copies_of(parameters);
  auto m = p;
  for (auto& each : m) each.assign(each.size(), 0);
  auto v = m;
  optim::AdamW optimizer(
      parameters,
      {.lr = lr, .beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .weight_decay = decay});
  optimizer.set_schedule(optim::LinearWarmup(4));
  auto step = compile([&](const Tensor& a, const Tensor& b, const Tensor& c) {
    optimizer.step({a, b, c});
    return a;
  });
  std::mt19937 random(1);
  for (int t = 1; t <= 10; ++t) {
    const auto g = random_gradients(parameters, &random);
    step(g[0], g[1], g[2]);
    const double rate = lr * std::min(1.0, t / 4.0);
    for (std::size_t k = 0; k < p.size(); ++k) {
      const auto gradient = g[k].to_vector<float>();
      for (std::size_t i = 0; i < p[k].size(); ++i) {
        m[k][i] = beta1 * m[k][i] + (1 - beta1) * gradient[i];
        v[k][i] = beta2 * v[k][i] + (1 - beta2) * gradient[i] * gradient[i];
        const double m_hat = m[k][i] / (1 - std::pow(beta1, t));
        const double v_hat = v[k][i] / (1 - std::pow(beta2, t));
        p[k][i] -= rate * (m_hat / (std::sqrt(v_hat) + epsilon) + decay * p[k][i]);
      }
    }
    expect_close(parameters, p, t);
  }
}

TEST(Optimizer, SgdWithNesterovEqualsALoopInDoublePrecision) {
  const double lr = 0.05, momentum = 0.8, decay = 0.01;
  const std::vector<State> parameters = some_parameters();
  auto p = copies_of(parameters);
  auto b = p;
  for (auto& each : b) each.assign(each.size(), 0);
  optim::SGD optimizer(parameters,
                       {.lr = lr, .momentum = momentum, .weight_decay = decay, .nesterov = true});
  std::mt19937 random(2);
  for (int t = 1; t <= 10; ++t) {
    const auto g = random_gradients(parameters, &random);
    optimizer.step(g);
    for (std::size_t k = 0; k < p.size(); ++k) {
      const auto gradient = g[k].to_vector<float>();
      for (std::size_t i = 0; i < p[k].size(); ++i) {
        const double d = gradient[i] + decay * p[k][i];
        b[k][i] = momentum * b[k][i] + d;
        p[k][i] -= lr * (d + momentum * b[k][i]);
      }
    }
    expect_close(parameters, p, t);
  }
}

TEST(Optimizer, CompiledUpdatesHaveTheBitsOfEagerOnes) {
  const auto train = [](bool compiled) {
    const std::vector<State> parameters = some_parameters();
    optim::AdamW optimizer(parameters);
    optimizer.set_schedule(optim::Cosine(20));
    const auto update = [&](const Tensor& a, const Tensor& b, const Tensor& c) {
      const auto clipped = optim::clip_gradients({a, b, c}, 0.7);
      optimizer.step(clipped);
      return clipped.norm;
    };
    auto step = compile(update);
    std::mt19937 random(3);
    std::vector<float> seen;
    for (int t = 0; t < 10; ++t) {
      const auto g = random_gradients(parameters, &random);
      const Tensor norm = compiled ? step(g[0], g[1], g[2]) : update(g[0], g[1], g[2]);
      seen.push_back(norm.item<float>());
      if (t == 5) optimizer.set_learning_rate(0.5);
      for (const State& each : parameters) {
        for (const float value : values_of(each)) seen.push_back(value);
      }
    }
    return seen;
  };
  EXPECT_EQ(train(false), train(true));
}

TEST(Optimizer, AChangedLearningRateTakesEffectInACompiledStep) {
  const State parameter(vector_of({1}), "p");
  optim::SGD optimizer(std::vector<State>{parameter}, {.lr = 0.5});
  auto step = compile([&](const Tensor& g) {
    optimizer.step({g});
    return optimizer.scheduled_learning_rate();
  });
  const Tensor one = ones({1});
  step(one);
  EXPECT_EQ(values_of(parameter), (std::vector<float>{0.5}));
  step(one);
  optimizer.set_learning_rate(0.25);
  EXPECT_EQ(step(one).item<double>(), 0.25);
  EXPECT_EQ(values_of(parameter), (std::vector<float>{-0.25}));
  EXPECT_EQ(optimizer.learning_rate(), 0.25);
}

TEST(Optimizer, ParametersThatTheLossDoesNotReachStayWithTheirMoments) {
  const std::vector<State> parameters = some_parameters();
  const std::vector<State> others = some_parameters();
  optim::AdamW optimizer(parameters, {.lr = 0.1});
  optim::AdamW reference(others, {.lr = 0.1});
  std::mt19937 random(4);
  const auto g = random_gradients(parameters, &random);
  optimizer.step(g);
  reference.step(g);
  const State m = optimizer.states()[2].state;
  const auto before = values_of(m);
  // The middle one is not reached, then only the middle one is.
  optimizer.step({g[0], Tensor(), g[2]});
  reference.step(g);
  EXPECT_EQ(values_of(parameters[0]), values_of(others[0]));
  EXPECT_EQ(values_of(parameters[2]), values_of(others[2]));
  EXPECT_NE(values_of(parameters[1]), values_of(others[1]));
  const auto after = values_of(m);
  for (std::size_t i = 16; i < 32; ++i) EXPECT_EQ(after[i], before[i]);
  EXPECT_NE(after[0], before[0]);
  const auto first = values_of(parameters[0]);
  optimizer.step({Tensor(), g[1], Tensor()});
  EXPECT_EQ(values_of(parameters[0]), first);
  const auto all = parameters;
  optimizer.step({Tensor(), Tensor(), Tensor()});
  EXPECT_EQ(values_of(parameters[0]), first);
}

TEST(Optimizer, AFalseGuardLeavesEveryStateAsItWas) {
  for (const bool compiled : {false, true}) {
    const std::vector<State> parameters = some_parameters();
    optim::AdamW optimizer(parameters, {.lr = 0.1});
    const auto update = [&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& loss) {
      optimizer.step({a, b, c}, isfinite(loss));
      return loss;
    };
    auto step = compile(update);
    const auto call = [&](const std::vector<Tensor>& g, const Tensor& loss) {
      compiled ? step(g[0], g[1], g[2], loss) : update(g[0], g[1], g[2], loss);
    };
    std::mt19937 random(5);
    const auto g = random_gradients(parameters, &random);
    call(g, scalar(1));
    std::vector<std::vector<float>> before;
    for (const State& each : parameters) before.push_back(values_of(each));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<Tensor> bad{full({3}, nan), full({2, 2}, nan), full({}, nan)};
    call(bad, scalar(nan));
    EXPECT_EQ(optimizer.step_count(), 1);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_EQ(values_of(parameters[i]), before[i]);
    }
    for (const NamedState& each : optimizer.states()) {
      if (each.state.dtype() != Dtype::f32) continue;
      for (const float value : values_of(each.state)) EXPECT_TRUE(std::isfinite(value));
    }
    call(g, scalar(1));
    EXPECT_EQ(optimizer.step_count(), 2);
    EXPECT_NE(values_of(parameters[0]), before[0]);
  }
}

TEST(Optimizer, GroupsHaveTheirOwnRatesAndDecays) {
  const State a(vector_of({1, 1}), "a");
  const State b(vector_of({1, 1}), "b");
  const std::vector<optim::ParameterGroup> groups{
      {.parameters = {a}, .learning_rate_scale = 0.5, .weight_decay = 0.0}, {.parameters = {b}}};
  optim::SGD optimizer(groups, {.lr = 0.5, .weight_decay = 1});
  optimizer.step({ones({2}), ones({2})});
  EXPECT_EQ(values_of(a), (std::vector<float>{0.75, 0.75}));
  EXPECT_EQ(values_of(b), (std::vector<float>{0, 0}));
}

TEST(Optimizer, StatesAreNamedForCheckpoints) {
  const auto names = [](const optim::Optimizer& optimizer) {
    std::vector<std::string> found;
    for (const NamedState& each : optimizer.states()) {
      EXPECT_EQ(each.role, StateRole::progress);
      found.push_back(each.name);
    }
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(optim::AdamW(some_parameters())),
            (Names{"optimizer.step", "optimizer.learning_rate", "optimizer.m", "optimizer.v",
                   "optimizer.missed"}));
  EXPECT_EQ(names(optim::SGD(some_parameters())),
            (Names{"optimizer.step", "optimizer.learning_rate"}));
  const std::vector<optim::ParameterGroup> groups{{.parameters = some_parameters()},
                                                  {.parameters = some_parameters()}};
  EXPECT_EQ(names(optim::SGD(groups, {.momentum = 0.9})),
            (Names{"optimizer.step", "optimizer.learning_rate", "optimizer.0.momentum",
                   "optimizer.1.momentum"}));
}

TEST(Optimizer, RestoredStatesContinueWithTheSameBits) {
  std::mt19937 random(6);
  const std::vector<State> parameters = some_parameters();
  optim::AdamW optimizer(parameters, {.lr = 0.1});
  const auto g = random_gradients(parameters, &random);
  optimizer.step(g);
  const std::vector<State> restored = some_parameters();
  optim::AdamW other(restored, {.lr = 0.7});
  for (std::size_t i = 0; i < restored.size(); ++i) restored[i].assign(parameters[i]);
  const auto from = optimizer.states();
  const auto to = other.states();
  for (std::size_t i = 0; i < to.size(); ++i) to[i].state.assign(from[i].state);
  optimizer.step(g);
  other.step(g);
  for (std::size_t i = 0; i < restored.size(); ++i) {
    EXPECT_EQ(values_of(restored[i]), values_of(parameters[i]));
  }
}

TEST(Optimizer, TwoOverTwoPartsWorkAndTwoOverOnePartAreAnError) {
  const std::vector<State> parameters = some_parameters();
  optim::SGD first(std::vector<State>{parameters[0]}, {.lr = 1});
  optim::SGD second(std::vector<State>{parameters[1], parameters[2]}, {.lr = 1});
  first.step({vector_of({1, 0, 0})});
  EXPECT_EQ(values_of(parameters[0]), (std::vector<float>{0, -2, 3}));
  EXPECT_EQ(values_of(parameters[2]), (std::vector<float>{0.5}));
  const std::string message =
      message_of([&] { optim::AdamW third(std::vector<State>{parameters[2]}); });
  EXPECT_TRUE(says(message, "is in another optimizer already")) << message;
}

TEST(Optimizer, TrainsThroughGradients) {
  const State weight(vector_of({3, -2}), "w");
  optim::SGD optimizer(std::vector<State>{weight}, {.lr = 0.25});
  auto step = compile([&](const Tensor& target) {
    const Tensor error = weight - target;
    const Tensor loss = sum(error * error);
    optimizer.step(gradients(loss, optimizer.parameters()));
    return loss;
  });
  const Tensor target = vector_of({1, 2});
  EXPECT_EQ(step(target).item<float>(), 20);
  EXPECT_EQ(step(target).item<float>(), 5);
  EXPECT_EQ(step(target).item<float>(), 1.25);
}

TEST(Optimizer, RefusesArgumentsThatDoNotWork) {
  const auto adamw = [](const optim::AdamWOptions& options) {
    return message_of([&] { optim::AdamW optimizer(some_parameters(), options); });
  };
  const auto sgd = [](const optim::SgdOptions& options) {
    return message_of([&] { optim::SGD optimizer(some_parameters(), options); });
  };
  EXPECT_TRUE(says(adamw({.lr = -1}), "AdamW: the learning rate must not be negative"));
  EXPECT_TRUE(says(adamw({.beta1 = 1}), "beta"));
  EXPECT_TRUE(says(adamw({.beta2 = -0.1}), "beta"));
  EXPECT_TRUE(says(adamw({.epsilon = 0}), "epsilon"));
  EXPECT_TRUE(says(adamw({.weight_decay = -1}), "weight decay"));
  EXPECT_TRUE(says(sgd({.momentum = 1}), "0 <= momentum < 1"));
  EXPECT_TRUE(says(sgd({.nesterov = true}), "needs momentum"));
  const std::vector<State> none;
  EXPECT_TRUE(says(message_of([&] { optim::SGD optimizer(none); }), "nothing to optimize"));
  const std::vector<optim::ParameterGroup> no_groups;
  EXPECT_TRUE(says(message_of([&] { optim::SGD optimizer(no_groups); }), "nothing to optimize"));
  const State parameter(ones({2}), "w");
  const std::vector<State> twice{parameter, parameter};
  EXPECT_TRUE(says(message_of([&] { optim::SGD optimizer(twice); }), "w is given twice"));
  const std::vector<State> whole{State(scalar(1, Dtype::i64), "count")};
  EXPECT_TRUE(says(message_of([&] { optim::SGD optimizer(whole); }), "count has the wrong type"));
  const std::vector<optim::ParameterGroup> bad{
      {.parameters = some_parameters(), .learning_rate_scale = -1}};
  EXPECT_TRUE(says(message_of([&] { optim::SGD optimizer(bad); }), "learning rate scale"));
}

TEST(Optimizer, RefusesGradientsThatDoNotFitAndChangesNothing) {
  const std::vector<State> parameters = some_parameters();
  optim::SGD optimizer(parameters, {.lr = 1});
  const auto before = copies_of(parameters);
  const Tensor a = ones({3});
  const Tensor b = ones({2, 2});
  const Tensor c = ones({});
  EXPECT_TRUE(says(message_of([&] { optimizer.step({a, b}); }), "got 2; expected 3"));
  EXPECT_TRUE(says(message_of([&] { optimizer.step({a, ones({4}), c}); }), "does not fit b"));
  EXPECT_TRUE(says(message_of([&] { optimizer.step({a, b, ones({}, Dtype::f64)}); }), "f32()"));
  EXPECT_TRUE(says(message_of([&] { optimizer.step({a, b, c}, a); }), "boolean scalar"));
  EXPECT_TRUE(says(message_of([&] { optimizer.set_learning_rate(NAN); }), "learning rate"));
  EXPECT_EQ(copies_of(parameters), before);
  EXPECT_EQ(optimizer.step_count(), 0);
}

TEST(Clipping, LeavesSmallGradientsAndScalesLargeOnes) {
  const std::vector<Tensor> small{vector_of({0.3f, 0}), Tensor(), scalar(0.4)};
  const optim::ClippedGradients kept = optim::clip_gradients(small, 1);
  EXPECT_NEAR(kept.norm.item<float>(), 0.5, 1e-7);
  EXPECT_EQ(kept.scale.item<float>(), 1);
  const optim::ClippedGradients cut = optim::clip_gradients(small, 0.05);
  EXPECT_NEAR(cut.scale.item<float>(), 0.1, 1e-6);
  const auto scaled = cut.scaled();
  EXPECT_NEAR(scaled[0].to_vector<float>()[0], 0.03, 1e-7);
  EXPECT_FALSE(scaled[1].defined());
  EXPECT_NEAR(scaled[2].item<float>(), 0.04, 1e-7);
}

TEST(Clipping, RefusesWhatDoesNotWork) {
  EXPECT_TRUE(says(message_of([] { optim::clip_gradients({ones({1})}, 0); }), "must be positive"));
  EXPECT_TRUE(says(message_of([] { optim::clip_gradients({Tensor()}, 1); }), "no gradient"));
}

TEST(Schedules, RefuseWhatDoesNotWork) {
  EXPECT_TRUE(says(message_of([] { optim::LinearWarmup(0); }), "LinearWarmup"));
  EXPECT_TRUE(says(message_of([] { optim::Cosine(0); }), "Cosine"));
  EXPECT_TRUE(says(message_of([] { optim::OneCycle(1); }), "OneCycle"));
  EXPECT_TRUE(says(message_of([] { optim::OneCycle(3, {.rise = 0.3}); }), "rising part"));
  EXPECT_TRUE(says(message_of([] { optim::StepDecay(0); }), "StepDecay"));
  EXPECT_TRUE(says(message_of([] { optim::StepDecay(1, 0); }), "gamma"));
}

TEST(Schedules, StayAtTheirLastValue) {
  EXPECT_EQ(optim::factor_at(optim::Constant{}, 7), 1);
  EXPECT_NEAR(optim::factor_at(optim::Cosine(5, 0.25), 50), 0.25, 1e-15);
  EXPECT_NEAR(optim::factor_at(optim::OneCycle(10), 500), 1 / 25e4, 1e-15);
  EXPECT_EQ(optim::factor_at(optim::LinearWarmup(3), 500), 1);
}

}  // namespace
}  // namespace sinter
