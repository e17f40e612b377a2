#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "sinter/system.h"
#include "train/suggest.h"

namespace sinter::cli {
namespace {

// An option that is a setting of the recipe: its text is checked there.
void add_setting(CLI::App* app, const std::string& option, const std::string& key,
                 const char* value, const char* text, recipes::RunRequest* request) {
  app->add_option_function<std::string>(
         option,
         [=](const std::string& typed) {
           request->settings.push_back({.key = key, .text = typed, .where = option});
         },
         text)
      ->type_name(value);
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

void add_device(CLI::App* app, std::string* device) {
  app->add_option("--device", *device, "auto, cpu, cuda or cuda:N")
      ->check(device_name())
      ->type_name("DEVICE");
}

// What determines a job besides its device.
void add_job(CLI::App* app, recipes::RunRequest* request) {
  app->add_option("recipe", request->recipe, "What to train: image")
      ->required()
      ->type_name("RECIPE");
  add_setting(app, "--data", "data", "PATH", "The data; the recipe's embedded ones without it",
              request);
  add_setting(app, "--model", "model", "NAME", "The network", request);
  add_setting(app, "--init", "init", "FILE|RUN", "Weights to begin with", request);
  add_setting(app, "--freeze", "freeze", "PATTERN", "Parameters that stay as they are", request);
  add_setting(app, "--epochs", "epochs", "N", "How often each row is seen", request);
  add_setting(app, "--steps", "steps", "N", "Updates in all, instead of epochs", request);
  add_setting(app, "--batch", "batch", "N", "Rows of one update", request);
  add_setting(app, "--lr", "lr", "X", "Learning rate", request);
  add_setting(app, "--seed", "seed", "S", "Of weights, order and augmentation", request);
  add_setting(app, "--threads", "threads", "N", "CPU threads", request);
  add_setting(app, "--precision", "precision", "P", "f32", request);
  app->add_option("--config", request->config_file, "Settings from a TOML file")->type_name("FILE");
  app->add_option("--set", request->set, "Any setting; may be repeated")
      ->type_name("key=value")
      ->allow_extra_args(false);
}

CLI::App* add_train(CLI::App& app, TrainCommand* command) {
  CLI::App* train = app.add_subcommand("train", "Train a recipe's model");
  recipes::RunRequest* request = &command->request;
  add_job(train, request);
  train->add_option("--out", request->folder, "The run's folder; runs/RECIPE-N without it")
      ->type_name("RUN");
  add_setting(train, "--device", "device", "DEVICE", "auto, cpu, cuda or cuda:N", request);
  train->add_flag("--resume", request->resume, "Go on from the last checkpoint");
  train->add_flag("--force", request->force,
                  "Replace an existing run; with --resume: go on in a changed environment");
  train->add_flag("--plan", command->plan, "Print the memory plan and stop");
  train->add_flag("--quiet", command->quiet, "Print no progress");
  return train;
}

CLI::App* add_eval(CLI::App& app, EvalCommand* command) {
  CLI::App* eval = app.add_subcommand("eval", "Measure a trained model: one line of JSON");
  eval->add_option("run", command->run, "The run's folder")->required()->type_name("RUN");
  eval->add_option("--data", command->data, "Other data than the run's")->type_name("PATH");
  eval->add_option("--split", command->split, "train, validation or test")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->type_name("SPLIT");
  add_device(eval, &command->device);
  eval->add_option("--threads", command->threads, "CPU threads")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  return eval;
}

CLI::App* add_predict(CLI::App& app, PredictCommand* command) {
  CLI::App* predict = app.add_subcommand("predict", "One JSON line for each input");
  predict->add_option("run", command->run, "The run's folder, or its model.safetensors")
      ->required()
      ->type_name("RUN");
  predict
      ->add_option(
          "inputs", command->inputs,
          "Images: idx files, .safetensors files with a tensor \"images\"; '-' or none: JSON lines "
          "{\"pixels\": [...]} from standard "
          "input")
      ->type_name("INPUT");
  add_device(predict, &command->device);
  predict->add_option("--threads", command->threads, "CPU threads")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  return predict;
}

CLI::App* add_bench(CLI::App& app, BenchCommand* command) {
  CLI::App* bench = app.add_subcommand("bench", "Time whole training steps of reference networks");
  bench->add_option("workloads", command->workloads, "mlp, cnn; all without it")
      ->type_name("WORKLOAD");
  add_device(bench, &command->device);
  bench->add_option("--dtype", command->dtype, "f32")
      ->check(CLI::IsMember({"f32"}))
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

CLI::App* add_compare(CLI::App& app, CompareCommand* command) {
  CLI::App* compare = app.add_subcommand(
      "compare", "The same job on several devices: time to accuracy, cost, energy");
  add_job(compare, &command->request);
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
  compare->add_option("--target", command->target, "The accuracy that times are measured to")
      ->check(CLI::Range(0.0, 1.0))
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

std::variant<Command, int> parse(int argc, const char* const* argv) {
  CLI::App app("Sinter: deep learning in C++, from training to serving.", "sinter");
  app.set_version_flag("--version", std::string("sinter ") + version());
  app.require_subcommand(0, 1);
  TrainCommand train;
  EvalCommand eval;
  PredictCommand predict;
  BenchCommand bench;
  InfoCommand info;
  CompareCommand compare;
  const CLI::App* train_app = add_train(app, &train);
  const CLI::App* eval_app = add_eval(app, &eval);
  const CLI::App* predict_app = add_predict(app, &predict);
  const CLI::App* bench_app = add_bench(app, &bench);
  const CLI::App* info_app = add_info(app, &info);
  const CLI::App* compare_app = add_compare(app, &compare);
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
