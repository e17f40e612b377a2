#include "sinter/run.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "sinter/io.h"
#include "sinter/nn.h"
#include "sinter/system.h"
#include "train/quote.h"

namespace sinter::train {
namespace {

namespace fs = std::filesystem;

// What a run directory may hold; nothing else is ever removed.
constexpr const char* kFiles[] = {"config.toml",  "metrics.jsonl",     "timing.jsonl",
                                  "summary.json", "model.safetensors", "checkpoints"};

bool holds_run(const std::string& folder) {
  for (const char* name : kFiles) {
    if (fs::exists(folder + "/" + name)) return true;
  }
  return false;
}

// runs/RECIPE-N: the first that is free, or the last that is there (0: none).
int last_number(const std::string& recipe) {
  int number = 0;
  while (fs::exists(fmt::format("runs/{}-{}", recipe, number + 1))) ++number;
  return number;
}

std::string environment_text() {
  const SystemInfo info = system_info();
  std::string text =
      fmt::format("{} {}, {} threads, sinter {}", info.device, info.isa, info.threads, version());
  for (const Library& library : info.libraries) text += ", " + library.name + " " + library.version;
  return text;
}

std::string environment_toml() {
  const SystemInfo info = system_info();
  std::string text =
      fmt::format("device = \"{}\"\nthreads = {}\n\n[environment]\nisa = \"{}\"\nsinter = \"{}\"\n",
                  info.device, info.threads, info.isa, version());
  for (const Library& library : info.libraries) {
    text += fmt::format("{} = {}\n", library.name, train::quoted(library.version));
  }
  return text;
}

// The "sinter" entry of the file of weights: what makes the network again.
std::string description_of(const Recipe& recipe, const Task& task) {
  OrderedJson json{{"recipe", recipe.name()}};
  json.update(OrderedJson::parse(task.description));
  json["version"] = version();
  return json_text(json);
}

constexpr Split kSplits[] = {Split::train, Split::validation, Split::test};

}  // namespace

Config whole_config(const Recipe& recipe) {
  Config config = recipe.settings();
  config.add({.key = "recipe", .value = recipe.name(), .choices = {recipe.name()}});
  // These are recorded as a part of the environment, which --force may change.
  config.add({.key = "device",
              .value = std::string("auto"),
              .text = "auto, cpu, cuda or cuda:N",
              .option = "--device",
              .determines_result = false});
  config.add({.key = "threads",
              .value = std::int64_t{0},
              .text = "CPU threads; 0: as many as there are processors",
              .range = Setting::Range{0, 1024},
              .option = "--threads",
              .determines_result = false});
  config.add({.key = "checkpoint_seconds",
              .value = 30.0,
              .text = "time between checkpoints",
              .range = Setting::Range{0, 1e9},
              .determines_result = false});
  config.add({.key = "checkpoint_steps",
              .value = std::int64_t{0},
              .text = "also after so many updates; 0: by time only",
              .range = Setting::Range{0, 1e12},
              .determines_result = false});
  return config;
}

std::string run_weights(const std::string& folder) {
  const std::string path = folder + "/model.safetensors";
  if (fs::exists(path)) return path;
  const bool is_run = fs::exists(folder + "/config.toml");
  raise({.where = folder,
         .what = is_run ? "the run is not finished: it has no model.safetensors"
                        : "this is not the folder of a run",
         .got = {},
         .expected = {},
         .hint = is_run ? "sinter train --resume goes on with it" : "sinter train makes one"});
}

Config read_run_config(const Recipes& recipes, const std::string& folder, std::string* recipe) {
  const std::string path = folder + "/config.toml";
  if (!fs::exists(path)) {
    raise({.where = folder,
           .what = "this is not the folder of a run",
           .got = {},
           .expected = "a folder with config.toml",
           .hint = "sinter train makes one"});
  }
  *recipe = Config::read_text(path, "recipe");
  Config config = whole_config(find_recipe(recipes, *recipe));
  config.read(path);
  return config;
}

Trained open_trained(const Recipes& recipes, const std::string& path,
                     const std::function<void(Config*)>& change) {
  const bool is_file = fs::is_regular_file(path);
  const std::string weights = is_file ? path : run_weights(path);
  const io::Texts texts = io::read_texts(weights);
  const auto text = [&](const char* name) {
    const auto found = texts.find(name);
    return found == texts.end() ? std::string() : found->second;
  };
  const std::string description = text("sinter");
  const std::string where = weights + ", its \"sinter\" entry";
  const Json json = description.empty() ? Json() : parse_json(description, where);
  if (!json.is_object() || !json.contains("recipe") || !json["recipe"].is_string()) {
    raise({.where = weights,
           .what = "this file does not say which recipe made it",
           .got = description.empty() ? "no \"sinter\" entry" : "a damaged \"sinter\" entry",
           .expected = "the model.safetensors of a run",
           .hint = {}});
  }
  Trained trained;
  trained.recipe = &find_recipe(recipes, json["recipe"].get<std::string>());
  trained.config = whole_config(*trained.recipe);
  if (is_file) {
    trained.config.read_toml(text("settings"), weights + ", its settings");
  } else {
    trained.config.read(path + "/config.toml");
  }
  change(&trained.config);
  trained.task = trained.recipe->prepare(trained.config, description);
  trained.task.precision = precision_of(trained.config);
  io::load_weights(weights, trained.task.states);
  return trained;
}

Run::Run(const Recipe& recipe, RunRequest request,
         const std::function<void(const std::string&)>& say)
    : recipe_(recipe), request_(std::move(request)), config_(whole_config(recipe)) {
  settle_folder(say);
  settle_config();
}

void Run::prepare() {
  set_device(config_.text("device"));
  if (config_.integer("threads") > 0) {
    set_thread_count(static_cast<int>(config_.integer("threads")));
  }
  manual_seed(config_.has("seed") ? static_cast<std::uint64_t>(config_.integer("seed")) : 0);
  task_ = recipe_.prepare(config_, "");
  task_.precision = precision_of(config_);
  // Read now, so that what is missing is found before the training.
  for (const Split split : kSplits) task_.data(split);
  const auto text = [&](const char* key) {
    return config_.has(key) ? config_.text(key) : std::string();
  };
  if (!text("init").empty()) io::load_weights(text("init"), task_.states);
  parameters_ = choose_trained(task_.states, text("freeze"));
}

std::int64_t Run::data_bytes() const {
  std::int64_t bytes = 0;
  for (const Split split : kSplits) bytes += task_.data(split)->bytes();
  return bytes;
}

std::int64_t Run::parameter_count() const {
  std::int64_t count = 0;
  for (const NamedState& named : task_.states) {
    if (named.role == StateRole::parameter) count += named.state.shape().elements();
  }
  return count;
}

void Run::settle_folder(const std::function<void(const std::string&)>& say) {
  folder_ = request_.folder;
  if (folder_.empty()) {
    const int last = last_number(recipe_.name());
    folder_ =
        fmt::format("runs/{}-{}", recipe_.name(), request_.resume && last > 0 ? last : last + 1);
  }
  if (fs::exists(folder_) && !fs::is_directory(folder_)) {
    raise({.where = folder_,
           .what = "this is a file",
           .got = {},
           .expected = "the name of a folder to make",
           .hint = {}});
  }
  if (request_.resume) {
    if (!request_.folder.empty() && !fs::exists(folder_)) {
      raise({.where = "--resume",
             .what = "there is no run " + folder_,
             .got = {},
             .expected = "the folder of a run that was begun",
             .hint = "without --resume a new one begins there"});
    }
    goes_on_ = fs::exists(last_checkpoint_path(folder_));
    if (!goes_on_) say(folder_ + " has no checkpoint yet: starting afresh");
    return;
  }
  refuse_existing();
}

void Run::refuse_existing() const {
  if (request_.resume || request_.force || !holds_run(folder_)) return;
  raise({.where = folder_,
         .what = "there is a run already",
         .got = {},
         .expected = {},
         .hint = "--resume goes on with it, --force replaces it, --out names another folder"});
}

void Run::settle_config() {
  const std::string path = folder_ + "/config.toml";
  const bool has_config = request_.resume && fs::exists(path);
  if (has_config) config_.read(path);
  const Config recorded = config_;
  if (!request_.config_file.empty()) config_.read(request_.config_file);
  for (const RunRequest::Setting& setting : request_.settings) {
    config_.set(setting.key, setting.text, setting.where);
  }
  for (const std::string& pair : request_.set) config_.set_pair(pair);
  if (!is_device_name(config_.text("device"))) {
    raise({.where = "--device",
           .what = "there is no such device",
           .got = "'" + config_.text("device") + "'",
           .expected = "auto, cpu, cuda or cuda:N",
           .hint = {}});
  }
  // A run's folder stands for its weights.
  if (config_.has("init") && fs::is_directory(config_.text("init"))) {
    config_.set("init", run_weights(config_.text("init")), "--init");
  }
  if (!has_config) return;
  const std::string changed = config_.first_difference(recorded);
  if (changed.empty()) return;
  raise({.where = "--resume",
         .what = "'" + changed + "' is not what the run began with",
         .got = config_.value_text(changed),
         .expected = recorded.value_text(changed),
         .hint = "a run goes on with its settings; --out begins another"});
}

Options Run::options() const {
  return {.folder = folder_,
          .config = config_,
          .description = description_of(recipe_, task_),
          .environment = environment_text(),
          .checkpoint_seconds = config_.real("checkpoint_seconds"),
          .checkpoint_steps = config_.integer("checkpoint_steps"),
          .resume = goes_on_,
          .force = request_.force,
          .stop = request_.stop};
}

Job Run::job() {
  const std::int64_t batch = config_.integer("batch");
  const StepOptions step = step_options(config_);
  std::int64_t steps = config_.has("steps") ? config_.integer("steps") : 0;
  if (steps == 0) {
    const std::int64_t rows = task_.data(Split::train)->size();
    steps = config_.integer("epochs") * (rows / batch) / step.accumulate;
    if (steps == 0) {
      raise({.where = "batch",
             .what = "an update has more rows than there are",
             .got = std::to_string(batch * step.accumulate),
             .expected = "at most " + std::to_string(rows),
             .hint = "choose a smaller --batch"});
    }
  }
  return {.task = task_,
          .optimizer = make_optimizer(config_, parameters_.trained, steps),
          .step = step,
          .batch = batch,
          .seed = config_.has("seed") ? static_cast<std::uint64_t>(config_.integer("seed")) : 0,
          .steps = steps};
}

ProgramReport Run::plan() {
  Trainer trainer(job(), options());
  return trainer.plan();
}

Result Run::train(Observer& observer) {
  Trainer trainer(job(), options());
  create_directories(folder_);
  const FolderLock lock(folder_);
  refuse_existing();  // it may have been made while this one prepared itself
  if (!goes_on_) {
    for (const char* name : kFiles) fs::remove_all(folder_ + "/" + name);
  }
  // A run that goes on in the environment that it began in has its record; when it is refused, the
  // record stays.
  const std::string path = folder_ + "/config.toml";
  if (!goes_on_ || request_.force || !fs::exists(path)) {
    write_file(path, config_.to_toml() + environment_toml());
  }
  Result result = trainer.run(observer);
  write_summary(result);
  return result;
}

void Run::write_summary(const Result& result) const {
  const auto text = [&](const char* key) -> OrderedJson {
    if (!config_.has(key)) return nullptr;
    return config_.text(key);
  };
  const SystemInfo info = system_info();
  OrderedJson test = OrderedJson::object();
  for (const MetricValue& metric : result.test) test[metric.name] = metric.value;
  const bool is_embedded = !config_.has("data") || config_.text("data").empty();
  OrderedJson summary{{"recipe", recipe_.name()},
                      {"data", is_embedded ? OrderedJson("embedded") : text("data")},
                      {"model", text("model")},
                      {"device", info.device},
                      {"threads", info.threads},
                      {"precision", config_.has("precision") ? text("precision") : "f32"}};
  summary["seed"] = config_.has("seed") ? OrderedJson(config_.integer("seed")) : nullptr;
  summary["epochs"] = result.epochs;
  summary["steps"] = result.steps;
  summary["parameters"] = parameter_count();
  summary["test"] = test;
  const bool higher = better_of_objective(task_) == Better::higher;
  summary["objective"] = {{"name", task_.objective},
                          {"better", higher ? "higher" : "lower"},
                          {"baseline", task_.baseline ? OrderedJson(*task_.baseline) : nullptr},
                          {"baseline_is", task_.baseline_text}};
  summary["resumed_from_step"] =
      result.resumed_from ? OrderedJson(*result.resumed_from) : OrderedJson(nullptr);
  summary["steps_run"] = result.steps_run;
  summary["train_seconds"] = json_number(result.train_seconds, 6);
  summary["samples_per_s"] = json_number(result.units_per_second, 6);
  summary["unit"] = task_.unit;
  summary["first_step_ms"] = json_number(result.first_step_ms, 6);
  summary["planned_bytes"] = result.planned_bytes;
  summary["kernels"] = result.kernels;
  summary["peak_bytes"] = result.peak_bytes;
  summary["version"] = version();
  write_file(folder_ + "/summary.json", json_text(summary) + "\n");
}

}  // namespace sinter::train
