#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "bandwidth.h"
#include "base/counting_malloc.h"
#include "base/file.h"
#include "base/resident_memory.h"
#include "commands.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/io.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/system.h"
#include "workloads.h"

namespace sinter::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatches = 8;
constexpr int kWarmUp = 4;
constexpr std::size_t kMostSteps = 1000000;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A network with its optimizer, its step and the batches that steps rotate through.
class Bench {
 public:
  Bench(const Workload& workload, std::int64_t batch)
      : model_(make_model(workload)),
        optimizer_(model_.parameters()),
        step_([this](const std::vector<Tensor>& arguments) { return train(arguments); },
              workload.name) {
    Generator generator(1);
    for (std::size_t i = 0; i < kBatches; ++i) {
      const data::Batch made = workload.data(batch, generator);
      batches_.push_back({made.inputs, made.targets});
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  float step(std::size_t number, bool eager) {
    const std::vector<Tensor>& arguments = batches_[number % kBatches];
    return (eager ? train(arguments) : step_.call(arguments))[0].item<float>();
  }
  CompiledFunction& compiled() { return step_; }
  const std::vector<Tensor>& arguments() const { return batches_[0]; }
  // Of the batches that are not the one of a step.
  std::int64_t spare_bytes() const {
    std::int64_t bytes = 0;
    for (const Tensor& each : batches_[0]) {
      bytes += each.elements() * static_cast<std::int64_t>(size_of(each.dtype()));
    }
    return bytes * static_cast<std::int64_t>(kBatches - 1);
  }

  // The weights in PyTorch's layouts and the batches, for others to start from.
  void save(const std::string& path) const {
    std::vector<NamedState> states = model_.states();
    for (std::size_t i = 0; i < kBatches; ++i) {
      const std::string number = std::to_string(i);
      const Tensor& inputs = batches_[i][0];
      // Images lie in files as PyTorch has them: the same change as for a weight (O, KH, KW, I).
      states.push_back({.name = "inputs" + number,
                        .state = State(inputs),
                        .layout = inputs.rank() == 4 ? FileLayout::conv2d_weight(inputs.shape())
                                                     : FileLayout()});
      states.push_back({.name = "targets" + number, .state = State(batches_[i][1])});
    }
    io::save_weights(path, states);
  }

 private:
  static nn::Sequential make_model(const Workload& workload) {
    manual_seed(0);
    return workload.model();
  }

  std::vector<Tensor> train(const std::vector<Tensor>& arguments) {
    const Tensor loss = cross_entropy(model_(arguments[0]), arguments[1]);
    optimizer_.step(gradients(loss, model_.parameters()));
    return {loss};
  }

  nn::Sequential model_;
  optim::AdamW optimizer_;
  CompiledFunction step_;
  std::vector<std::vector<Tensor>> batches_;
};

// Bytes a second of this machine's memory; 0 where the current device is a GPU.
double host_bandwidth() { return current_device() == "cpu" ? measure_bandwidth() : 0; }

struct Timing {
  double first_step_ms = 0;
  std::vector<double> steps;  // ms, ascending
  std::int64_t allocations = 0;
  // How much the resident memory grew from before the model was made to behind at least 100 steps,
  // without the batches that the plan does not hold: what is planned, libraries' pages, machine
  // code, stacks of threads. And how much of that stayed when all was destroyed: the part that no
  // plan holds. -1: not known, or the device is a GPU.
  std::int64_t resident_growth = -1;
  std::int64_t resident_kept = -1;
  std::optional<ProgramReport> report;  // not when eager
  StepTimes parts;

  double median() const { return steps[steps.size() / 2]; }
};

// Memory grows, if it does, within this many steps.
constexpr std::size_t kMemorySteps = 100;

Timing time_steps(Bench& bench, const BenchCommand& command, std::int64_t resident_before) {
  // Taken in turns with each other; fewer where a whole step takes long.
  constexpr int kRepeats = 101;
  Timing timing;
  timing.steps.reserve(kMostSteps);
  auto start = Clock::now();
  bench.step(0, command.eager);
  timing.first_step_ms = milliseconds_since(start);
  const std::int64_t before = large_allocations();
  for (std::size_t i = 1; i < kWarmUp; ++i) bench.step(i, command.eager);
  const auto begin = Clock::now();
  while (timing.steps.size() < kMostSteps &&
         (milliseconds_since(begin) < 1000 * command.seconds || timing.steps.size() < 5)) {
    start = Clock::now();
    bench.step(timing.steps.size(), command.eager);
    timing.steps.push_back(milliseconds_since(start));
  }
  timing.allocations = before < 0 ? -1 : large_allocations() - before;
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
  timing.report = bench.compiled().report(bench.arguments());
  const double affordable = 1000 * command.seconds / timing.median();
  timing.parts = bench.compiled().measure(
      bench.arguments(), static_cast<int>(std::clamp<double>(affordable, 1, kRepeats)));
  return timing;
}

Timing measure(const Workload& workload, std::int64_t batch, const BenchCommand& command) {
  // A GPU has what is planned in memory of its own.
  const std::int64_t before = current_device() == "cpu" ? resident_bytes() : -1;
  Timing timing;
  {
    Bench bench(workload, batch);
    timing = time_steps(bench, command, before);
  }
  if (before >= 0) timing.resident_kept = resident_bytes() - before;
  return timing;
}

// The time that the step could not be faster than: its contractions as fast as they ran alone, and
// everything else as fast as memory allows.
double roofline_ms(const Timing& timing, double bandwidth) {
  double bytes = 0;
  for (const StepTimes::Part& part : timing.parts.steps) {
    if (part.kind != StepKind::contraction) bytes += part.bytes;
  }
  return timing.parts.contraction_ms + 1000 * bytes / bandwidth;
}

std::string parts_json(const Timing& timing) {
  std::string text;
  for (const StepTimes::Part& part : timing.parts.steps) {
    text += fmt::format(
        "{}{{\"scope\":\"{}\",\"label\":\"{}\",\"contraction\":{},\"ms\":{:.5f},\"flops\":{:.0f},"
        "\"bytes\":{:.0f}}}",
        text.empty() ? "" : ",", part.scope, part.label, part.kind == StepKind::contraction,
        part.ms, part.flops, part.bytes);
  }
  return ",\"parts\":[" + text + "]";
}

std::string to_json(const Workload& workload, std::int64_t batch, const Timing& timing,
                    double bandwidth, const BenchCommand& command) {
  const Device device = describe_device(current_device());
  std::string text = fmt::format(
      "{{\"workload\":\"{}\",\"device\":\"{}\",\"emulated\":{},\"dtype\":\"f32\",\"threads\":{},"
      "\"batch\":{},"
      "\"units\":\"{}\",\"units_per_s\":{:.1f},"
      "\"step_ms\":{{\"min\":{:.4f},\"median\":{:.4f},\"max\":{:.4f}}},\"first_step_ms\":{:.3f},",
      workload.name, device.name, device.emulated, thread_count(), batch, workload.units,
      1000 * static_cast<double>(batch) / timing.median(), timing.steps.front(), timing.median(),
      timing.steps.back(), timing.first_step_ms);
  if (timing.report) {
    const ProgramReport& report = *timing.report;
    text += fmt::format(
        "\"compile_ms\":{:.3f},\"contraction_ms\":{:.4f},\"kernels_per_step\":{},"
        "\"planned_bytes\":{},\"rss_growth_bytes\":{},\"rss_kept_bytes\":{},"
        "\"allocations_after_first\":{},\"flops_per_step\":{:.0f},"
        "\"bytes_per_step\":{:.0f},\"roofline_percent\":{}",
        report.compile_ms, timing.parts.contraction_ms, report.kernels, report.memory.total,
        timing.resident_growth, timing.resident_kept, timing.allocations, report.flops,
        report.bytes,
        bandwidth > 0
            ? fmt::format("{:.1f}", 100 * roofline_ms(timing, bandwidth) / timing.parts.whole_ms)
            : "null");
  } else {
    text += fmt::format(
        "\"compile_ms\":null,\"contraction_ms\":null,\"kernels_per_step\":null,"
        "\"planned_bytes\":null,\"rss_growth_bytes\":{},\"rss_kept_bytes\":{},"
        "\"allocations_after_first\":{},\"flops_per_step\":null,"
        "\"bytes_per_step\":null,\"roofline_percent\":null",
        timing.resident_growth, timing.resident_kept, timing.allocations);
  }
  if (command.parts) text += parts_json(timing);
  return text + "}";
}

void print_table_head() {
  fmt::print("{:<8}{:>14}{:>11}{:>11}{:>11}{:>13}{:>9}{:>10}{:>10}\n", "", "samples/s", "step ms",
             "min ms", "first ms", "compile ms", "kernels", "contr. ms", "roofline");
}

void print_row(const Workload& workload, std::int64_t batch, const Timing& timing,
               double bandwidth) {
  fmt::print("{:<8}{:>14.0f}{:>11.3f}{:>11.3f}{:>11.2f}", workload.name,
             1000 * static_cast<double>(batch) / timing.median(), timing.median(),
             timing.steps.front(), timing.first_step_ms);
  if (timing.report) {
    fmt::print("{:>13.2f}{:>9}{:>10.3f}", timing.report->compile_ms, timing.report->kernels,
               timing.parts.contraction_ms);
    if (bandwidth > 0) {
      fmt::print("{:>9.1f}%", 100 * roofline_ms(timing, bandwidth) / timing.parts.whole_ms);
    }
  }
  fmt::print("\n");
}

void print_parts(const Timing& timing) {
  for (const StepTimes::Part& part : timing.parts.steps) {
    fmt::print("  {:>9.4f} ms {:>8.1f} GFLOP/s {:>7.1f} GB/s  {} {}\n", part.ms,
               part.flops / part.ms / 1e6, part.bytes / part.ms / 1e6, part.scope, part.label);
  }
}

// The first 50 losses, from weights that are written beside them.
std::string losses_of(const Workload& workload, const BenchCommand& command, std::int64_t batch) {
  constexpr std::size_t kLosses = 50;
  Bench bench(workload, batch);
  bench.save(command.losses + "." + workload.name + ".safetensors");
  std::string text = fmt::format("{{\"workload\":\"{}\",\"losses\":[", workload.name);
  for (std::size_t i = 0; i < kLosses; ++i) {
    text += fmt::format("{}{}", i > 0 ? "," : "", bench.step(i, command.eager));
  }
  return text + "]}";
}

}  // namespace

int run(const BenchCommand& command) {
  std::vector<const Workload*> chosen;
  try {
    for (const std::string& name : command.workloads) chosen.push_back(&find_workload(name));
  } catch (const Error& error) {
    fmt::print(stderr, "sinter: error: {}\n", error.what());
    return kWrongUsage;
  }
  set_device(command.device);
  if (command.threads > 0) set_thread_count(command.threads);
  if (chosen.empty()) {
    for (const Workload& workload : workload_list()) chosen.push_back(&workload);
  }
  std::string json;
  std::string losses;
  if (!command.json) print_table_head();
  for (const Workload* workload : chosen) {
    const std::int64_t batch = command.batch > 0 ? command.batch : workload->batch;
    // The better of before and after: the machine may have been busy with something else.
    double bandwidth = host_bandwidth();
    const Timing timing = measure(*workload, batch, command);
    bandwidth = std::max(bandwidth, host_bandwidth());
    json += (json.empty() ? "" : ",\n ") + to_json(*workload, batch, timing, bandwidth, command);
    if (!command.json) print_row(*workload, batch, timing, bandwidth);
    if (command.parts && !command.json) print_parts(timing);
    if (!command.losses.empty()) {
      losses += (losses.empty() ? "" : ",\n ") + losses_of(*workload, command, batch);
    }
  }
  if (command.json) fmt::print("[{}]\n", json);
  if (!command.losses.empty()) write_file(command.losses, "[" + losses + "]\n");
  return kDone;
}

}  // namespace sinter::cli
