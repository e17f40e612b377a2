#include "progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace sinter::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(10);

std::string time_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string bar_text(double share) {
  constexpr int kWidth = 24;
  const int full = static_cast<int>(share * kWidth);
  return std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(kWidth - full), '-');
}

}  // namespace

ProgressBar::ProgressBar(bool quiet)
    : quiet_(quiet), terminal_(isatty(STDOUT_FILENO) == 1), start_(Clock::now()), last_(start_) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stdout);
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
  const std::string numbers =
      fmt::format("step {}/{}  epoch {}  loss {:.4f}  {:.0f} samples/s  {} left", step.step,
                  step.steps, step.epoch, step.loss, step.samples_per_second, time_text(left));
  if (terminal_) {
    const double share = static_cast<double>(step.step) / static_cast<double>(step.steps);
    fmt::print("\r\033[K[{}] {:3.0f}%  {}", bar_text(share), 100 * share, numbers);
    drawn_ = true;
  } else {
    fmt::print("{}\n", numbers);
  }
  std::fflush(stdout);
}

void ProgressBar::on_evaluation(const Step& step, const std::string& split,
                                const train::Metrics& metrics) {
  if (quiet_) return;
  clear();
  std::string text;
  for (const train::Metric& metric : metrics) {
    text += fmt::format("  {} {:.5f}", metric.name, metric.value);
  }
  fmt::print("epoch {}  step {}  {:<10}{}\n", step.epoch, step.step, split, text);
  std::fflush(stdout);
}

}  // namespace sinter::cli
