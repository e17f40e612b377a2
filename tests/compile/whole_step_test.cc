// Whole training steps: compiled and op by op, with the same bits, and how large their plans are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/parallel.h"
#include "compile/checks.h"
#include "compile/training_steps.h"
#include "sinter/compile.h"
#include "source_path.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;
using MakeStep = ModelStep (*)();
using MakeBatch = std::vector<Tensor> (*)(std::int64_t, std::mt19937&);

void expect_same_states(const ModelStep& a, const ModelStep& b, int call) {
  const auto x = a.states();
  const auto y = b.states();
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_TRUE(same_bits(x[i].state.value(), y[i].state.value()))
        << "step " << call << ", " << x[i].name;
  }
}

// The last batch of each "epoch" of four is smaller; the learning rate changes in the middle.
void expect_same_bits(MakeStep make, MakeBatch batch, int steps) {
  const ModelStep compiled = make();
  const ModelStep eager = make();
  CompiledFunction step([&](const std::vector<Tensor>& arguments) { return compiled(arguments); });
  std::mt19937 random(9);
  Tensor first_loss;
  for (int call = 0; call < steps; ++call) {
    const auto arguments = batch(call % 4 == 3 ? 5 : 16, random);
    if (call == steps / 2) {
      compiled.optimizer().set_learning_rate(0.003);
      eager.optimizer().set_learning_rate(0.003);
    }
    const auto expected = eager(arguments);
    const auto results = step.call(arguments);
    for (std::size_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(same_bits(results[i], expected[i]))
          << "step " << call << ", result " << i << ": " << results[i].item<float>() << " and "
          << expected[i].item<float>();
    }
    expect_same_states(compiled, eager, call);
    if (testing::Test::HasFatalFailure()) return;
    // The model as it is used: evaluation between training steps.
    const TrainingScope evaluating(false);
    CompiledFunction logits(
        [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{compiled.logits(x[0])}; });
    ASSERT_TRUE(same_bits(logits.call({arguments[0]})[0], eager.logits(arguments[0])))
        << "evaluation after step " << call;
  }
  EXPECT_EQ(compiled.optimizer().step_count(), steps);
}

TEST(WholeStep, OfAnMlpHasTheBitsOfTheOpsOneByOne) { expect_same_bits(mlp_step, mlp_batch, 12); }

TEST(WholeStep, OfACnnHasTheBitsOfTheOpsOneByOne) { expect_same_bits(cnn_step, cnn_batch, 12); }

// As steps are compiled for use: other algorithms for contractions, so other last bits.
void expect_close(MakeStep make, MakeBatch batch, int steps) {
  const ModelStep compiled = make();
  const ModelStep eager = make();
  CompiledFunction step([&](const std::vector<Tensor>& arguments) { return compiled(arguments); });
  std::mt19937 random(9);
  for (int call = 0; call < steps; ++call) {
    const auto arguments = batch(16, random);
    const float wanted = eager(arguments)[0].item<float>();
    EXPECT_NEAR(step.call(arguments)[0].item<float>(), wanted, 1e-4F * std::abs(wanted) + 1e-6F)
        << "step " << call;
  }
}

TEST(WholeStep, OfAnMlpIsCloseToTheOpsOneByOne) { expect_close(mlp_step, mlp_batch, 12); }

TEST(WholeStep, OfACnnIsCloseToTheOpsOneByOne) { expect_close(cnn_step, cnn_batch, 12); }

