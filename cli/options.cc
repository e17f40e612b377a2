#include "options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "sinter/system.h"
#include "train/suggest.h"

namespace sinter::cli {
namespace {

using train::Setting;

// "N", "X": what stands for the value in the help.
std::string value_name(const Setting& setting) {
  if (!setting.value_name.empty()) return setting.value_name;
  if (std::holds_alternative<std::int64_t>(setting.value)) return "N";
  if (std::holds_alternative<double>(setting.value)) return "X";
  if (std::holds_alternative<bool>(setting.value)) return "true|false";
  return setting.choices.empty() ? "TEXT" : "NAME";
}

// What the value may be, and what it is when nobody says.
std::string describe(const Setting& setting) {
  std::string text = setting.text;
  if (!setting.choices.empty()) {
    text += fmt::format("{}{}", text.empty() ? "" : ": ", fmt::join(setting.choices, ", "));
  }
  constexpr double kLarge = 1e9;  // a bound that only keeps nonsense out
  if (setting.range && setting.range->most < kLarge) {
    text += fmt::format(" ({} to {})", setting.range->least, setting.range->most);
  }
  const std::string value = train::Config::text_of(setting.value);
  return value == "\"\"" ? text : text + " [" + value + "]";
}

// An option that is a setting of the recipe: its text is checked there.
void add_setting(CLI::App* app, const Setting& setting, train::RunRequest* request) {
  app->add_option_function<std::string>(
         setting.option,
         [request, key = setting.key, option = setting.option](const std::string& typed) {
           request->settings.push_back({.key = key, .text = typed, .where = option});
         },
         describe(setting))
      ->type_name(value_name(setting));
}

// The settings of one recipe, or of all of them where it is not known which is meant.
std::vector<Setting> settings_of(const train::Recipes& recipes, const train::Recipe* recipe) {
  std::vector<Setting> all;
  for (const train::Recipe* each : recipes) {
    if (recipe != nullptr && each != recipe) continue;
    const train::Config config = train::whole_config(*each);
    for (Setting setting : config.settings()) {
      const bool known = std::any_of(
          all.begin(), all.end(), [&](const Setting& other) { return other.key == setting.key; });
      if (known || setting.key == "recipe") continue;
      if (recipe == nullptr) setting.choices.clear();  // they differ
      all.push_back(std::move(setting));
    }
  }
  return all;
}

// The recipe that the user names: the first word that is none's option and names one.
const train::Recipe* named_recipe(int argc, const char* const* argv,
                                  const train::Recipes& recipes) {
  const train::Recipe* found = nullptr;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    for (const train::Recipe* recipe : recipes) {
      if (word != recipe->name()) continue;
      const bool follows_option = argv[i - 1][0] == '-';
      if (!follows_option) return recipe;
      if (found == nullptr) found = recipe;
    }
  }
  return found;
}

std::string recipe_list(const train::Recipes& recipes) {
  std::string text;
  for (const train::Recipe* recipe : recipes) {
    text += fmt::format("  {:<12} {}\n", recipe->name(), recipe->text());
  }
  return text;
}

CLI::Validator device_name() {
  return CLI::Validator(
      [](const std::string& name) {
        return is_device_name(name)
                   ? std::string()
                   : "there is no device '" + name + "'; expected auto, cpu, cuda or cuda:N";
      },
      "");
}

CLI::Option* add_device(CLI::App* app, std::string* device) {
  return app->add_option("--device", *device, "auto, cpu, cuda or cuda:N")
      ->check(device_name())
      ->type_name("DEVICE");
}

// What determines a job; `with_device`: its device too.
void add_job(CLI::App* app, const train::Recipes& recipes, const train::Recipe* recipe,
             bool with_device, train::RunRequest* request) {
  std::vector<std::string> names;
  for (const train::Recipe* each : recipes) names.push_back(each->name());
  app->add_option("recipe", request->recipe,
                  "What to train: " + fmt::format("{}", fmt::join(names, ", ")))
      ->required()
      ->type_name("RECIPE");
  std::string others;
  for (const Setting& setting : settings_of(recipes, recipe)) {
    if (setting.key == "device" && !with_device) continue;
    if (setting.option.empty()) {
      others +=
          fmt::format("  {:<22} {}\n", setting.key + "=" + value_name(setting), describe(setting));
    } else {
      add_setting(app, setting, request);
    }
  }
  app->add_option("--config", request->config_file, "Settings from a TOML file")->type_name("FILE");
  app->add_option("--set", request->set, "Any setting; may be repeated")
      ->type_name("key=value")
      ->allow_extra_args(false);
  if (recipe == nullptr) {
    app->footer("\nRecipes:\n" + recipe_list(recipes) + "\n" + app->get_name() +
                " RECIPE --help lists its own settings, with defaults.");
  } else {
    app->footer("\nSettings of " + recipe->name() + " for --set:\n" + others);
  }
}

CLI::App* add_train(CLI::App& app, const train::Recipes& recipes, const train::Recipe* recipe,
                    TrainCommand* command) {
  CLI::App* train = app.add_subcommand("train", "Train a recipe's model");
  train::RunRequest* request = &command->request;
  add_job(train, recipes, recipe, true, request);
  train->add_option("--out", request->folder, "The run's folder; runs/RECIPE-N without it")
      ->type_name("RUN");
  train->add_flag("--resume", request->resume, "Go on from the last checkpoint");
  train->add_flag("--force", request->force,
                  "Replace an existing run; with --resume: go on in a changed environment");
  train->add_flag("--plan", command->plan, "Print the memory plan and stop");
  train->add_flag("--quiet", command->quiet, "Print no progress");
  return train;
}

CLI::App* add_eval(CLI::App& app, EvalCommand* command) {
  CLI::App* eval = app.add_subcommand("eval", "Measure a trained model: one line of JSON");
  eval->add_option("run", command->run, "The run's folder, or its model.safetensors")
      ->required()
      ->type_name("RUN");
  eval->add_option("--data", command->data, "Other data than the run's")->type_name("PATH");
  eval->add_option("--split", command->split, "train, validation or test")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->type_name("SPLIT");
  eval->add_option("--bootstrap", command->bootstrap,
                   "Also 95 % intervals from N resamplings of the rows, of metrics that rank rows")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  add_device(eval, &command->device);
  eval->add_option("--threads", command->threads, "CPU threads")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  return eval;
}

CLI::App* add_predict(CLI::App& app, const train::Recipes& recipes, PredictCommand* command) {
  CLI::App* predict = app.add_subcommand("predict", "One JSON line for each input");
  predict->add_option("run", command->run, "The run's folder, or its model.safetensors")
      ->required()
      ->type_name("RUN");
  predict
      ->add_option("inputs", command->inputs,
                   "Files; '-' or none: JSON lines from standard input. What they hold is the "
                   "recipe's")
      ->type_name("INPUT");
  std::string inputs;
  for (const train::Recipe* recipe : recipes) {
    inputs += fmt::format("  {:<12} {}\n", recipe->name(), recipe->predict_text());
  }
  predict->footer("\nInputs:\n" + inputs);
  add_device(predict, &command->device);
  predict->add_option("--threads", command->threads, "CPU threads")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  return predict;
}

CLI::App* add_bench(CLI::App& app, const train::Recipes& recipes, BenchCommand* command) {
  CLI::App* bench = app.add_subcommand("bench", "Time whole training steps of reference networks");
  std::vector<std::string> names;
  for (const train::Recipe* recipe : recipes) {
    for (const train::Workload& workload : recipe->workloads()) names.push_back(workload.name);
  }
  bench
      ->add_option("workloads", command->workloads,
                   fmt::format("{}; all without it", fmt::join(names, ", ")))
      ->type_name("WORKLOAD");
  add_device(bench, &command->device);
  bench->add_option("--dtype", command->dtype, "In which products are multiplied: f32, bf16 or f16")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}))
      ->type_name("TYPE");
  bench->add_option("--threads", command->threads, "CPU threads")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  bench->add_option("--batch", command->batch, "Rows of one step")
      ->check(CLI::Range(1, 65536))
      ->type_name("N");
  bench->add_option("--seconds", command->seconds, "How long to measure each")
      ->check(CLI::Range(0.01, 3600.0))
      ->type_name("S");
  bench->add_flag("--eager", command->eager, "Without compiling the step");
  bench
      ->add_option("--losses", command->losses,
                   "Write the first 50 losses as JSON, and the weights and batches they come from "
                   "to FILE.safetensors")
      ->type_name("FILE");
  bench->add_flag("--json", command->json, "One JSON array instead of a table");
  bench->add_flag("--parts", command->parts, "Also each part of the step");
  return bench;
}

