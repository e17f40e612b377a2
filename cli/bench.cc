#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/file.h"
#include "base/resident_memory.h"
#include "bench_report.h"
#include "commands.h"
#include "sinter/io.h"
#include "sinter/machine.h"
#include "sinter/nn.h"
#include "sinter/optim.h"
#include "sinter/step.h"
#include "sinter/system.h"
#include "train/suggest.h"

namespace sinter::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatches = 8;
constexpr int kWarmUp = 4;
constexpr std::size_t kMostSteps = 1000000;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

train::Task make_task(const train::Workload& workload) {
  manual_seed(0);
  return workload.task();
}

std::vector<State> parameters_of(const train::Task& task) {
  std::vector<State> parameters;
  for (const NamedState& named : task.states) {
    if (named.role == StateRole::parameter) parameters.push_back(named.state);
  }
  return parameters;
}

// A network with its optimizer, its step and the batches that steps rotate through. The step is
// what the workload is defined as in every framework: no guard looks for values that are not
// finite.
class Bench {
 public:
  Bench(const train::Workload& workload, std::int64_t batch, Dtype precision)
      : workload_(workload),
        task_(make_task(workload)),
        optimizer_(parameters_of(task_)),
        step_([this](const Batch& each) { return task_.loss(task_.forward(each), each); },
              optimizer_, {.precision = precision, .guard = false}) {
    Generator generator(1);
    for (std::size_t i = 0; i < kBatches; ++i) {
      batches_.push_back(workload.synthetic(batch, generator));
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  float step(std::size_t number, bool eager) {
    const Batch& batch = batches_[number % kBatches];
    return (eager ? step_.directly(batch) : step_(batch)).loss.item<float>();
  }
  train::TrainingStep& training_step() { return step_; }
  const Batch& batch() const { return batches_[0]; }
  // Of the batches that are not the one of a step.
  std::int64_t spare_bytes() const {
    return batches_[0].bytes() * static_cast<std::int64_t>(kBatches - 1);
  }

  // The weights in PyTorch's layouts and the batches, for others to start from.
  void save(const std::string& path) const {
    std::vector<NamedState> states = task_.states;
    for (std::size_t i = 0; i < kBatches; ++i) {
      for (const auto& [name, tensor] : batches_[i].entries()) {
        states.push_back(
            {.name = name + std::to_string(i),
             .state = State(tensor),
             .layout = workload_.layout ? workload_.layout(name, tensor) : FileLayout()});
      }
    }
    io::save_weights(path, states);
  }

 private:
  const train::Workload& workload_;
  train::Task task_;
  optim::AdamW optimizer_;
  train::TrainingStep step_;
  std::vector<Batch> batches_;
};

// Memory grows, if it does, within this many steps.
constexpr std::size_t kMemorySteps = 100;

Timing time_steps(Bench& bench, const BenchCommand& command, const CommandHooks& hooks,
                  std::int64_t resident_before) {
  // Taken in turns with each other; fewer where a whole step takes long.
  constexpr int kRepeats = 101;
  const auto allocations = [&] {
    return hooks.large_allocations != nullptr ? hooks.large_allocations() : -1;
  };
  Timing timing;
  timing.steps.reserve(kMostSteps);
  auto start = Clock::now();
  bench.step(0, command.eager);
  timing.first_step_ms = milliseconds_since(start);
  const std::int64_t before = allocations();
  for (std::size_t i = 1; i < kWarmUp; ++i) bench.step(i, command.eager);
  const auto begin = Clock::now();
  while (timing.steps.size() < kMostSteps &&
         (milliseconds_since(begin) < 1000 * command.seconds || timing.steps.size() < 5)) {
    start = Clock::now();
    bench.step(timing.steps.size(), command.eager);
    timing.steps.push_back(milliseconds_since(start));
  }
  timing.allocations = before < 0 ? -1 : allocations() - before;
  for (std::size_t i = kWarmUp + timing.steps.size(); i < kMemorySteps && resident_before >= 0;
       ++i) {
    bench.step(i, command.eager);
  }
  if (resident_before >= 0) {
    const std::int64_t resident = resident_bytes();
    timing.resident_growth = resident - resident_before - bench.spare_bytes();
  }
  std::sort(timing.steps.begin(), timing.steps.end());
  if (command.eager) return timing;
  timing.report = bench.training_step().report(bench.batch());
  const double affordable = 1000 * command.seconds / timing.median();
  timing.parts = bench.training_step().measure(
      bench.batch(), static_cast<int>(std::clamp<double>(affordable, 1, kRepeats)));
  return timing;
}

struct Measured {
  Timing timing;
  double units = 0;  // of a step
};

Measured measure(const train::Workload& workload, std::int64_t batch, const BenchCommand& command,
                 const CommandHooks& hooks) {
  // A GPU has what is planned in memory of its own.
  const std::int64_t before = current_device() == "cpu" ? resident_bytes() : -1;
  Measured measured;
  {
    Bench bench(workload, batch, dtype_from_name(command.dtype));
    measured.units = bench.batch().count();
    measured.timing = time_steps(bench, command, hooks, before);
  }
  if (before >= 0) measured.timing.resident_kept = resident_bytes() - before;
  return measured;
}

// The first 50 losses, from weights that are written beside them.
OrderedJson losses_of(const train::Workload& workload, const BenchCommand& command,
                      std::int64_t batch) {
  constexpr std::size_t kLosses = 50;
  Bench bench(workload, batch, dtype_from_name(command.dtype));
  bench.save(command.losses + "." + workload.name + ".safetensors");
  OrderedJson losses = OrderedJson::array();
  for (std::size_t i = 0; i < kLosses; ++i) {
    losses.push_back(json_number(bench.step(i, command.eager)));
  }
  return {{"workload", workload.name}, {"losses", losses}};
}

// Those of these names, or all. Throws Error, with a suggestion, when there is none of a name.
std::vector<train::Workload> choose(const std::vector<std::string>& wanted,
                                    const train::Recipes& recipes) {
  std::vector<train::Workload> all;
  std::vector<std::string> names;
  for (const train::Recipe* recipe : recipes) {
    for (train::Workload& workload : recipe->workloads()) {
      names.push_back(workload.name);
      all.push_back(std::move(workload));
    }
  }
  if (wanted.empty()) return all;
  std::vector<train::Workload> chosen;
  for (const std::string& name : wanted) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      raise({.where = "sinter bench",
             .what = "there is no workload '" + name + "'",
             .got = {},
             .expected = train::list_text(names),
             .hint = train::suggestion(name, names)});
    }
    chosen.push_back(all[static_cast<std::size_t>(found - names.begin())]);
  }
  return chosen;
}

