#include "bench_report.h"

#include <fmt/format.h>

#include "sinter/system.h"

namespace sinter::cli {
namespace {

// The time that the step could not be faster than: its contractions as fast as they ran alone, and
// everything else as fast as memory allows.
double roofline_ms(const Timing& timing, double bandwidth) {
  double bytes = 0;
  for (const StepTimes::Part& part : timing.parts.steps) {
    if (part.kind != StepKind::contraction) bytes += part.bytes;
  }
  return timing.parts.contraction_ms + 1000 * bytes / bandwidth;
}

std::optional<double> roofline_percent(const BenchResult& result) {
  if (!result.timing.report || result.bandwidth <= 0) return std::nullopt;
  return 100 * roofline_ms(result.timing, result.bandwidth) / result.timing.parts.whole_ms;
}

double units_per_second(const BenchResult& result) {
  return 1000 * result.units / result.timing.median();
}

OrderedJson parts_json(const Timing& timing) {
  OrderedJson parts = OrderedJson::array();
  for (const StepTimes::Part& part : timing.parts.steps) {
    parts.push_back({{"scope", part.scope},
                     {"label", part.label},
                     {"contraction", part.kind == StepKind::contraction},
                     {"ms", json_number(part.ms, 6)},
                     {"flops", part.flops},
                     {"bytes", part.bytes}});
  }
  return parts;
}

}  // namespace

OrderedJson to_json(const BenchResult& result, bool with_parts) {
  const Timing& timing = result.timing;
  const Device device = describe_device(current_device());
  OrderedJson json{{"workload", result.workload.name},
                   {"device", device.name},
                   {"emulated", device.emulated},
                   {"dtype", result.dtype},
                   {"threads", thread_count()},
                   {"batch", result.batch},
                   {"units", result.workload.unit},
                   {"units_per_s", json_number(units_per_second(result), 7)},
                   {"step_ms",
                    {{"min", json_number(timing.steps.front(), 6)},
                     {"median", json_number(timing.median(), 6)},
                     {"max", json_number(timing.steps.back(), 6)}}},
                   {"first_step_ms", json_number(timing.first_step_ms, 6)}};
  const ProgramReport* report = timing.report ? &*timing.report : nullptr;
  const auto of_program = [&](const char* name, double value, int digits) {
    json[name] = report != nullptr ? json_number(value, digits) : OrderedJson(nullptr);
  };
  const auto count = [&](const char* name, std::int64_t value) {
    json[name] = report != nullptr ? OrderedJson(value) : OrderedJson(nullptr);
  };
  of_program("compile_ms", report != nullptr ? report->compile_ms : 0, 6);
  of_program("contraction_ms", timing.parts.contraction_ms, 6);
  count("kernels_per_step", report != nullptr ? report->kernels : 0);
  count("planned_bytes", report != nullptr ? report->memory.total : 0);
  json["rss_growth_bytes"] = timing.resident_growth;
  json["rss_kept_bytes"] = timing.resident_kept;
  json["allocations_after_first"] = timing.allocations;
  count("flops_per_step", report != nullptr ? static_cast<std::int64_t>(report->flops) : 0);
  count("bytes_per_step", report != nullptr ? static_cast<std::int64_t>(report->bytes) : 0);
  const std::optional<double> percent = roofline_percent(result);
  json["roofline_percent"] = percent ? json_number(*percent, 4) : OrderedJson(nullptr);
  if (with_parts) json["parts"] = parts_json(timing);
  return json;
}

void print_table_head() {
  fmt::print("{:<10}{:>12}{:>10}{:>9}{:>10}{:>12}{:>9}{:>10}{:>10}\n", "", "units/s", "step ms",
             "min ms", "first ms", "compile ms", "kernels", "contr. ms", "roofline");
}

void print_row(const BenchResult& result) {
  const Timing& timing = result.timing;
  fmt::print("{:<10}{:>12.0f}{:>10.3f}{:>9.3f}{:>10.2f}", result.workload.name,
             units_per_second(result), timing.median(), timing.steps.front(), timing.first_step_ms);
  if (timing.report) {
    fmt::print("{:>12.2f}{:>9}{:>10.3f}", timing.report->compile_ms, timing.report->kernels,
               timing.parts.contraction_ms);
    const std::optional<double> percent = roofline_percent(result);
    if (percent) fmt::print("{:>9.1f}%", *percent);
  }
  fmt::print("  {}\n", result.workload.unit);
}

void print_parts(const Timing& timing) {
  for (const StepTimes::Part& part : timing.parts.steps) {
    fmt::print("  {:>9.4f} ms {:>8.1f} GFLOP/s {:>7.1f} GB/s  {} {}\n", part.ms,
               part.flops / part.ms / 1e6, part.bytes / part.ms / 1e6, part.scope, part.label);
  }
}

}  // namespace sinter::cli