// Everything but contractions, whose bits may depend on the thread count; large enough to be cut
// into pieces.
Floats train_with_threads(int threads) {
  const int before = thread_count();
  set_thread_count(threads);
  manual_seed(6);
  const nn::BatchNorm norm(150);
  const nn::Dropout drop(0.25);
  const State scale(full({150}, 0.5), "scale");
  std::vector<State> parameters = norm.parameters();
  parameters.push_back(scale);
  optim::AdamW optimizer(parameters, {.lr = 0.01});
  CompiledFunction step([&](const std::vector<Tensor>& batch) {
    const Tensor logits = drop(norm(gelu(batch[0] * scale)));
    const Tensor loss = cross_entropy(logits, batch[1]);
    optimizer.step(optim::clip_gradients(gradients(loss, parameters), 0.1));
    return std::vector<Tensor>{loss, softmax(logits, 0), max(logits, {0}), sum(logits)};
  });
  std::mt19937 random(2);
  Floats seen;
  for (int call = 0; call < 3; ++call) {
    const std::vector<Tensor> batch = {random_floats({3000, 150}, random),
                                       random_labels(3000, 150, random)};
    for (const Tensor& result : step.call(batch)) {
      const Floats values = values_of(result);
      seen.insert(seen.end(), values.begin(), values.end());
    }
  }
  for (const NamedState& each : optimizer.states()) {
    if (each.state.dtype() != Dtype::f32) continue;
    const Floats values = values_of(each.state.value());
    seen.insert(seen.end(), values.begin(), values.end());
  }
  set_thread_count(before);
  return seen;
}