CLI::App* add_compare(CLI::App& app, const train::Recipes& recipes, const train::Recipe* recipe,
                      CompareCommand* command) {
  CLI::App* compare = app.add_subcommand(
      "compare", "The same job on several devices: time to the objective, cost, energy");
  add_job(compare, recipes, recipe, false, &command->request);
  compare->add_option("--devices", command->devices, "cpu,cuda")
      ->required()
      ->delimiter(',')
      ->check(device_name())
      ->type_name("DEVICE,...");
  compare
      ->add_option("--out", command->request.folder,
                   "The folder of all runs and of report.html; runs/compare-RECIPE-N without it")
      ->type_name("FOLDER");
  compare->add_option("--price", command->prices, "What an hour of a device costs; may be repeated")
      ->delimiter(',')
      ->type_name("DEVICE=X");
  compare->add_option("--currency", command->currency, "What prices are in, for the report")
      ->type_name("NAME");
  compare
      ->add_option("--target", command->target,
                   "The objective's value that times are measured to; without it the worst of the "
                   "devices' best")
      ->type_name("X");
  compare->add_flag("--force", command->request.force, "Replace what is in the folder");
  compare->add_flag("--quiet", command->quiet, "Print no progress");
  return compare;
}

CLI::App* add_info(CLI::App& app, InfoCommand* command) {
  CLI::App* info =
      app.add_subcommand("info", "What this is and runs on, or what a run or file holds");
  info->add_option("path", command->path, "A run's folder or a .safetensors file")
      ->type_name("RUN|FILE");
  CLI::Option* peaks = info->add_flag(
      "--peaks", command->peaks,
      "Measure what the device can do at most: arithmetic, copies, the start of a kernel");
  add_device(info, &command->device)->needs(peaks);
  info->add_option("--threads", command->threads, "CPU threads")
      ->check(CLI::Range(1, 1024))
      ->type_name("N")
      ->needs(peaks);
  info->get_option("path")->excludes(peaks);
  return info;
}

