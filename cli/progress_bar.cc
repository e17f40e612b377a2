#include "progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace sinter::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(10);
constexpr int kUsualColumns = 80;

std::string time_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string bar_text(double share, int width) {
  const int full = static_cast<int>(share * width);
  return "[" + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(width - full), '-') + "]";
}

// Looked up each time: windows change their size.
int terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

}  // namespace

std::string progress_line(const train::Observer::Step& step, const std::string& unit,
                          double seconds_left, int columns) {
  constexpr int kLeastBar = 10;
  constexpr int kMostBar = 24;
  const double share =
      static_cast<double>(step.step) / static_cast<double>(std::max<std::int64_t>(step.steps, 1));
  const std::string percent = fmt::format("{:3.0f}%", 100 * share);
  // In the order in which they are shown, with the rank by which they are left out, last first.
  struct Part {
    std::string text;
    int rank;
  };
  std::vector<Part> parts = {{fmt::format("step {}/{}", step.step, step.steps), 2},
                             {fmt::format("epoch {}", step.epoch), 4},
                             {fmt::format("loss {:.4f}", step.loss), 0},
                             {fmt::format("{:.0f} {}/s", step.units_per_second, unit), 3},
                             {time_text(seconds_left) + " left", 1}};
  const auto whole = [&] {
    std::string line = percent;
    for (const Part& part : parts) line += "  " + part.text;
    return line;
  };
  while (!parts.empty() && static_cast<int>(whole().size()) > columns) {
    parts.erase(std::max_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) { return a.rank < b.rank; }));
  }
  const std::string line = whole();
  const int room = columns - static_cast<int>(line.size()) - 3;  // brackets and a space
  if (room < kLeastBar) return line.substr(0, static_cast<std::size_t>(std::max(columns, 0)));
  return bar_text(share, std::min(room, kMostBar)) + " " + line;
}

ProgressBar::ProgressBar(bool quiet, std::string unit)
    : quiet_(quiet),
      unit_(std::move(unit)),
      terminal_(isatty(STDOUT_FILENO) == 1),
      start_(Clock::now()),
      last_(start_) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stdout);
  std::fflush(stdout);  // what is said on standard error comes after it
  drawn_ = false;
}

void ProgressBar::on_start(std::optional<std::int64_t> resumed_from) {
  start_ = Clock::now();
  last_ = start_;
  first_step_ = resumed_from.value_or(0);
  if (quiet_ || !resumed_from) return;
  fmt::print("resuming at step {}\n", *resumed_from);
  std::fflush(stdout);
}

void ProgressBar::on_step(const Step& step) {
  const auto now = Clock::now();
  if (quiet_) return;
  if (terminal_ ? now - last_ < kBarInterval : now - last_ < kLineInterval) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double done = static_cast<double>(step.step - first_step_);
  const double left = done > 0 ? seconds / done * static_cast<double>(step.steps - step.step) : 0;
  if (terminal_) {
    // The last column stays free: some terminals begin a new line when it is written to.
    fmt::print("\r\033[K{}", progress_line(step, unit_, left, terminal_columns() - 1));
    drawn_ = true;
  } else {
    fmt::print("step {}/{}  epoch {}  loss {:.4f}  {:.0f} {}/s  {} left\n", step.step, step.steps,
               step.epoch, step.loss, step.units_per_second, unit_, time_text(left));
  }
  std::fflush(stdout);
}

void ProgressBar::on_evaluation(const Step& step, const std::string& split,
                                const train::MetricValues& metrics) {
  if (quiet_) return;
  clear();
  std::string text;
  for (const train::MetricValue& metric : metrics) {
    text += "  " + metric.name + " " +
            (std::isnan(metric.value) ? "nan" : fmt::format("{:.5f}", metric.value));
  }
  fmt::print("epoch {}  step {}  {:<10}{}\n", step.epoch, step.step, split, text);
  std::fflush(stdout);
}

}  // namespace sinter::cli
