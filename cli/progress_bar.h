// Training's progress: a bar with rate and time left on a terminal, plain lines otherwise.
#ifndef SINTER_CLI_PROGRESS_BAR_H_
#define SINTER_CLI_PROGRESS_BAR_H_

#include <chrono>
#include <optional>
#include <string>

#include "sinter/train.h"

namespace sinter::cli {

// The parts of a progress line that fit into `columns`, the most important ones first; never
// longer.
std::string progress_line(const train::Observer::Step& step, const std::string& unit,
                          double seconds_left, int columns);

class ProgressBar : public train::Observer {
 public:
  // `unit`: what rates count, "samples".
  ProgressBar(bool quiet, std::string unit);
  ~ProgressBar() override;

  void on_start(std::optional<std::int64_t> resumed_from) override;
  void on_step(const Step& step) override;
  void on_evaluation(const Step& step, const std::string& split,
                     const train::MetricValues& metrics) override;

 private:
  void clear();

  bool quiet_;
  std::string unit_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
  std::int64_t first_step_ = 0;
};

}  // namespace sinter::cli

#endif  // SINTER_CLI_PROGRESS_BAR_H_
