// Groups of settings that recipes take, and what is made of them.
//
//   train::Config config;
//   train::add_training_settings(&config, {.epochs = 10, .batch = 64});
//   train::add_optimizer_settings(&config, {.lr = 1e-3});
//
// Each function adds its settings with a recipe's own defaults; the trainer reads those that are
// there.
#ifndef SINTER_SETTINGS_H_
#define SINTER_SETTINGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sinter/config.h"
#include "sinter/named_state.h"
#include "sinter/optim.h"
#include "sinter/step.h"

namespace sinter::train {

// `data` (--data): `text` says what the path leads to.
void add_data_setting(Config* config, const std::string& text);
// `model` (--model): the first name is the default.
void add_model_setting(Config* config, const std::vector<std::string>& names);
// `init` (--init), weights to begin with, and `freeze` (--freeze), a shell pattern of names.
void add_weight_settings(Config* config);
// `precision` (--precision): f32, bf16 or f16.
void add_precision_setting(Config* config);
// What it says; f32 where it is not among the settings.
Dtype precision_of(const Config& config);

struct TrainingDefaults {
  std::int64_t epochs = 5;
  std::int64_t batch = 128;
  const char* rows = "rows";  // what a batch is counted in, for the help
};
// `seed`, `epochs`, `steps`, `batch` (options of these names) and `accumulate`.
void add_training_settings(Config* config, const TrainingDefaults& defaults);

struct OptimizerDefaults {
  const char* optimizer = "adamw";  // or "sgd"
  double lr = 1e-3;
  double weight_decay = 0.01;
  const char* schedule = "one-cycle";
};
// `optimizer`, `lr` (--lr), `weight_decay`, `momentum`, `schedule`, `warmup`, `clip_norm`,
// `clip_value`, `average`.
void add_optimizer_settings(Config* config, const OptimizerDefaults& defaults);

// The optimizer that the settings describe, with its schedule over `steps` updates.
// REQUIRES: add_optimizer_settings().
std::unique_ptr<optim::Optimizer> make_optimizer(const Config& config,
                                                 const std::vector<State>& parameters,
                                                 std::int64_t steps);
// Clipping, accumulation, average and precision, with a loss scale for f16; what is not among the settings is off.
StepOptions step_options(const Config& config);

// The parameters that are trained, and how many are not.
struct TrainedParameters {
  std::vector<State> trained;
  int frozen_tensors = 0;
  std::int64_t frozen_elements = 0;
};
// All parameters among `states` but those whose names match the shell pattern `freeze`. Throws
// Error when the pattern matches none or all of them.
TrainedParameters choose_trained(const std::vector<NamedState>& states, const std::string& freeze);

}  // namespace sinter::train

#endif  // SINTER_SETTINGS_H_