// The words that the user may have meant.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(command->get_name());
  }
  return words;
}

int report(const CLI::App& app, const CLI::ParseError& error) {
  std::string message = error.what();
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  const CLI::App* used = &app;
  if (!app.get_subcommands().empty()) used = app.get_subcommands().front();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const std::vector<std::string> extras = used->remaining(true);
    const std::vector<std::string> all = extras.empty() ? app.remaining(true) : extras;
    const std::string word = all.empty() ? "" : all.front().substr(0, all.front().find('='));
    message = word.rfind("-", 0) == 0
                  ? "unknown option '" + word + "'"
                  : (used == &app ? "unknown command '" : "unexpected '") + word + "'";
    const std::string near = train::suggestion(word, known_words(*used));
    if (!near.empty()) message += "; " + near;
  }
  std::fprintf(stderr, "sinter: error: %s\n", message.c_str());
  return kWrongUsage;
}

}  // namespace

std::variant<Command, int> parse(int argc, const char* const* argv, const train::Recipes& recipes) {
  CLI::App app("Sinter: deep learning in C++, from training to serving.", "sinter");
  app.set_version_flag("--version", std::string("sinter ") + version());
  app.require_subcommand(0, 1);
  TrainCommand train;
  EvalCommand eval;
  PredictCommand predict;
  BenchCommand bench;
  InfoCommand info;
  CompareCommand compare;
  const train::Recipe* recipe = named_recipe(argc, argv, recipes);
  const CLI::App* train_app = add_train(app, recipes, recipe, &train);
  const CLI::App* eval_app = add_eval(app, &eval);
  const CLI::App* predict_app = add_predict(app, recipes, &predict);
  const CLI::App* bench_app = add_bench(app, recipes, &bench);
  const CLI::App* info_app = add_info(app, &info);
  const CLI::App* compare_app = add_compare(app, recipes, recipe, &compare);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(app, error);
  }
  if (*train_app) return train;
  if (*eval_app) return eval;
  if (*predict_app) return predict;
  if (*bench_app) return bench;
  if (*info_app) return info;
  if (*compare_app) return compare;
  std::fputs(app.help().c_str(), stdout);
  return kDone;
}

}  // namespace sinter::cli
