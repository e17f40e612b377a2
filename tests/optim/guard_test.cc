// Steps whose loss, gradients or update are not finite change nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/random.h"

namespace sinter {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor vector_of(const std::vector<float>& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())});
}

// Every bit of every State.
std::vector<std::string> bits_of(const std::vector<NamedState>& states) {
  std::vector<std::string> bits;
  for (const NamedState& each : states) {
    const Tensor value = to_host(each.state.value());
    bits.emplace_back(reinterpret_cast<const char*>(value.data()),
                      static_cast<std::size_t>(value.elements()) * size_of(value.dtype()));
  }
  return bits;
}

std::unique_ptr<optim::Optimizer> make_optimizer(bool adam, const std::vector<State>& parameters) {
  if (adam) return std::make_unique<optim::AdamW>(parameters, optim::AdamWOptions{.lr = 0.1});
  return std::make_unique<optim::SGD>(parameters, optim::SgdOptions{.lr = 0.1, .momentum = 0.9});
}

// Both optimizers, called directly and compiled, with and without clipping.
template <class Check>
void for_each_way(const Check& check) {
  for (const bool adam : {true, false}) {
    for (const bool compiled : {true, false}) {
      for (const bool clipped : {true, false}) {
        SCOPED_TRACE(std::string(adam ? "AdamW" : "SGD") + (compiled ? ", compiled" : "") +
                     (clipped ? ", clipped" : ""));
        const std::vector<State> parameters{State(vector_of({1, -2, 3}), "a"),
                                            State(vector_of({4, 5}), "b")};
        const auto optimizer = make_optimizer(adam, parameters);
        const auto update = [&](const Tensor& a, const Tensor& b, const Tensor& loss) {
          const Tensor guard = isfinite(loss);
          return clipped ? optimizer->step(optim::clip_gradients({a, b}, 1.0), guard)
                         : optimizer->step({a, b}, guard);
        };
        auto step = compile(update);
        check(*optimizer, parameters,
              [&](const std::vector<float>& a, const std::vector<float>& b, float loss) {
                const Tensor done = compiled ? step(vector_of(a), vector_of(b), scalar(loss))
                                             : update(vector_of(a), vector_of(b), scalar(loss));
                return static_cast<bool>(done.to_vector<bool>()[0]);
              });
      }
    }
  }
}

TEST(Guard, AGradientThatIsNotFiniteUnderAFiniteLossChangesNothing) {
  for_each_way(
      [](optim::Optimizer& optimizer, const std::vector<State>& parameters, const auto& call) {
        std::vector<NamedState> states = optimizer.states();
        for (const State& each : parameters) states.push_back({.name = each.name(), .state = each});
        EXPECT_TRUE(call({1, 2, 3}, {4, 5}, 1));
        const auto before = bits_of(states);
        EXPECT_FALSE(call({1, kNan, 3}, {4, 5}, 1));
        EXPECT_FALSE(call({1, 2, 3}, {4, kInfinity}, 1));
        EXPECT_FALSE(call({1, 2, -kInfinity}, {4, kInfinity}, 1));
        EXPECT_FALSE(call({1, 2, 3}, {4, 5}, kNan));
        EXPECT_EQ(bits_of(states), before);
        EXPECT_EQ(optimizer.step_count(), 1);
        EXPECT_TRUE(call({1, 2, 3}, {4, 5}, 1));
        EXPECT_NE(bits_of(states), before);
        EXPECT_EQ(optimizer.step_count(), 2);
      });
}

TEST(Guard, AGradientWhoseSquareOverflowsChangesNothingInAdamW) {
  for (const bool adam : {true, false}) {
    const State parameter(vector_of({1, 2}), "a");
    const auto optimizer = make_optimizer(adam, {parameter});
    const Tensor large = vector_of({3e20f, 0});
    const Tensor yes = cast(scalar(1), Dtype::boolean);
    EXPECT_EQ(optimizer->step({large}, yes).to_vector<bool>()[0], !adam);
    EXPECT_EQ(parameter.value().to_vector<float>()[0] == 1, adam);
    for (const NamedState& each : optimizer->states()) {
      if (each.state.dtype() != Dtype::f32) continue;
      for (const float value : each.state.value().to_vector<float>()) {
        EXPECT_TRUE(std::isfinite(value)) << each.name;
      }
    }
    EXPECT_TRUE(optimizer->step(optim::clip_gradients({large}, 1), yes).to_vector<bool>()[0]);
  }
}

