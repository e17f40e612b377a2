#include "compare_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace sinter::cli {
namespace {

constexpr const char* kNoPrice = "no price given (--price DEVICE=X, of an hour)";

std::string time_text(const Comparison& comparison, const DeviceRun& run) {
  const std::optional<double> seconds = comparison.seconds_to_target(run);
  return seconds ? fmt::format("{:.2f} s", *seconds) : "not reached";
}

std::string cost_text(const Comparison& comparison, const DeviceRun& run) {
  const std::optional<double> cost = comparison.cost_to_target(run);
  if (!cost) return run.price ? "target not reached" : kNoPrice;
  const std::string unit =
      comparison.currency.empty() ? "(in the unit of --price)" : comparison.currency;
  return fmt::format("{:.4g} {}", *cost, unit);
}

std::string energy_text(const DeviceRun& run) {
  return run.joules ? fmt::format("{:.1f} J", *run.joules) : "not measured: " + run.why_no_joules;
}

std::string number_text(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "none";
}

OrderedJson number(const std::optional<double>& value) {
  return value ? json_number(*value, 6) : OrderedJson(nullptr);
}

std::string table_row(const Comparison& comparison, const DeviceRun& run) {
  if (!run.has_run()) {
    return fmt::format("<tr><th>{}</th><td colspan=\"7\">not run: {}</td></tr>\n",
                       escaped(run.device), escaped(run.why_not_run));
  }
  return fmt::format(
      "<tr><th>{}<br><small>{}</small></th><td>{}</td><td>{}</td><td>{}</td>"
      "<td>{:.0f}</td><td>{:.1f}</td><td>{}</td><td>{}</td></tr>\n",
      escaped(run.device), escaped(run.model), time_text(comparison, run),
      number_text(comparison.best(run)), number_text(run.test), run.units_per_second,
      run.first_step_ms, escaped(cost_text(comparison, run)), escaped(energy_text(run)));
}

OrderedJson run_json(const Comparison& comparison, const DeviceRun& run) {
  OrderedJson json{{"device", run.device}};
  if (!run.has_run()) {
    json["not_run"] = run.why_not_run;
    return json;
  }
  json["model"] = run.model;
  json["seconds_to_target"] = number(comparison.seconds_to_target(run));
  json["train_seconds"] = json_number(run.train_seconds, 6);
  json["units_per_s"] = json_number(run.units_per_second, 6);
  json["first_step_ms"] = json_number(run.first_step_ms, 6);
  json["test"] = run.test ? OrderedJson(*run.test) : OrderedJson(nullptr);
  json["cost_to_target"] = number(comparison.cost_to_target(run));
  json["joules"] = number(run.joules);
  if (!run.joules) json["no_joules"] = run.why_no_joules;
  json["validation"] = OrderedJson::array();
  for (const DeviceRun::Point& point : run.curve) {
    json["validation"].push_back(
        {{"step", point.step}, {"seconds", json_number(point.seconds, 6)}, {"value", point.value}});
  }
  return json;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '&':
        html += "&amp;";
        break;
      case '"':
        html += "&quot;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::optional<double> Comparison::best(const DeviceRun& run) const {
  std::optional<double> best;
  for (const DeviceRun::Point& point : run.curve) {
    if (!best || reaches(point.value, *best)) best = point.value;
  }
  return best;
}

std::optional<double> Comparison::seconds_to_target(const DeviceRun& run) const {
  for (const DeviceRun::Point& point : run.curve) {
    if (reaches(point.value, target)) return point.seconds;
  }
  return std::nullopt;
}

std::optional<double> Comparison::cost_to_target(const DeviceRun& run) const {
  const std::optional<double> seconds = seconds_to_target(run);
  if (!seconds || !run.price) return std::nullopt;
  return *seconds / 3600 * *run.price;
}

double common_target(const Comparison& comparison) {
  std::optional<double> worst;
  for (const DeviceRun& run : comparison.runs) {
    const std::optional<double> best = comparison.best(run);
    if (best && (!worst || comparison.reaches(*worst, *best))) worst = best;
  }
  return worst.value_or(0);
}

std::string to_text(const Comparison& comparison) {
  std::string text = fmt::format("{}\ntime to a validation {} of {:.4f}:\n", comparison.title,
                                 comparison.objective, comparison.target);
  for (const DeviceRun& run : comparison.runs) {
    if (!run.has_run()) {
      text += fmt::format("{:<8} not run: {}\n", run.device, run.why_not_run);
      continue;
    }
    text += fmt::format("{:<8} {}; test {} {}; {:.0f} {}/s; cost: {}; energy: {}\n", run.device,
                        time_text(comparison, run), comparison.objective, number_text(run.test),
                        run.units_per_second, comparison.unit, cost_text(comparison, run),
                        energy_text(run));
  }
  return text;
}

std::string to_json(const Comparison& comparison) {
  OrderedJson devices = OrderedJson::array();
  for (const DeviceRun& run : comparison.runs) devices.push_back(run_json(comparison, run));
  return json_text({{"job", comparison.title},
                    {"objective", comparison.objective},
                    {"better", comparison.better == train::Better::higher ? "higher" : "lower"},
                    {"target", comparison.target},
                    {"currency", comparison.currency.empty() ? OrderedJson(nullptr)
                                                             : OrderedJson(comparison.currency)},
                    {"devices", devices}}) +
         "\n";
}

std::string to_html(const Comparison& comparison) {
  std::string rows;
  for (const DeviceRun& run : comparison.runs) rows += table_row(comparison, run);
  const std::string objective = escaped(comparison.objective);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<title>sinter compare</title>\n<style>\n"
      "body {{ font: 15px sans-serif; max-width: 60em; margin: 2em auto; }}\n"
      "table {{ border-collapse: collapse; }}\n"
      "th, td {{ border: 1px solid #ccc; padding: 0.4em 0.7em; text-align: left; }}\n"
      "svg text {{ font: 12px sans-serif; }}\n</style></head><body>\n"
      "<h1>{}</h1>\n<p>The same job on each device; target: a validation {} of {:.4f} ({} is "
      "better). The energy is that of the whole run.</p>\n<table>\n"
      "<tr><th>device</th><th>time to target</th><th>best in validation</th>"
      "<th>test {}</th><th>{}/s</th><th>first step, ms</th><th>cost to target</th>"
      "<th>energy</th></tr>\n{}</table>\n<h2>Validation {} over "
      "time</h2>\n{}</body></html>\n",
      escaped(comparison.title), objective, comparison.target,
      comparison.better == train::Better::higher ? "higher" : "lower", objective,
      escaped(comparison.unit), rows, objective, chart(comparison));
}

}  // namespace sinter::cli
