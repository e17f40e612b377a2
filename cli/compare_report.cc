#include "compare_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "train/quote.h"

namespace sinter::cli {
namespace {

constexpr const char* kNoPrice = "no price given (--price DEVICE=X, of an hour)";
constexpr std::array<const char*, 4> kColors = {"#1f6f8b", "#c8553d", "#5b8c5a", "#7d5ba6"};

std::string time_text(const DeviceRun& run, double target) {
  const std::optional<double> seconds = run.seconds_to(target);
  return seconds ? fmt::format("{:.2f} s", *seconds) : "not reached";
}

// Of the way to the target.
std::optional<double> cost_of(const DeviceRun& run, double target) {
  const std::optional<double> seconds = run.seconds_to(target);
  if (!seconds || !run.price) return std::nullopt;
  return *seconds / 3600 * *run.price;
}

std::string cost_text(const DeviceRun& run, double target) {
  const std::optional<double> cost = cost_of(run, target);
  if (cost) return fmt::format("{:.4g}", *cost);
  return run.price ? "target not reached" : kNoPrice;
}

std::string energy_text(const DeviceRun& run) {
  return run.joules ? fmt::format("{:.1f} J", *run.joules) : "not measured: " + run.why_no_joules;
}

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

std::string json_number(const std::optional<double>& value) {
  return value ? fmt::format("{:.6g}", *value) : "null";
}

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

// Accuracy over seconds, a line for each device that ran.
std::string chart(const Comparison& comparison) {
  constexpr double kWidth = 760, kHeight = 340, kLeft = 60, kRight = 20, kTop = 30, kBottom = 50;
  double most_seconds = 1e-3;
  double least = comparison.target;
  double most = comparison.target;
  for (const DeviceRun& run : comparison.runs) {
    for (const DeviceRun::Point& point : run.curve) {
      most_seconds = std::max(most_seconds, point.seconds);
      least = std::min(least, point.accuracy);
      most = std::max(most, point.accuracy);
    }
  }
  const Ticks seconds(0, most_seconds);
  const Ticks accuracy(least, most);
  const auto x = [&](double value) {
    return kLeft + value / seconds.last() * (kWidth - kLeft - kRight);
  };
  const auto y = [&](double value) {
    const double share = (value - accuracy.first) / (accuracy.last() - accuracy.first);
    return kHeight - kBottom - share * (kHeight - kTop - kBottom);
  };
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      kWidth, kHeight);
  const auto line = [&](double x1, double y1, double x2, double y2, const char* style) {
    svg += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1,
                       y1, x2, y2, style);
  };
  const auto text = [&](double at_x, double at_y, const char* style, const std::string& words) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", at_x, at_y, style, words);
  };
  constexpr const char* kGrid = "stroke=\"#e4e4e4\"";
  for (int i = 0; i <= seconds.count; ++i) {
    line(x(seconds.at(i)), y(accuracy.first), x(seconds.at(i)), y(accuracy.last()), kGrid);
    text(x(seconds.at(i)), kHeight - kBottom + 18, "text-anchor=\"middle\"",
         fmt::format("{:.{}f}", seconds.at(i), seconds.decimals()));
  }
  for (int i = 0; i <= accuracy.count; ++i) {
    line(x(0), y(accuracy.at(i)), x(seconds.last()), y(accuracy.at(i)), kGrid);
    text(kLeft - 8, y(accuracy.at(i)) + 4, "text-anchor=\"end\"",
         fmt::format("{:.{}f}", accuracy.at(i), accuracy.decimals()));
  }
  line(x(0), y(accuracy.first), x(seconds.last()), y(accuracy.first), "stroke=\"#666\"");
  line(x(0), y(accuracy.first), x(0), y(accuracy.last()), "stroke=\"#666\"");
  text((kLeft + kWidth - kRight) / 2, kHeight - 10, "text-anchor=\"middle\"",
       "seconds of training");
  line(x(0), y(comparison.target), x(seconds.last()), y(comparison.target),
       "stroke=\"#999\" stroke-dasharray=\"4\"");
  text(x(seconds.last()), y(comparison.target) - 5, "text-anchor=\"end\" fill=\"#666\"",
       fmt::format("target {:.4f}", comparison.target));
  double legend = kLeft;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const DeviceRun& run = comparison.runs[i];
    if (!run.has_run()) continue;
    const char* const color = kColors.at(i % kColors.size());
    std::string points;
    for (const DeviceRun::Point& point : run.curve) {
      points += fmt::format("{:.1f},{:.1f} ", x(point.seconds), y(point.accuracy));
      svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                         x(point.seconds), y(point.accuracy), color);
    }
    svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                       points, color);
    line(legend, 14, legend + 18, 14,
         fmt::format("stroke=\"{}\" stroke-width=\"3\"", color).c_str());
    text(legend + 24, 18, "", escaped(run.device));
    legend += 60 + 8 * static_cast<double>(run.device.size());
  }
  return svg + "</svg>\n";
}

