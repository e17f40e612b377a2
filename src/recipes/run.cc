#include "recipes/run.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "sinter/system.h"
#include "train/quote.h"

namespace sinter::recipes {
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

train::Config whole_config(const Recipe& recipe) {
  train::Config config = recipe.config();
  config.add({.key = "recipe",
              .value = std::string(recipe.name),
              .comment = {},
              .range = {},
              .names = {recipe.name}});
  // These two are recorded as a part of the environment, which --force may change.
  config.add({.key = "device",
              .value = std::string("auto"),
              .comment = {},
              .range = {},
              .names = {},
              .determines_result = false});
  config.add({.key = "threads",
              .value = std::int64_t{0},
              .comment = {},
              .range = train::Config::Range{0, 1024},
              .names = {},
              .determines_result = false});
  config.add({.key = "checkpoint_seconds",
              .value = 30.0,
              .comment = {},
              .range = train::Config::Range{0, 1e9},
              .names = {},
              .determines_result = false});
  config.add({.key = "checkpoint_steps",
              .value = std::int64_t{0},
              .comment = {},
              .range = train::Config::Range{0, 1e12},
              .names = {},
              .determines_result = false});
  return config;
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

std::string json_number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

}  // namespace

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

train::Config read_run_config(const std::string& folder, std::string* recipe) {
  const std::string path = folder + "/config.toml";
  if (!fs::exists(path)) {
    raise({.where = folder,
           .what = "this is not the folder of a run",
           .got = {},
           .expected = "a folder with config.toml",
           .hint = "sinter train makes one"});
  }
  *recipe = train::Config::read_text(path, "recipe");
  train::Config config = whole_config(find_recipe(*recipe));
  config.read(path);
  return config;
}

Run::Run(const RunRequest& request, const std::function<void(const std::string&)>& say)
    : request_(request), recipe_(find_recipe(request.recipe)), config_(whole_config(recipe_)) {
  settle_folder(say);
  settle_config();
}

void Run::prepare() {
  set_device(config_.text("device"));
  if (config_.integer("threads") > 0) {
    set_thread_count(static_cast<int>(config_.integer("threads")));
  }
  prepared_ = recipe_.prepare(config_);
}

void Run::settle_folder(const std::function<void(const std::string&)>& say) {
  folder_ = request_.folder;
  if (folder_.empty()) {
    const int last = last_number(recipe_.name);
    folder_ =
        fmt::format("runs/{}-{}", recipe_.name, request_.resume && last > 0 ? last : last + 1);
  }
  if (fs::exists(folder_) && !fs::is_directory(folder_)) {
    raise({.where = folder_,
           .what = "this is a file",
           .got = {},
           .expected = "the name of a folder to make",
           .hint = {}});
  }
  if (request_.resume) {
    goes_on_ = fs::exists(train::last_checkpoint_path(folder_));
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
  const train::Config recorded = config_;
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
  const std::string& init = config_.text("init");
  if (!init.empty() && fs::is_directory(init)) config_.set("init", run_weights(init), "--init");
  if (!has_config) return;
  const std::string changed = config_.first_difference(recorded);
  if (changed.empty()) return;
  raise({.where = "--resume",
         .what = "'" + changed + "' is not what the run began with",
         .got = config_.value_text(changed),
         .expected = recorded.value_text(changed),
         .hint = "a run goes on with its settings; --out begins another"});
}

train::Options Run::options() const {
  return {.folder = folder_,
          .config = config_.to_toml(),
          .description = prepared_->description(),
          .environment = environment_text(),
          .checkpoint_seconds = config_.real("checkpoint_seconds"),
          .checkpoint_steps = config_.integer("checkpoint_steps"),
          .resume = goes_on_,
          .force = request_.force,
          .stop = request_.stop};
}

ProgramReport Run::plan() {
  train::Trainer trainer(prepared_->job(), options());
  return trainer.plan();
}

train::Result Run::train(train::Observer& observer) {
  train::Trainer trainer(prepared_->job(), options());
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
  train::Result result = trainer.run(observer);
  write_summary(result);
  return result;
}

void Run::write_summary(const train::Result& result) const {
  std::string test;
  for (const train::Metric& metric : result.test) {
    test +=
        fmt::format("{}\"{}\":{}", test.empty() ? "" : ",", metric.name, json_number(metric.value));
  }
  const std::string& data = config_.text("data");
  const SystemInfo info = system_info();
  std::string text = fmt::format(
      "{{\"recipe\":\"{}\",\"data\":{},\"model\":{},\"device\":\"{}\",\"threads\":{},"
      "\"precision\":\"{}\",\"seed\":{},\"epochs\":{},\"steps\":{},\"parameters\":{},"
      "\"test\":{{{}}},",
      recipe_.name, train::quoted(data.empty() ? "embedded" : data),
      train::quoted(config_.text("model")), info.device, info.threads, config_.text("precision"),
      config_.integer("seed"), result.epochs, result.steps, prepared_->parameter_count(), test);
  text += fmt::format(
      "\"resumed_from_step\":{},\"steps_run\":{},\"train_seconds\":{:.3f},\"samples_per_s\":{:.1f},"
      "\"first_step_ms\":{:.3f},\"planned_bytes\":{},\"peak_bytes\":{},\"version\":\"{}\"}}\n",
      result.resumed_from ? std::to_string(*result.resumed_from) : "null", result.steps_run,
      result.train_seconds, result.samples_per_second, result.first_step_ms, result.planned_bytes,
      result.peak_bytes, version());
  write_file(folder_ + "/summary.json", text);
}

}  // namespace sinter::recipes
