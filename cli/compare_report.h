// What `sinter compare` found, as lines, JSON and one self-contained page.
#ifndef SINTER_CLI_COMPARE_REPORT_H_
#define SINTER_CLI_COMPARE_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sinter::cli {

// A job on one device. What could not be found out is missing, with the reason.
struct DeviceRun {
  std::string device;  // as it was asked for: "cuda"
  std::string model;   // "cuda:0, NVIDIA H100 (sm_90)"
  std::string why_not_run;

  struct Point {
    double seconds = 0;  // since training began
    std::int64_t step = 0;
    double accuracy = 0;  // of the validation
  };
  std::vector<Point> curve;
  double train_seconds = 0;
  double samples_per_second = 0;
  double first_step_ms = 0;
  double test_accuracy = 0;
  std::optional<double> joules;  // of the whole run
  std::string why_no_joules;
  std::optional<double> price;  // of an hour

  bool has_run() const { return why_not_run.empty(); }
  double best_accuracy() const;
  // Seconds until the accuracy was first reached; nothing when it never was.
  std::optional<double> seconds_to(double accuracy) const;
};

struct Comparison {
  std::string title;  // "image, cnn, embedded data, seed 1"
  double target = 0;  // accuracy
  std::vector<DeviceRun> runs;
};

// The lowest of the best accuracies: what every device that ran has reached.
double common_accuracy(const std::vector<DeviceRun>& runs);

std::string to_text(const Comparison& comparison);
std::string to_json(const Comparison& comparison);
std::string to_html(const Comparison& comparison);

}  // namespace sinter::cli

#endif  // SINTER_CLI_COMPARE_REPORT_H_
