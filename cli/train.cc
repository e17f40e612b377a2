#include <fmt/format.h>

#include <optional>

#include "commands.h"
#include "interrupt.h"
#include "progress_bar.h"
#include "sinter/system.h"

namespace sinter::cli {
namespace {

std::string model_text(const train::Config& config) {
  return config.has("model") ? config.text("model") + ", " : "";
}

void print_plan(train::Run& run) {
  const ProgramReport report = run.plan();
  fmt::print("{}: {}{} parameters, batches of {}, on {}\n", run.config().text("recipe"),
             model_text(run.config()), run.parameter_count(), run.config().integer("batch"),
             current_device());
  const MemoryReport& memory = report.memory;
  const auto line = [](const char* name, std::int64_t bytes) {
    fmt::print("{:<12}{:>16} bytes\n", name, bytes);
  };
  line("parameters", memory.parameters);
  line("gradients", memory.gradients);
  line("optimizer", memory.optimizer);
  line("activations", memory.activations);
  line("workspace", memory.workspace);
  line("data", memory.data + run.data_bytes());
  const std::int64_t total = memory.total + run.data_bytes();
  line("total", total);
  const std::string device = current_device();
  const std::int64_t has = describe_device(device).memory_total;
  line(device == "cpu" ? "the machine" : device.c_str(), has);
  fmt::print("{}\n", total <= has ? "fits" : "does not fit");
}

std::string frozen_text(const train::TrainedParameters& parameters) {
  if (parameters.frozen_tensors == 0) return "";
  return fmt::format(", {} of them frozen ({} tensor{})", parameters.frozen_elements,
                     parameters.frozen_tensors, parameters.frozen_tensors == 1 ? "" : "s");
}

// A remark where training was in vain: the objective is no better than without a network.
std::string remark(const train::Run& run, const train::Result& result) {
  const train::Task& task = run.task();
  const std::optional<double> value = train::find_metric(result.test, task.objective);
  if (!value || !task.baseline) return "";
  const bool better = train::better_of_objective(task) == train::Better::higher
                          ? *value > *task.baseline
                          : *value < *task.baseline;
  if (better) return "";
  return fmt::format(
      "note: a test {} of {:.4f} is no better than {} ({:.4f}): nothing was learned; try a smaller "
      "--lr (it was {})",
      task.objective, *value, task.baseline_text, *task.baseline, run.config().value_text("lr"));
}

}  // namespace

int run(const TrainCommand& command, const Context& context) {
  train::RunRequest request = command.request;
  request.stop = &stop_requested();
  const auto say = [&](const std::string& line) {
    if (!command.quiet) fmt::print("{}\n", line);
  };
  std::optional<train::Run> run;
  try {
    run.emplace(train::find_recipe(context.recipes, request.recipe), request, say);
  } catch (const Error& error) {
    fmt::print(stderr, "sinter: error: {}\n", error.what());
    return kWrongUsage;
  }
  catch_interrupts();
  run->prepare();
  if (command.plan) {
    print_plan(*run);
    return kDone;
  }
  say(fmt::format("{}: {} parameters, on {}", run->folder(), run->parameter_count(),
                  current_device()) +
      frozen_text(run->parameters()));
  train::Result result;
  {
    ProgressBar bar(command.quiet, run->task().unit);
    result = run->train(bar);
  }
  const std::string done =
      result.steps_run == 0
          ? "no steps were left"
          : fmt::format("{} steps in {:.1f} s, {:.0f} {}/s", result.steps_run, result.seconds_run,
                        result.units_per_second, run->task().unit);
  say(fmt::format("{}; the model is {}/model.safetensors", done, run->folder()));
  const std::string note = remark(*run, result);
  if (!note.empty()) say(note);
  return kDone;
}

}  // namespace sinter::cli