TEST(WholeStep, WithoutContractionsHasTheSameBitsWithOneTwoAndThreeThreads) {
  const Floats one = train_with_threads(1);
  EXPECT_EQ(std::memcmp(one.data(), train_with_threads(2).data(), one.size() * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(one.data(), train_with_threads(3).data(), one.size() * sizeof(float)), 0);
}

TEST(WholeStep, IsRightUnderAllChecks) {
  for (const char* level : {"1", "2", "3"}) {
    const SwitchScope check("SINTER_CHECK", level);
    expect_same_bits(cnn_step, cnn_batch, 3);
  }
}

TEST(WholeStep, TrainsOneBatchByHeart) {
  const ModelStep model = mlp_step();
  CompiledFunction step([&](const std::vector<Tensor>& arguments) { return model(arguments); });
  std::mt19937 random(5);
  const auto batch = mlp_batch(16, random);
  const float first = step.call(batch)[0].item<float>();
  for (int call = 0; call < 60; ++call) step.call(batch);
  EXPECT_LT(step.call(batch)[0].item<float>(), first / 4);
}

TEST(WholeStep, TwoOptimizersTrainTwoPartsAndOneStateInBothIsAnError) {
  const auto train = [](bool compiled) {
    manual_seed(1);
    const nn::Linear body(6, 8), head(8, 3);
    optim::SGD slow(body.parameters(), {.lr = 0.1, .momentum = 0.9});
    optim::AdamW fast(head.parameters(), {.lr = 0.05});
    EXPECT_TRUE(says(message_of([&] { optim::SGD third(head.parameters(), {.lr = 1}); }),
                     "in another optimizer already"));
    const auto update = [&](const std::vector<Tensor>& batch) {
      const Tensor loss = cross_entropy(head(tanh(body(batch[0]))), batch[1]);
      std::vector<State> all = body.parameters();
      for (const State& each : head.parameters()) all.push_back(each);
      const auto dx = gradients(loss, all);
      slow.step({dx[0], dx[1]});
      fast.step({dx[2], dx[3]});
      return std::vector<Tensor>{loss};
    };
    CompiledFunction step(update);
    std::mt19937 random(7);
    Floats seen;
    for (int call = 0; call < 6; ++call) {
      const std::vector<Tensor> batch = {random_floats({9, 6}, random),
                                         random_labels(9, 3, random)};
      seen.push_back((compiled ? step.call(batch) : update(batch))[0].item<float>());
    }
    for (const State& each : body.parameters()) {
      for (const float value : values_of(each.value())) seen.push_back(value);
    }
    return seen;
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(WholeStep, TwoFunctionsShareParametersAndOneEvaluates) {
  const ModelStep model = mlp_step();
  CompiledFunction train([&](const std::vector<Tensor>& arguments) { return model(arguments); });
  CompiledFunction evaluate(
      [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{model.logits(x[0])}; });
  std::mt19937 random(8);
  for (int call = 0; call < 5; ++call) {
    const auto batch = mlp_batch(8, random);
    train.call(batch);
    const TrainingScope evaluating(false);
    const NoGradScope untracked;
    EXPECT_TRUE(same_bits(evaluate.call({batch[0]})[0], model.logits(batch[0])));
  }
}

TEST(WholeStep, ANanIsNamedWithItsOpAndModule) {
  const ModelStep model = mlp_step();
  CompiledFunction step([&](const std::vector<Tensor>& arguments) { return model(arguments); });
  std::mt19937 random(8);
  auto batch = mlp_batch(8, random);
  EXPECT_EQ(step.find_first_nonfinite(batch), "");
  NamedState bias = model.states()[0];
  for (const NamedState& each : model.states()) {
    if (each.name == "3.bias") bias = each;  // the second linear layer's
  }
  ASSERT_EQ(bias.name, "3.bias");
  Floats values = values_of(bias.state.value());
  const Tensor good = bias.state.value();
  values[4] = std::numeric_limits<float>::quiet_NaN();
  bias.state.assign(floats(values));
  const std::string found = step.find_first_nonfinite(batch);
  EXPECT_TRUE(says(found, "3")) << found;
  const SwitchScope check("SINTER_CHECK", "3");
  const std::string message = message_of([&] { step.call(batch); });
  EXPECT_TRUE(says(message, "not finite")) << message;
  EXPECT_TRUE(says(message, found)) << message;
  // Nothing was lost: the States are those of before.
  bias.state.assign(good);
  EXPECT_EQ(model.optimizer().step_count(), 0);
  EXPECT_NO_THROW(step.call(batch));
}

// Exact counts, so that a change of fusion or planning is seen and meant; without the arena, part
// of which is workspace of the vendor's library. They differ by instruction set, as what is emitted
// does. After a meant change, where there is AVX-512: SINTER_UPDATE_GOLDEN=1 whole_step_test
TEST(WholeStep, HasThePlanOfTheGoldenFile) {
  std::vector<std::string> lines;
  const auto describe = [&](const std::string& name, MakeStep make, MakeBatch batch) {
    const ModelStep model = make();
    CompiledFunction step([&](const std::vector<Tensor>& arguments) { return model(arguments); });
    std::mt19937 random(1);
    const ProgramReport report = step.report(batch(32, random));
    std::ostringstream text;
    text << name << ": kernels " << report.kernels << ", parameters " << report.memory.parameters
         << ", gradients " << report.memory.gradients << ", optimizer " << report.memory.optimizer
         << ", data " << report.memory.data;
    lines.push_back(text.str());
  };
  for (const std::string isa : {"avx2", "avx512"}) {
    for (const std::string disabled : {"", "epilogues"}) {
      const SwitchScope chosen("SINTER_ISA", isa);
      const SwitchScope disable("SINTER_DISABLE", disabled);
      if (says(message_of([] { floats({1, 2}) + floats({3, 4}); }), "SINTER_ISA")) continue;
      const std::string how = " with " + isa + (disabled.empty() ? "" : ", without " + disabled);
      describe("mlp" + how, mlp_step, mlp_batch);
      describe("cnn" + how, cnn_step, cnn_batch);
    }
  }
  const std::string path = tests::source_path("tests/golden/plans.txt");
  if (std::getenv("SINTER_UPDATE_GOLDEN") != nullptr) {
    std::ofstream file(path);
    for (const std::string& line : lines) file << line << "\n";
  }
  std::vector<std::string> golden;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) golden.push_back(line);
  EXPECT_FALSE(lines.empty());
  for (const std::string& line : lines) {
    EXPECT_NE(std::find(golden.begin(), golden.end(), line), golden.end()) << line;
  }
}

}  // namespace
}  // namespace sinter