std::string table_row(const DeviceRun& run, double target) {
  if (!run.has_run()) {
    return fmt::format("<tr><th>{}</th><td colspan=\"7\">not run: {}</td></tr>\n",
                       escaped(run.device), escaped(run.why_not_run));
  }
  return fmt::format(
      "<tr><th>{}<br><small>{}</small></th><td>{}</td><td>{:.4f}</td><td>{:.4f}</td>"
      "<td>{:.0f}</td><td>{:.1f}</td><td>{}</td><td>{}</td></tr>\n",
      escaped(run.device), escaped(run.model), time_text(run, target), run.best_accuracy(),
      run.test_accuracy, run.samples_per_second, run.first_step_ms, escaped(cost_text(run, target)),
      escaped(energy_text(run)));
}

}  // namespace

double DeviceRun::best_accuracy() const {
  double best = 0;
  for (const Point& point : curve) best = std::max(best, point.accuracy);
  return best;
}

std::optional<double> DeviceRun::seconds_to(double accuracy) const {
  for (const Point& point : curve) {
    if (point.accuracy >= accuracy) return point.seconds;
  }
  return std::nullopt;
}

double common_accuracy(const std::vector<DeviceRun>& runs) {
  double lowest = 1;
  for (const DeviceRun& run : runs) {
    if (run.has_run()) lowest = std::min(lowest, run.best_accuracy());
  }
  return lowest;
}

std::string to_text(const Comparison& comparison) {
  std::string text = fmt::format("{}\ntime to a validation accuracy of {:.4f}:\n", comparison.title,
                                 comparison.target);
  for (const DeviceRun& run : comparison.runs) {
    if (!run.has_run()) {
      text += fmt::format("{:<8} not run: {}\n", run.device, run.why_not_run);
      continue;
    }
    text +=
        fmt::format("{:<8} {}; test accuracy {:.4f}; {:.0f} samples/s; cost: {}; energy: {}\n",
                    run.device, time_text(run, comparison.target), run.test_accuracy,
                    run.samples_per_second, cost_text(run, comparison.target), energy_text(run));
  }
  return text;
}

std::string to_json(const Comparison& comparison) {
  std::string text = fmt::format("{{\"job\":{},\"target_accuracy\":{},\"devices\":[",
                                 train::quoted(comparison.title), comparison.target);
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const DeviceRun& run = comparison.runs[i];
    text += fmt::format("{}\n{{\"device\":{},", i > 0 ? "," : "", train::quoted(run.device));
    if (!run.has_run()) {
      text += fmt::format("\"not_run\":{}}}", train::quoted(run.why_not_run));
      continue;
    }
    text += fmt::format(
        "\"model\":{},\"seconds_to_target\":{},\"train_seconds\":{:.3f},\"samples_per_s\":{:.1f},"
        "\"first_step_ms\":{:.3f},\"test_accuracy\":{},\"cost_to_target\":{},\"joules\":{},",
        train::quoted(run.model), json_number(run.seconds_to(comparison.target)), run.train_seconds,
        run.samples_per_second, run.first_step_ms, run.test_accuracy,
        json_number(cost_of(run, comparison.target)), json_number(run.joules));
    if (!run.joules) text += fmt::format("\"no_joules\":{},", train::quoted(run.why_no_joules));
    text += "\"validation\":[";
    for (std::size_t j = 0; j < run.curve.size(); ++j) {
      text += fmt::format("{}{{\"step\":{},\"seconds\":{:.3f},\"accuracy\":{}}}", j > 0 ? "," : "",
                          run.curve[j].step, run.curve[j].seconds, run.curve[j].accuracy);
    }
    text += "]}";
  }
  return text + "]}\n";
}

std::string to_html(const Comparison& comparison) {
  std::string rows;
  for (const DeviceRun& run : comparison.runs) rows += table_row(run, comparison.target);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<title>sinter compare</title>\n<style>\n"
      "body {{ font: 15px sans-serif; max-width: 60em; margin: 2em auto; }}\n"
      "table {{ border-collapse: collapse; }}\n"
      "th, td {{ border: 1px solid #ccc; padding: 0.4em 0.7em; text-align: left; }}\n"
      "svg text {{ font: 12px sans-serif; }}\n</style></head><body>\n"
      "<h1>{}</h1>\n<p>The same job on each device; target: a validation accuracy of {:.4f}. The "
      "energy is that of the whole run.</p>\n<table>\n"
      "<tr><th>device</th><th>time to target</th><th>best validation accuracy</th>"
      "<th>test accuracy</th><th>samples/s</th><th>first step, ms</th><th>cost to target</th>"
      "<th>energy</th></tr>\n{}</table>\n<h2>Validation accuracy over "
      "time</h2>\n{}</body></html>\n",
      escaped(comparison.title), comparison.target, rows, chart(comparison));
}

}  // namespace sinter::cli
