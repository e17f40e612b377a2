#include "compile/pass.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/switches.h"
#include "compile/rewrites.h"
#include "compile/step_report.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::compile_detail {

namespace {

// Verification costs as much as some passes: always in builds with assertions, else on demand.
bool verifies() {
#ifdef NDEBUG
  return switches().check >= 1;
#else
  return true;
#endif
}

// What SINTER_DISABLE may name: the passes; each rewrite; "strides", which materialize asks for;
// and what the CPU's back end asks for: "emit", and kernels.
constexpr std::array<std::string_view, 15> kNames = {
    "expand",      "rewrite", "trim_scans", "simplify", "lower_precision",
    "materialize", "strides", "fuse",       "plan",     "epilogues",
    "emit",        "onednn",  "winograd",   "own",      "own_avx512"};

std::vector<std::string_view> all_names() {
  std::vector<std::string_view> names(kNames.begin(), kNames.end());
  for (const Rewrite& each : rewrites()) names.emplace_back(each.name);
  return names;
}

bool is_name(std::string_view name) {
  const std::vector<std::string_view> names = all_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_disabled_names() {
  for (const std::string& name : switches().disable) {
    if (is_name(name)) continue;
    std::string expected;
    for (const std::string_view known : all_names()) {
      expected += (expected.empty() ? "" : ", ") + std::string(known);
    }
    raise({.where = "SINTER_DISABLE",
           .what = "there is no pass or rewrite of this name",
           .got = name,
           .expected = std::move(expected),
           .hint = {}});
  }
}

int next_program_number() {
  static std::atomic<int> counter{0};
  return counter++;
}

}  // namespace

PassRunner::PassRunner(std::string program_name) : program_name_(std::move(program_name)) {
  check_disabled_names();
  if (!switches().dump.empty()) program_number_ = next_program_number();
}

bool PassRunner::is_enabled(const char* name) const { return !switches().disabled(name); }

void PassRunner::begin(const ir::Graph& traced, ir::OpList ops) {
  ops_ = ops;
  if (verifies()) ir::verify(traced, ops_);
  if (!switches().dump.empty()) {
    dump("trace", "txt", ir::to_text(traced, ops_));
    dump("trace", "dot", ir::to_dot(traced, ops_));
  }
}

ir::Graph PassRunner::run(const char* name, const ir::Graph& graph,
                          const std::function<ir::Graph(const ir::Graph&)>& pass) {
  ir::Graph result;
  time(name, [&] { result = pass(graph); });
  if (verifies()) ir::verify(result, ops_);
  if (switches().debug >= 4) {
    std::fprintf(stderr, "sinter: %s: after %s\n%s", program_name_.c_str(), name,
                 ir::to_text(result, ops_).c_str());
  }
  if (!switches().dump.empty()) {
    dump(name, "txt", ir::to_text(result, ops_));
    dump(name, "dot", ir::to_dot(result, ops_));
  }
  return result;
}

void PassRunner::time(const char* name, const std::function<void()>& pass) {
  if (!is_name(name)) throw ir::InternalError("a pass whose name is not in the list of names");
  ++index_;
  if (switches().debug < 2) {
    pass();
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  pass();
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "sinter: %s: pass %-12s %8.3f ms\n", program_name_.c_str(), name,
               elapsed.count());
}

void PassRunner::finish(const ir::Program& program, ir::OpList ops) {
  if (!switches().dump.empty()) {
    dump("program", "txt", ir::to_text(program, ops));
    dump("arena", "svg", arena_chart(program));
  }
  if (verifies()) ir::verify(program, ops);  // after the dump, which shows what is wrong
  if (switches().debug >= 5) {
    std::fputs(ir::to_text(program, ops).c_str(), stderr);
  } else if (switches().debug >= 3) {
    for (const ir::Step& step : program.steps) {
      if (step.group == nullptr) continue;
      std::fprintf(stderr, "sinter: %s: %s\n%s", program_name_.c_str(), step.label.c_str(),
                   ir::to_text(*step.group).c_str());
    }
  }
}

void PassRunner::dump(const char* name, const char* extension, const std::string& text) {
  const std::filesystem::path folder(switches().dump);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::string file = program_name_ + "-" + std::to_string(program_number_) + "." +
                           std::to_string(index_) + "-" + name + "." + extension;
  std::ofstream out(folder / file);
  out << text;
  if (!out) {
    raise({.where = "SINTER_DUMP",
           .what = "cannot write " + (folder / file).string(),
           .got = {},
           .expected = {},
           .hint = {}});
  }
}

}  // namespace sinter::compile_detail
