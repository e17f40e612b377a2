#include "sinter/settings.h"

#include <gtest/gtest.h>

#include "sinter/error.h"
#include "sinter/nn.h"

namespace sinter::train {
namespace {

Config all_settings() {
  Config config;
  add_training_settings(&config, {.epochs = 3, .batch = 16});
  add_optimizer_settings(&config, {.lr = 0.1});
  return config;
}

TEST(Settings, DescribeTheStep) {
  Config config = all_settings();
  EXPECT_FALSE(step_options(config).clip_norm);
  EXPECT_FALSE(step_options(config).average);
  for (const char* pair : {"clip_norm=0.5", "clip_value=2", "accumulate=4", "average=0.99"}) {
    config.set_pair(pair);
  }
  const StepOptions options = step_options(config);
  EXPECT_EQ(options.clip_norm, 0.5);
  EXPECT_EQ(options.clip_value, 2.0);
  EXPECT_EQ(options.accumulate, 4);
  EXPECT_EQ(options.average, 0.99);
  EXPECT_EQ(step_options(Config()).accumulate, 1) << "what is not among the settings is off";
}

TEST(Settings, DescribeOptimizerAndSchedule) {
  const nn::Linear model(2, 2);
  Config config = all_settings();
  {
    const auto optimizer = make_optimizer(config, model.parameters(), 100);
    EXPECT_NE(dynamic_cast<optim::AdamW*>(optimizer.get()), nullptr);
    EXPECT_EQ(optimizer->learning_rate(), 0.1);
    EXPECT_NEAR(optimizer->scheduled_learning_rate().item<double>(), 0.1 / 25, 1e-12);
  }
  const nn::Linear other(2, 2);
  for (const char* pair : {"optimizer=sgd", "schedule=cosine", "warmup=10"}) config.set_pair(pair);
  const auto sgd = make_optimizer(config, other.parameters(), 100);
  EXPECT_NE(dynamic_cast<optim::SGD*>(sgd.get()), nullptr);
  EXPECT_NEAR(sgd->scheduled_learning_rate().item<double>(), 0.01, 1e-12);
}

TEST(Settings, ChooseWhatIsTrained) {
  const nn::Sequential model{nn::Linear(2, 3), nn::ReLU(), nn::Linear(3, 1)};
  EXPECT_EQ(choose_trained(model.states(), "").trained.size(), 4u);
  const TrainedParameters chosen = choose_trained(model.states(), "0.*");
  EXPECT_EQ(chosen.trained.size(), 2u);
  EXPECT_EQ(chosen.frozen_tensors, 2);
  EXPECT_EQ(chosen.frozen_elements, 9);
  EXPECT_THROW(choose_trained(model.states(), "conv*"), Error);
  EXPECT_THROW(choose_trained(model.states(), "*"), Error);
}

}  // namespace
}  // namespace sinter::train
