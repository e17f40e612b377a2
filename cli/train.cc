#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <optional>

#include "commands.h"
#include "progress_bar.h"

namespace sinter::cli {
namespace {

std::atomic<bool> stop_requested{false};

// The first Ctrl-C asks for a checkpoint, the second one ends the process as usual.
void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void print_plan(recipes::Run& run) {
  const ProgramReport report = run.plan();
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
  const std::int64_t has = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  line("the machine", has);
  fmt::print("{}\n", total <= has ? "fits" : "does not fit");
}

}  // namespace

int run(const TrainCommand& command) {
  recipes::RunRequest request = command.request;
  request.stop = &stop_requested;
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
    print_plan(*run);
    return kDone;
  }
  const recipes::Prepared::Frozen frozen = run->frozen();
  say(fmt::format("{}: {} parameters", run->folder(), run->parameter_count()) +
      (frozen.tensors == 0 ? ""
                           : fmt::format(", {} of them frozen ({} tensor{})", frozen.elements,
                                         frozen.tensors, frozen.tensors == 1 ? "" : "s")));
  ProgressBar bar(command.quiet);
  const train::Result result = run->train(bar);
  say(fmt::format("{} steps in {:.1f} s, {:.0f} samples/s; the model is {}/model.safetensors",
                  result.steps_run, result.train_seconds, result.samples_per_second,
                  run->folder()));
  return kDone;
}

}  // namespace sinter::cli
