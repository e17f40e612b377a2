// What NVRTC makes of the fused groups of whole training steps: registers, spills, shared memory
// and the time to compile.
//   SINTER_DUMP=folder sinter bench;  cuda_groups [--arch sm_90] folder/*-program.txt
//   cuda_groups --list folder/*-program.txt      the distinct groups, as tests/golden/cuda keeps
//   them
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "../tests/backend/nvrtc.h"
#include "backend/cuda/groups/fused.h"
#include "ir/group.h"

namespace sinter {
namespace {

using backend::cuda::GroupLaunch;
using backend::cuda::GroupSource;
using testing::Nvrtc;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The texts of the groups in a dumped program: indented by a multiple of four below their steps.
std::vector<std::string> group_texts(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> texts;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    const std::string text = line.substr(begin);
    if (begin > 0 && text.rfind("group ", 0) == 0) {
      texts.emplace_back();
      inside = true;
    } else if (text.rfind("operand ", 0) != 0 && text.rfind('%', 0) != 0) {
      inside = false;
    }
    if (inside) texts.back() += text + "\n";
  }
  return texts;
}

struct Usage {
  int registers = 0;
  int stack = 0;
  int spills = 0;
  int shared = 0;
};

int number_before(const std::string& line, const std::string& what) {
  const std::size_t end = line.find(what);
  if (end == std::string::npos) return 0;
  std::size_t begin = end;
  while (begin > 0 && (line[begin - 1] >= '0' && line[begin - 1] <= '9')) --begin;
  return begin == end ? 0 : std::stoi(line.substr(begin, end - begin));
}

// From what --ptxas-options=-v logs.
std::map<std::string, Usage> usage_of(const std::string& log) {
  std::map<std::string, Usage> all;
  std::istringstream lines(log);
  std::string kernel;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find("Compiling entry function '");
    if (at != std::string::npos) {
      const std::size_t begin = at + 26;
      kernel = line.substr(begin, line.find('\'', begin) - begin);
    }
    Usage& usage = all[kernel];
    usage.stack += number_before(line, " bytes stack frame");
    usage.spills +=
        number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
    usage.registers += number_before(line, " registers");
    usage.shared += number_before(line, " bytes smem");
  }
  return all;
}

const char* kind_name(ir::GroupKind kind) {
  constexpr const char* names[] = {"map", "inner", "outer"};
  return names[static_cast<int>(kind)];
}

// The row of one group; false when it spills.
bool print_group(const Nvrtc& nvrtc, const std::string& text, const std::string& architecture) {
  const ir::Group group = ir::parse_group(text);
  const GroupSource source = backend::cuda::group_source(group);
  const Clock::time_point start = Clock::now();
  const Nvrtc::Result result = nvrtc.compile(backend::cuda::program_source({&source, 1}),
                                             architecture, {"--ptxas-options=-v"});
  const double seconds = seconds_since(start);
  if (!result.compiled) {
    fmt::print("{}\n", result.log);
    return false;
  }
  std::map<std::string, Usage> usage = usage_of(result.log);
  bool spills = false;
  for (const GroupLaunch& launch : source.launches) {
    const Usage& it = usage[launch.kernel];
    fmt::print("{:6} {:24} {:>4} {:>9} {:>5} {:>5} {:>6} {:>6} {:>6}\n", kind_name(group.kind),
               group.space.to_string(), group.body.size(), launch.grid, launch.block, it.registers,
               it.stack, it.spills, it.shared);
    spills = spills || it.spills > 0;
  }
  if (!source.launches.empty()) fmt::print("{:>60.0f} ms\n", seconds * 1000);
  return !spills;
}

int run(const std::vector<std::string>& arguments) {
  std::string architecture = "sm_90";
  bool lists = false;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--list") {
      lists = true;
    } else if (arguments[i] == "--arch" && i + 1 < arguments.size()) {
      architecture = arguments[++i];
    } else {
      for (const std::string& text : group_texts(arguments[i])) {
        if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
      }
    }
  }
  if (texts.empty()) {
    fmt::print(stderr, "usage: cuda_groups [--list] [--arch sm_90] PROGRAM.txt...\n");
    return 2;
  }
  if (lists) {
    for (const std::string& text : texts) fmt::print("{}\n", text);
    return 0;
  }
  const Nvrtc* const nvrtc = Nvrtc::open();
  if (nvrtc == nullptr) {
    fmt::print(stderr, "cuda_groups: there is no libnvrtc\n");
    return 2;
  }
  fmt::print("{:6} {:24} {:>4} {:>9} {:>5} {:>5} {:>6} {:>6} {:>6}\n", "kind", "space", "ops",
             "blocks", "thr.", "regs", "stack", "spills", "shared");
  int spilling = 0;
  std::vector<GroupSource> sources;
  for (const std::string& text : texts) {
    if (!print_group(*nvrtc, text, architecture)) ++spilling;
    sources.push_back(backend::cuda::group_source(ir::parse_group(text)));
  }
  std::set<std::string> kernels;
  for (const GroupSource& source : sources) {
    for (const GroupLaunch& launch : source.launches) kernels.insert(launch.kernel);
  }
  const Clock::time_point start = Clock::now();
  const Nvrtc::Result all = nvrtc->compile(backend::cuda::program_source(sources), architecture);
  fmt::print("{} groups, {} kernels, {} with spills; together {:.2f} s, {} bytes for {}\n",
             texts.size(), kernels.size(), spilling, seconds_since(start), all.image.size(),
             architecture);
  return spilling == 0 && all.compiled ? 0 : 1;
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) { return sinter::run({argv + 1, argv + argc}); }
