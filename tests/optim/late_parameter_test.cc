// AdamW corrects the bias of each parameter's moments by the number of its own updates.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/random.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;

Tensor vector_of(const Floats& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())});
}
Floats values_of(const State& state) { return state.value().to_vector<float>(); }
Tensor boolean(bool value) { return cast(scalar(value ? 1 : 0), Dtype::boolean); }

const optim::AdamWOptions kOptions{.lr = 1e-2, .weight_decay = 0.1};

// Three parameters in one optimizer, and each in one of its own.
struct Beside {
  std::vector<State> together{State(vector_of({1, -2}), "a"), State(vector_of({3}), "b"),
                              State(vector_of({-4, 5, 6}), "c")};
  std::vector<State> apart{State(vector_of({1, -2}), "a"), State(vector_of({3}), "b"),
                           State(vector_of({-4, 5, 6}), "c")};
  optim::AdamW one{together, kOptions};
  std::vector<std::unique_ptr<optim::AdamW>> each;

  Beside() {
    for (const State& state : apart) {
      each.push_back(std::make_unique<optim::AdamW>(std::vector<State>{state}, kOptions));
    }
  }

  static Tensor gradient(std::size_t parameter, int step) {
    Generator generator(static_cast<std::uint64_t>(step) * 8 + parameter);
    const std::int64_t lengths[] = {2, 1, 3};
    return generator.normal({lengths[parameter]});
  }

  static std::vector<Tensor> gradients(const std::vector<bool>& reached, int step) {
    std::vector<Tensor> all;
    for (std::size_t i = 0; i < reached.size(); ++i) {
      all.push_back(reached[i] ? gradient(i, step) : Tensor());
    }
    return all;
  }

  void step_apart(const std::vector<bool>& reached, int step) {
    for (std::size_t i = 0; i < reached.size(); ++i) {
      if (reached[i]) each[i]->step({gradient(i, step)});
    }
  }

  void expect_equal(int step) const {
    for (std::size_t i = 0; i < together.size(); ++i) {
      EXPECT_EQ(values_of(together[i]), values_of(apart[i])) << "step " << step << ", " << i;
    }
  }
};

const std::vector<std::vector<bool>> kReached{
    {true, false, false}, {true, true, false}, {false, true, true},   {true, true, true},
    {true, true, true},   {true, false, true}, {false, false, false}, {true, true, true}};

TEST(LateParameter, MovesAsInAnOptimizerOfItsOwn) {
  Beside beside;
  for (int step = 0; step < static_cast<int>(kReached.size()); ++step) {
    const auto& reached = kReached[static_cast<std::size_t>(step)];
    beside.one.step(Beside::gradients(reached, step));
    beside.step_apart(reached, step);
    beside.expect_equal(step);
  }
  EXPECT_EQ(beside.one.step_count(), 8);
}

// Each set of reached parameters is a function of its own, compiled before the others have run.
TEST(LateParameter, MovesAsInAnOptimizerOfItsOwnWhenCompiledFunctionsTakeTurns) {
  Beside beside;
  const auto make = [&](const std::vector<bool>& reached) {
    return CompiledFunction([&beside, reached](const std::vector<Tensor>& arguments) {
      std::vector<Tensor> gradients;
      for (std::size_t i = 0; i < reached.size(); ++i) {
        gradients.push_back(reached[i] ? arguments[i] : Tensor());
      }
      beside.one.step(gradients, isfinite(sum(arguments[3])));
      return std::vector<Tensor>{arguments[3]};
    });
  };
  std::vector<CompiledFunction> functions;
  for (const auto& reached : kReached) functions.push_back(make(reached));
  for (int step = 0; step < 40; ++step) {
    const std::size_t which = static_cast<std::size_t>(step * 5 + step / 8) % kReached.size();
    std::vector<Tensor> arguments = Beside::gradients({true, true, true}, step);
    const bool good = step % 7 != 3;
    arguments.push_back(scalar(good ? 1 : NAN));
    functions[which].call(arguments);
    if (good) beside.step_apart(kReached[which], step);
    beside.expect_equal(step);
  }
}

TEST(LateParameter, CountsComeBackWithACheckpoint) {
  Beside beside;
  beside.one.step(Beside::gradients({true, false, true}, 0));
  beside.step_apart({true, false, true}, 0);
  // Another process: the same parameters and States, and a step that was compiled before they were
  // read.
  Beside other;
  auto step = compile([&](const Tensor& a, const Tensor& b, const Tensor& c) {
    other.one.step({a, b, c}, boolean(true));
    return a;
  });
  step.report(Beside::gradient(0, 1), Beside::gradient(1, 1), Beside::gradient(2, 1));
  const auto from = beside.one.states();
  const auto to = other.one.states();
  for (std::size_t i = 0; i < to.size(); ++i) to[i].state.assign(from[i].state);
  for (std::size_t i = 0; i < beside.together.size(); ++i) {
    other.together[i].assign(beside.together[i]);
  }
  for (int i = 1; i < 4; ++i) {
    step(Beside::gradient(0, i), Beside::gradient(1, i), Beside::gradient(2, i));
    beside.step_apart({true, true, true}, i);
  }
  for (std::size_t i = 0; i < beside.apart.size(); ++i) {
    EXPECT_EQ(values_of(other.together[i]), values_of(beside.apart[i])) << i;
  }
}

TEST(LateParameter, AFalseGuardDoesNotCount) {
  Beside beside;
  beside.one.step(Beside::gradients({true, false, true}, 0), boolean(false));
  beside.one.step(Beside::gradients({true, false, false}, 0), boolean(true));
  beside.step_apart({true, false, false}, 0);
  beside.one.step(Beside::gradients({true, true, true}, 1), boolean(true));
  beside.step_apart({true, true, true}, 1);
  beside.expect_equal(1);
  const NamedState missed = beside.one.states().back();
  EXPECT_EQ(missed.name, "optimizer.missed");
  EXPECT_TRUE(missed.may_be_missing);
  EXPECT_EQ(missed.state.value().to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 1}));
}

TEST(LateParameter, AnotherScheduleTakesEffectInACompiledStep) {
  const State parameter(vector_of({1}), "a");
  optim::SGD sgd(std::vector<State>{parameter}, {.lr = 1});
  auto step = compile([&](const Tensor& g) {
    sgd.step({g});
    return g;
  });
  for (int i = 0; i < 3; ++i) step(vector_of({1}));
  EXPECT_EQ(values_of(parameter), (Floats{-2}));
  sgd.set_schedule(optim::StepDecay(1, 0.5));
  step(vector_of({1}));
  EXPECT_EQ(values_of(parameter), (Floats{-2.125}));
}

}  // namespace
}  // namespace sinter
