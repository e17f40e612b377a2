#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "compare_report.h"

namespace sinter::cli {
namespace {

constexpr std::array<const char*, 4> kColors = {"#1f6f8b", "#c8553d", "#5b8c5a", "#7d5ba6"};
constexpr double kWidth = 760, kHeight = 340, kLeft = 70, kRight = 20, kTop = 30, kBottom = 50;
constexpr const char* kGrid = "stroke=\"#e4e4e4\"";

// Round numbers, about five of them, from at most `least` to at least `most`.
struct Ticks {
  double first = 0;
  double step = 1;
  int count = 0;  // steps

  Ticks(double least, double most) {
    const double rough = std::max(most - least, 1e-9) / 5;
    step = std::pow(10.0, std::floor(std::log10(rough)));
    for (const double factor : {2.0, 2.5, 2.0}) {
      if (step < rough) step *= factor;  // 1, 2, 5, 10
    }
    first = std::floor(least / step) * step;
    count = std::max(1, static_cast<int>(std::ceil((most - first) / step - 1e-9)));
  }
  double at(int i) const { return first + step * i; }
  double last() const { return at(count); }
  int decimals() const {
    return std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  }
};

// Room above and below what is drawn, so that nothing lies on the frame; a single value gets an
// axis of its own size.
Ticks value_ticks(double least, double most) {
  const double span = most - least;
  const double room = span > 0 ? 0.08 * span : std::max(0.05 * std::abs(most), 1e-3);
  return {least - room, most + room};
}

class Chart {
 public:
  explicit Chart(const Comparison& comparison)
      : comparison_(comparison), seconds_(0, 1), values_(0, 1) {
    double most_seconds = 1e-3;
    double least = comparison.target;
    double most = comparison.target;
    for (const DeviceRun& run : comparison.runs) {
      for (const DeviceRun::Point& point : run.curve) {
        most_seconds = std::max(most_seconds, point.seconds);
        least = std::min(least, point.value);
        most = std::max(most, point.value);
      }
    }
    seconds_ = Ticks(0, most_seconds);
    values_ = value_ticks(least, most);
  }

  std::string svg() {
    svg_ = fmt::format(
        "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        kWidth, kHeight);
    draw_axes();
    draw_target();
    double legend = kLeft;
    for (std::size_t i = 0; i < comparison_.runs.size(); ++i) {
      const DeviceRun& run = comparison_.runs[i];
      if (run.has_run()) draw_run(run, kColors.at(i % kColors.size()), &legend);
    }
    return svg_ + "</svg>\n";
  }

 private:
  double x(double seconds) const {
    return kLeft + seconds / seconds_.last() * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    const double share = (value - values_.first) / (values_.last() - values_.first);
    return kHeight - kBottom - share * (kHeight - kTop - kBottom);
  }
  void line(double x1, double y1, double x2, double y2, const std::string& style) {
    svg_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1,
                        y1, x2, y2, style);
  }
  void text(double at_x, double at_y, const char* style, const std::string& words) {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", at_x, at_y, style, words);
  }

  void draw_axes() {
    const double top = y(values_.last());
    const double bottom = y(values_.first);
    for (int i = 0; i <= seconds_.count; ++i) {
      const double at = x(seconds_.at(i));
      line(at, bottom, at, top, kGrid);
      text(at, kHeight - kBottom + 18, "text-anchor=\"middle\"",
           fmt::format("{:.{}f}", seconds_.at(i), seconds_.decimals()));
    }
    for (int i = 0; i <= values_.count; ++i) {
      const double at = y(values_.at(i));
      line(x(0), at, x(seconds_.last()), at, kGrid);
      text(kLeft - 8, at + 4, "text-anchor=\"end\"",
           fmt::format("{:.{}f}", values_.at(i), values_.decimals()));
    }
    line(x(0), bottom, x(seconds_.last()), bottom, "stroke=\"#666\"");
    line(x(0), bottom, x(0), top, "stroke=\"#666\"");
    text((kLeft + kWidth - kRight) / 2, kHeight - 10, "text-anchor=\"middle\"",
         "seconds of training");
  }

  void draw_target() {
    const double at = y(comparison_.target);
    line(x(0), at, x(seconds_.last()), at, "stroke=\"#999\" stroke-dasharray=\"4\"");
    text(x(seconds_.last()), at - 5, "text-anchor=\"end\" fill=\"#666\"",
         fmt::format("target {:.4f}", comparison_.target));
  }

  void draw_run(const DeviceRun& run, const char* color, double* legend) {
    std::string points;
    for (const DeviceRun::Point& point : run.curve) {
      points += fmt::format("{:.1f},{:.1f} ", x(point.seconds), y(point.value));
      svg_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                          x(point.seconds), y(point.value), color);
    }
    svg_ +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                    points, color);
    line(*legend, 14, *legend + 18, 14, fmt::format("stroke=\"{}\" stroke-width=\"3\"", color));
    text(*legend + 24, 18, "", escaped(run.device));
    *legend += 60 + 8 * static_cast<double>(run.device.size());
  }

  const Comparison& comparison_;
  Ticks seconds_;
  Ticks values_;
  std::string svg_;
};

}  // namespace

std::string chart(const Comparison& comparison) { return Chart(comparison).svg(); }

}  // namespace sinter::cli