TEST(Guard, ARateThatIsNotFiniteChangesNothing) {
  const State parameter(vector_of({1, 2}), "a");
  optim::SGD sgd(std::vector<State>{parameter}, {.lr = 0.5});
  sgd.set_schedule([](const Tensor& step) {
    return where(equal(step, 1.0), full({}, HUGE_VAL, Dtype::f64), 1.0);
  });
  auto step = compile([&](const Tensor& g) { return sgd.step({g}, isfinite(sum(g))); });
  EXPECT_TRUE(step(vector_of({1, 1})).to_vector<bool>()[0]);
  EXPECT_FALSE(step(vector_of({1, 1})).to_vector<bool>()[0]);
  EXPECT_EQ(parameter.value().to_vector<float>(), (std::vector<float>{0.5, 1.5}));
  EXPECT_EQ(sgd.step_count(), 1);
}

TEST(Guard, WithoutGradientsOnlyTheGuardCounts) {
  const State parameter(vector_of({1}), "a");
  optim::AdamW adam(std::vector<State>{parameter});
  const Tensor yes = cast(scalar(1), Dtype::boolean);
  EXPECT_TRUE(adam.step({Tensor()}, yes).to_vector<bool>()[0]);
  EXPECT_FALSE(adam.step({Tensor()}, logical_not(yes)).to_vector<bool>()[0]);
  EXPECT_EQ(adam.step_count(), 1);
  EXPECT_FALSE(adam.step({vector_of({1})}).defined());
}

TEST(Guard, GradientsWhoseSquaresOverflowAreClippedLikeOthers) {
  const auto clipped = optim::clip_gradients({vector_of({3e20f}), vector_of({4e20f})}, 1);
  EXPECT_FLOAT_EQ(clipped.norm.item<float>(), 5e20f);
  EXPECT_FLOAT_EQ(clipped.scaled()[0].item<float>(), 0.6f);
  EXPECT_FLOAT_EQ(clipped.scaled()[1].item<float>(), 0.8f);
  EXPECT_FLOAT_EQ(clipped.scaled_norm.item<float>(), 1);
  // The norm itself may overflow f32.
  const auto huge = optim::clip_gradients({vector_of({3e38f, 3e38f})}, 1);
  EXPECT_FLOAT_EQ(huge.scaled()[0].to_vector<float>()[0], 0.70710678f);
  EXPECT_FLOAT_EQ(huge.scaled_norm.item<float>(), 1);
  const auto tiny = optim::clip_gradients({vector_of({3e-30f, 4e-30f})}, 1);
  EXPECT_FLOAT_EQ(tiny.norm.item<float>(), 5e-30f);
  EXPECT_EQ(tiny.scaled()[0].to_vector<float>()[0], 3e-30f);
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    const auto unsound = optim::clip_gradients({vector_of({1, bad})}, 1);
    EXPECT_FALSE(std::isfinite(unsound.scaled_norm.item<float>())) << bad;
  }
}

// A network whose step also moves running statistics and a random position.
struct Net {
  nn::Linear first{3, 8};
  nn::BatchNorm norm{8};
  nn::Dropout dropout{0.5};
  nn::Linear last{8, 2};
  nn::Sequential model{first, norm, dropout, last};
  optim::AdamW optimizer{model.parameters(), {.lr = 0.01}};
  optim::Guard guard;

  std::vector<NamedState> states() const {
    std::vector<NamedState> all = model.states();
    for (const NamedState& each : optimizer.states()) all.push_back(each);
    return all;
  }

