#include "sinter/settings.h"

#include <fnmatch.h>

#include <algorithm>

#include "sinter/error.h"
#include "train/suggest.h"

namespace sinter::train {
namespace {

using Range = Setting::Range;

constexpr Range kCountOrNone{0, 1e12};

void add_text(Config* config, const char* key, const std::string& value, const std::string& text,
              std::vector<std::string> choices = {}, const char* option = "",
              const char* value_name = "") {
  config->add({.key = key,
               .value = value,
               .text = text,
               .choices = std::move(choices),
               .option = option,
               .value_name = value_name});
}

void add_integer(Config* config, const char* key, std::int64_t value, Range range,
                 const std::string& text, const char* option = "") {
  config->add({.key = key, .value = value, .text = text, .range = range, .option = option});
}

void add_real(Config* config, const char* key, double value, Range range, const std::string& text,
              const char* option = "") {
  config->add({.key = key, .value = value, .text = text, .range = range, .option = option});
}

optim::Schedule make_schedule(const Config& config, std::int64_t steps) {
  // A cycle needs a few steps to rise in.
  constexpr std::int64_t kShortestCycle = 10;
  const std::string& name = config.text("schedule");
  const std::int64_t warmup = std::min(config.integer("warmup"), steps);
  const std::int64_t rest = std::max<std::int64_t>(steps - warmup, 1);
  optim::Schedule schedule = optim::Constant{};
  if (name == "one-cycle" && rest >= kShortestCycle) schedule = optim::OneCycle(rest);
  if (name == "cosine") schedule = optim::Cosine(rest);
  return warmup > 0 ? optim::LinearWarmup(warmup, schedule) : schedule;
}

}  // namespace

void add_data_setting(Config* config, const std::string& text) {
  add_text(config, "data", "", text, {}, "--data", "PATH");
}

void add_model_setting(Config* config, const std::vector<std::string>& names) {
  add_text(config, "model", names.front(), "the network", names, "--model");
}

void add_weight_settings(Config* config) {
  add_text(config, "init", "", "weights to begin with: a .safetensors file or a run", {}, "--init",
           "FILE|RUN");
  add_text(config, "freeze", "", "pattern of parameters that stay as they are", {}, "--freeze",
           "PATTERN");
}

void add_precision_setting(Config* config) {
  add_text(config, "precision", "f32",
           "in which products are multiplied; sums and weights stay f32", {"f32", "bf16", "f16"},
           "--precision");
}

Dtype precision_of(const Config& config) {
  return config.has("precision") ? dtype_from_name(config.text("precision")) : Dtype::f32;
}

void add_training_settings(Config* config, const TrainingDefaults& defaults) {
  const std::string rows = defaults.rows;
  add_integer(config, "seed", 1, {0, 9e15}, "of weights, order and augmentation", "--seed");
  add_integer(config, "epochs", defaults.epochs, {1, 1e6}, "how often each row is seen",
              "--epochs");
  add_integer(config, "steps", 0, kCountOrNone, "updates in all; 0: by epochs", "--steps");
  add_integer(config, "batch", defaults.batch, {1, 65536}, rows + " of one batch", "--batch");
  add_integer(config, "accumulate", 1, {1, 65536}, "batches of one update");
}

void add_optimizer_settings(Config* config, const OptimizerDefaults& defaults) {
  add_text(config, "optimizer", defaults.optimizer, "the method", {"adamw", "sgd"});
  add_real(config, "lr", defaults.lr, {0, 1e30}, "highest learning rate of the schedule", "--lr");
  add_real(config, "weight_decay", defaults.weight_decay, {0, 1e6}, "decoupled with adamw");
  add_real(config, "momentum", 0.9, {0, 1}, "of sgd");
  add_text(config, "schedule", defaults.schedule, "the learning rate over the run",
           {"one-cycle", "cosine", "constant"});
  add_integer(config, "warmup", 0, kCountOrNone, "updates of a linear rise before the schedule");
  add_real(config, "clip_norm", 0, {0, 1e30}, "limit of the gradients' global norm; 0: none");
  add_real(config, "clip_value", 0, {0, 1e30}, "limit of each gradient element; 0: none");
  add_real(config, "average", 0, {0, 0.9999999},
           "decay of averaged weights, which are then the model; 0: none");
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Config& config,
                                                 const std::vector<State>& parameters,
                                                 std::int64_t steps) {
  std::unique_ptr<optim::Optimizer> optimizer;
  if (config.text("optimizer") == "sgd") {
    optimizer = std::make_unique<optim::SGD>(
        parameters, optim::SgdOptions{.lr = config.real("lr"),
                                      .momentum = config.real("momentum"),
                                      .weight_decay = config.real("weight_decay")});
  } else {
    optimizer = std::make_unique<optim::AdamW>(
        parameters,
        optim::AdamWOptions{.lr = config.real("lr"), .weight_decay = config.real("weight_decay")});
  }
  optimizer->set_schedule(make_schedule(config, steps));
  return optimizer;
}

StepOptions step_options(const Config& config) {
  const auto positive = [&](const char* key) -> std::optional<double> {
    if (!config.has(key) || config.real(key) == 0) return std::nullopt;
    return config.real(key);
  };
  const Dtype precision = precision_of(config);
  return {
      .clip_norm = positive("clip_norm"),
      .clip_value = positive("clip_value"),
      .accumulate = config.has("accumulate") ? config.integer("accumulate") : 1,
      .loss_scale = precision == Dtype::f16 ? std::optional<LossScale>(LossScale()) : std::nullopt,
      .average = positive("average"),
      .precision = precision};
}

TrainedParameters choose_trained(const std::vector<NamedState>& states, const std::string& freeze) {
  TrainedParameters chosen;
  std::vector<std::string> names;
  for (const NamedState& named : states) {
    if (named.role != StateRole::parameter) continue;
    names.push_back(named.name);
    if (!freeze.empty() && fnmatch(freeze.c_str(), named.name.c_str(), 0) == 0) {
      ++chosen.frozen_tensors;
      chosen.frozen_elements += named.state.shape().elements();
    } else {
      chosen.trained.push_back(named.state);
    }
  }
  if (!freeze.empty() && chosen.frozen_tensors == 0) {
    raise({.where = "--freeze",
           .what = "no parameter of the model matches the pattern",
           .got = "'" + freeze + "'",
           .expected = list_text(names),
           .hint = {}});
  }
  if (chosen.trained.empty()) {
    raise({.where = "--freeze",
           .what = "nothing would be left to train",
           .got = "'" + freeze + "'",
           .expected = "a pattern that some parameter does not match, such as 'conv*'",
           .hint = {}});
  }
  return chosen;
}

}  // namespace sinter::train
