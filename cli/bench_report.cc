#include "bench_report.h"

#include <fmt/format.h>

#include "sinter/system.h"

namespace sinter::cli {
namespace {

// The time that the step could not be faster than with these contractions: they as fast as they ran
// alone, and everything else as fast as memory copies.
std::optional<double> roofline_percent(const BenchResult& result) {
  const std::vector<MachinePeaks::Copy>& copies = result.peaks.copies;
  if (!result.timing.report || copies.empty()) return std::nullopt;
  const StepTimes& parts = result.timing.parts;
  double bytes = 0;
  for (const StepTimes::Part& part : parts.steps) {
    if (part.kind != StepKind::contraction) bytes += part.bytes;
  }
  const double others_ms = 1000 * bytes / copies.back().bytes_per_second;
  return 100 * (parts.contraction_ms + others_ms) / parts.whole_ms;
}

// The time that the step could not be faster than on this device, whatever computes it.
std::optional<double> whole_bound_ms(const BenchResult& result) {
  if (!result.timing.report) return std::nullopt;
  double sum = 0;
  for (const StepTimes::Part& part : result.timing.parts.steps) {
    const std::optional<double> bound = bound_ms(part.cost, result.peaks);
    if (!bound) return std::nullopt;
    sum += *bound;
  }
  return sum;
}

std::optional<double> bound_percent(const BenchResult& result) {
  const std::optional<double> bound = whole_bound_ms(result);
  if (!bound) return std::nullopt;
  return 100 * *bound / result.timing.parts.whole_ms;
}

OrderedJson known(std::optional<double> value, int digits) {
  return value && *value > 0 ? json_number(*value, digits) : OrderedJson(nullptr);
}

OrderedJson machine_json(const MachinePeaks& peaks) {
  const auto billions = [&](Unit unit) { return known(1e-9 * peaks.rate(unit), 5); };
  OrderedJson copies = OrderedJson::array();
  for (const MachinePeaks::Copy& copy : peaks.copies) {
    copies.push_back(
        {{"bytes", copy.bytes}, {"gb_per_s", json_number(1e-9 * copy.bytes_per_second, 5)}});
  }
  return {
      {"contraction_gflop_per_s",
       {{"f32", billions(Unit::contraction_f32)},
        {"f64", billions(Unit::contraction_f64)},
        {"bf16", billions(Unit::contraction_bf16)},
        {"f16", billions(Unit::contraction_f16)}}},
      {"vector_gop_per_s", {{"32", billions(Unit::vector_32)}, {"64", billions(Unit::vector_64)}}},
      {"copies", copies},
      {"start_us", known(1e3 * peaks.start_ms, 4)},
      {"team_us", known(1e3 * peaks.team_ms, 4)},
      {"start_operations", known(peaks.start_operations(), 3)},
      {"assumed_start_operations", known(peaks.assumed_start_operations, 8)}};
}

double units_per_second(const BenchResult& result) {
  return 1000 * result.units / result.timing.median();
}

OrderedJson parts_json(const BenchResult& result) {
  OrderedJson parts = OrderedJson::array();
  for (const StepTimes::Part& part : result.timing.parts.steps) {
    parts.push_back({{"scope", part.scope},
                     {"label", part.label},
                     {"contraction", part.kind == StepKind::contraction},
                     {"ms", json_number(part.ms, 6)},
                     {"flops", part.flops},
                     {"bytes", part.bytes},
                     {"bound_ms", known(bound_ms(part.cost, result.peaks), 6)}});
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
  json["roofline_percent"] = known(roofline_percent(result), 4);
  json["bound_ms"] = known(whole_bound_ms(result), 6);
  json["bound_percent"] = known(bound_percent(result), 4);
  json["machine"] = machine_json(result.peaks);
  if (with_parts) json["parts"] = parts_json(result);
  return json;
}

void print_table_head() {
  fmt::print("{:<10}{:>12}{:>10}{:>9}{:>10}{:>12}{:>9}{:>10}{:>10}\n", "", "units/s", "step ms",
             "min ms", "first ms", "compile ms", "kernels", "contr. ms", "bound");
}

void print_row(const BenchResult& result) {
  const Timing& timing = result.timing;
  fmt::print("{:<10}{:>12.0f}{:>10.3f}{:>9.3f}{:>10.2f}", result.workload.name,
             units_per_second(result), timing.median(), timing.steps.front(), timing.first_step_ms);
  if (timing.report) {
    fmt::print("{:>12.2f}{:>9}{:>10.3f}", timing.report->compile_ms, timing.report->kernels,
               timing.parts.contraction_ms);
    const std::optional<double> percent = bound_percent(result);
    if (percent) fmt::print("{:>9.1f}%", *percent);
  }
  fmt::print("  {}\n", result.workload.unit);
}

void print_parts(const BenchResult& result) {
  for (const StepTimes::Part& part : result.timing.parts.steps) {
    const std::optional<double> bound = bound_ms(part.cost, result.peaks);
    fmt::print("  {:>9.4f} ms {:>6} {:>8.1f} GFLOP/s {:>7.1f} GB/s  {} {}\n", part.ms,
               bound ? fmt::format("{:.0f}%", 100 * *bound / part.ms) : "-",
               part.flops / part.ms / 1e6, part.bytes / part.ms / 1e6, part.scope, part.label);
  }
}

}  // namespace sinter::cli
