#include <fmt/format.h>

#include <optional>

#include "commands.h"
#include "interrupt.h"
#include "progress_bar.h"
#include "sinter/system.h"

namespace sinter::cli {
namespace {

void print_plan(recipes::Run& run, const std::string& recipe) {
  const ProgramReport report = run.plan();
  fmt::print("{}: {}, {} parameters, batches of {}, on {}\n", recipe, run.config().text("model"),
             run.parameter_count(), run.config().integer("batch"), current_device());
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

}  // namespace

int run(const TrainCommand& command) {
  recipes::RunRequest request = command.request;
  request.stop = &stop_requested();
  const auto say = [&](const std::string& line) {
    if (!command.quiet) fmt::print("{}\n", line);
  };
  std::optional<recipes::Run> run;
  try {
    run.emplace(request, say);
  } catch (const Error& error) {
    fmt::print(stderr, "sinter: error: {}\n", error.what());
    return kWrongUsage;
  }
  catch_interrupts();
  run->prepare();
  if (command.plan) {
    print_plan(*run, request.recipe);
    return kDone;
  }
  const recipes::Prepared::Frozen frozen = run->frozen();
  say(fmt::format("{}: {} parameters, on {}", run->folder(), run->parameter_count(),
                  current_device()) +
      (frozen.tensors == 0 ? ""
                           : fmt::format(", {} of them frozen ({} tensor{})", frozen.elements,
                                         frozen.tensors, frozen.tensors == 1 ? "" : "s")));
  ProgressBar bar(command.quiet);
  const train::Result result = run->train(bar);
  const std::string done =
      result.steps_run == 0
          ? "no steps were left"
          : fmt::format("{} steps in {:.1f} s, {:.0f} samples/s", result.steps_run,
                        result.seconds_run, result.samples_per_second);
  say(fmt::format("{}; the model is {}/model.safetensors", done, run->folder()));
  return kDone;
}

}  // namespace sinter::cli
