#include "compile/step_report.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

#include "ops/list.h"

namespace sinter::compile_detail {

namespace {

using Clock = std::chrono::steady_clock;

template <class... T>
std::string formatted(const char* format, T... values) {
  char line[256];
  std::snprintf(line, sizeof(line), format, values...);
  return line;
}

// Labels and scopes are ours, but source paths are the user's.
std::string json_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return escaped;
}

}  // namespace

StepKind kind_of(const ir::Step& step) {
  if (step.group != nullptr) return StepKind::fused;
  return ir::find(op_list(), step.op).kind == ir::OpKind::contraction ? StepKind::contraction
                                                                      : StepKind::other;
}

std::vector<StepTime> run_timed(backend::Session& session, const backend::Bindings& bindings,
                                std::size_t step_count) {
  std::vector<StepTime> times(step_count);
  const auto begin = Clock::now();
  double last = 0;
  session.run_watched(bindings, [&](int step, std::span<void* const>) {
    const double now = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    times[static_cast<std::size_t>(step)] = {last, now - last};
    last = now;
  });
  return times;
}

std::string time_table(const ir::Program& program, const std::vector<StepTime>& times,
                       const MachinePeaks& peaks) {
  double total = 0;
  for (const StepTime& time : times) total += time.ms;
  std::string text = "      ms  share  bound   GFLOP/s    GB/s  module        step\n";
  for (std::size_t i = 0; i < times.size(); ++i) {
    const ir::Step& step = program.steps[i];
    const double ms = std::max(times[i].ms, 1e-6);
    const std::optional<double> bound = bound_ms(step.cost, peaks);
    text += formatted("%8.3f %5.1f%% ", ms, 100 * ms / total);
    text += bound ? formatted("%5.0f%%", 100 * *bound / ms) : "     -";
    text += formatted(" %9.1f %7.1f  %-12s  ", step.cost.flops / ms / 1e6,
                      step.cost.bytes / ms / 1e6, step.scope.c_str());
    text += step.label + "\n";
  }
  return text + formatted("%8.3f  in all\n", total);
}

std::string chrome_trace(const ir::Program& program, const std::vector<StepTime>& times) {
  std::string text = "{\"traceEvents\":[\n";
  for (std::size_t i = 0; i < times.size(); ++i) {
    const ir::Step& step = program.steps[i];
    if (i > 0) text += ",\n";
    text += formatted("{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,\"name\":\"",
                      times[i].start_ms * 1e3, times[i].ms * 1e3);
    text += json_text(step.label) + "\",\"args\":{\"module\":\"" + json_text(step.scope) +
            "\",\"line\":\"" + json_text(step.location.to_string()) + "\"}}";
  }
  return text + "\n]}\n";
}

std::string arena_chart(const ir::Program& program) {
  // A buffer lives from a step that writes its address to the last that reads it before the next
  // write.
  struct Box {
    std::size_t first;
    std::size_t last;
    std::int64_t offset;
    std::int64_t bytes;
    std::string label;
  };
  std::vector<Box> boxes;
  std::map<std::int64_t, std::size_t> current;  // by arena offset
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const ir::Step& step = program.steps[i];
    for (const ir::Argument& input : step.inputs) {
      const auto found = current.find(input.buffer.offset);
      if (input.buffer.kind == ir::BufferKind::arena && found != current.end()) {
        boxes[found->second].last = i;
      }
    }
    const auto add = [&](std::int64_t offset, std::int64_t bytes, const std::string& label) {
      boxes.push_back({i, i, offset, bytes, label});
      return boxes.size() - 1;
    };
    for (const ir::Argument& output : step.outputs) {
      if (output.buffer.kind != ir::BufferKind::arena) continue;
      const std::int64_t bytes =
          output.layout.shape.elements() * static_cast<std::int64_t>(size_of(output.dtype));
      current[output.buffer.offset] = add(output.buffer.offset, bytes, step.label);
    }
    if (step.workspace_bytes > 0) {
      add(step.workspace.offset, step.workspace_bytes, "workspace of " + step.label);
    }
  }
  const double width = 1200.0 / static_cast<double>(std::max<std::size_t>(program.steps.size(), 1));
  const double height = 600.0 / static_cast<double>(std::max<std::int64_t>(program.arena_bytes, 1));
  std::string text =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1200\" height=\"600\" "
      "font-family=\"sans-serif\" font-size=\"9\">\n";
  for (const Box& box : boxes) {
    const double x = static_cast<double>(box.first) * width;
    const double w = static_cast<double>(box.last - box.first + 1) * width;
    const double h = static_cast<double>(box.bytes) * height;
    const double y = 600.0 - static_cast<double>(box.offset) * height - h;
    text += formatted(
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" stroke=\"#333\">",
        x, y, w, h, box.label.rfind("workspace", 0) == 0 ? "#ddd" : "#9cf");
    text += "<title>" + json_text(box.label) +
            formatted(", %lld bytes</title></rect>\n", static_cast<long long>(box.bytes));
  }
  return text + "</svg>\n";
}

}  // namespace sinter::compile_detail