  // The root of `zero`, times zero, has a gradient that is not a number where `zero` is one.
  std::tuple<Tensor, Tensor> step(const Tensor& x, const Tensor& y, const Tensor& zero) {
    const optim::GuardedStep guarded(guard);
    const Tensor penalty = sum(sqrt(square(first.weight()) * zero));
    const Tensor loss = cross_entropy(model(x), y) + penalty * 0.0;
    const Tensor fault = guarded.update(optimizer, gradients(loss, optimizer.parameters()), loss);
    return {loss, fault};
  }
};

struct Batch {
  Tensor x;
  Tensor y;
  Tensor zero;
};

Batch batch_at(int step, float scale = 1, bool bad_gradient = false) {
  Generator generator(static_cast<std::uint64_t>(step) + 7);
  const std::vector<std::int32_t> labels{0, 1, 1, 0};
  return {generator.normal({4, 3}) * scale, tensor(labels, {4}), scalar(bad_gradient ? 0 : 1)};
}

TEST(GuardedStep, KeepsEveryStateOfBeforeTheFirstBadStep) {
  for (const bool compiled : {true, false}) {
    for (const auto fault : {optim::Fault::loss, optim::Fault::gradients}) {
      SCOPED_TRACE(std::string(compiled ? "compiled" : "directly") +
                   (fault == optim::Fault::loss ? ", loss" : ", gradients"));
      manual_seed(3);
      Net net;
      auto step = compile([&](const Tensor& x, const Tensor& y, const Tensor& zero) {
        return net.step(x, y, zero);
      });
      const auto run = [&](const Batch& batch) {
        const auto [loss, found] =
            compiled ? step(batch.x, batch.y, batch.zero) : net.step(batch.x, batch.y, batch.zero);
        return found.template item<std::int32_t>();
      };
      for (int i = 0; i < 3; ++i) EXPECT_EQ(run(batch_at(i)), 0);
      EXPECT_EQ(net.guard.report().fault, optim::Fault::none);
      EXPECT_EQ(net.guard.report().good_steps, 3);
      const auto before = bits_of(net.states());
      const bool is_loss = fault == optim::Fault::loss;
      EXPECT_EQ(run(batch_at(3, is_loss ? kInfinity : 1, !is_loss)), static_cast<int>(fault));
      EXPECT_EQ(bits_of(net.states()), before);
      // It stays at that, whatever comes.
      for (int i = 4; i < 7; ++i) EXPECT_EQ(run(batch_at(i)), static_cast<int>(fault));
      EXPECT_EQ(run(batch_at(7, kNan)), static_cast<int>(fault));
      EXPECT_EQ(bits_of(net.states()), before);
      EXPECT_EQ(net.guard.report().fault, fault);
      EXPECT_EQ(net.guard.report().good_steps, 3);
      net.guard.reset();
      EXPECT_EQ(run(batch_at(3)), 0);
      EXPECT_EQ(net.guard.report().good_steps, 1);
      EXPECT_NE(bits_of(net.states()), before);
    }
  }
}

TEST(GuardedStep, GoodStepsHaveTheBitsOfUnguardedOnes) {
  const auto train = [](bool guarded) {
    manual_seed(5);
    Net net;
    auto step = compile([&](const Tensor& x, const Tensor& y, const Tensor& zero) {
      if (guarded) return std::get<0>(net.step(x, y, zero));
      const Tensor penalty = sum(sqrt(square(net.first.weight()) * zero));
      const Tensor loss = cross_entropy(net.model(x), y) + penalty * 0.0;
      net.optimizer.step(gradients(loss, net.optimizer.parameters()));
      return loss;
    });
    for (int i = 0; i < 6; ++i) {
      const Batch batch = batch_at(i);
      step(batch.x, batch.y, batch.zero);
    }
    return bits_of(net.states());
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(GuardedStep, RefusesALossThatIsNoNumber) {
  const State parameter(vector_of({1}), "a");
  optim::SGD sgd(std::vector<State>{parameter});
  const optim::Guard guard;
  const optim::GuardedStep guarded(guard);
  for (const Tensor& bad : {Tensor(), zeros({2}), zeros({}, Dtype::i32)}) {
    try {
      guarded.update(sgd, std::vector<Tensor>{vector_of({1})}, bad);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("not one floating-point number"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace sinter