void write_json(const std::string& path, const std::vector<OrderedJson>& objects) {
  std::string text;
  for (const OrderedJson& object : objects) {
    text += (text.empty() ? "[" : ",\n ") + json_text(object);
  }
  text += "]\n";
  if (path.empty()) {
    std::fputs(text.c_str(), stdout);
  } else {
    write_file(path, text);
  }
}

}  // namespace

int run(const BenchCommand& command, const Context& context) {
  std::vector<train::Workload> chosen;
  try {
    chosen = choose(command.workloads, context.recipes);
  } catch (const Error& error) {
    fmt::print(stderr, "sinter: error: {}\n", error.what());
    return kWrongUsage;
  }
  set_device(command.device);
  if (command.threads > 0) set_thread_count(command.threads);
  std::vector<OrderedJson> results;
  std::vector<OrderedJson> losses;
  if (!command.json) print_table_head();
  for (const train::Workload& workload : chosen) {
    const std::int64_t batch = command.batch > 0 ? command.batch : workload.batch;
    const Measured measured = measure(workload, batch, command, context.hooks);
    // Not before, as the first step of a process is timed with all that it loads. The best of all
    // times in this process: the machine may have been busy with something else.
    machine_peaks();
    const MachinePeaks peaks = measure_machine();
    const BenchResult result{.workload = workload,
                             .batch = batch,
                             .units = measured.units,
                             .dtype = command.dtype,
                             .timing = measured.timing,
                             .peaks = peaks};
    if (command.json) {
      results.push_back(to_json(result, command.parts));
    } else {
      print_row(result);
      if (command.parts) print_parts(result);
    }
    if (!command.losses.empty()) losses.push_back(losses_of(workload, command, batch));
  }
  if (command.json) write_json("", results);
  if (!command.losses.empty()) write_json(command.losses, losses);
  return kDone;
}

}  // namespace sinter::cli
