// What `sinter compare` found, as lines, JSON and one self-contained page.
#ifndef SINTER_CLI_COMPARE_REPORT_H_
#define SINTER_CLI_COMPARE_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sinter/metric.h"

namespace sinter::cli {

// A job on one device. What could not be found out is missing, with the reason.
struct DeviceRun {
  std::string device;  // as it was asked for: "cuda"
  std::string model;   // "cuda:0, NVIDIA H100 (sm_90)"
  std::string why_not_run;

  struct Point {
    double seconds = 0;  // since training began
    std::int64_t step = 0;
    double value = 0;  // of the objective in validation
  };
  std::vector<Point> curve;
  double train_seconds = 0;
  double units_per_second = 0;
  double first_step_ms = 0;
  std::optional<double> test;    // of the objective
  std::optional<double> joules;  // of the whole run
  std::string why_no_joules;
  std::optional<double> price;  // of an hour

  bool has_run() const { return why_not_run.empty(); }
};

struct Comparison {
  std::string title;      // "RECIPE: MODEL, embedded data, seed 1"
  std::string objective;  // the name of a metric
  train::Better better = train::Better::higher;
  std::string unit;      // of rates: "samples"
  std::string currency;  // of prices; empty: not said
  double target = 0;     // of the objective
  std::vector<DeviceRun> runs;

  bool reaches(double value, double wanted) const {
    return better == train::Better::higher ? value >= wanted : value <= wanted;
  }
  // The best value of the validation; nothing when there was none.
  std::optional<double> best(const DeviceRun& run) const;
  // Seconds until the target was first reached; nothing when it never was.
  std::optional<double> seconds_to_target(const DeviceRun& run) const;
  std::optional<double> cost_to_target(const DeviceRun& run) const;
};

// The worst of the best values: what every device that ran has reached.
double common_target(const Comparison& comparison);

std::string to_text(const Comparison& comparison);
std::string to_json(const Comparison& comparison);
std::string to_html(const Comparison& comparison);

// The objective over seconds, a line for each device that ran, as SVG.
std::string chart(const Comparison& comparison);
// A text within HTML.
std::string escaped(const std::string& text);

}  // namespace sinter::cli

#endif  // SINTER_CLI_COMPARE_REPORT_H_
