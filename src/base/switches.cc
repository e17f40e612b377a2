#include "base/switches.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "base/parallel.h"
#include "sinter/error.h"

namespace sinter {
namespace {

constexpr std::string_view kPrefix = "SINTER_";
constexpr std::string_view kEmulatedPrefix = "SINTER_EMULATED_";

constexpr std::array<SwitchRow, 10> kTable = {{
    {"SINTER_CACHE", "a directory", "~/.cache/sinter",
     "keep compiled GPU kernels there from run to run; set to nothing: do not keep them"},
    {"SINTER_CHECK", "0 to 3", "0",
     "1: verify after every pass; 2: compare compiled with eager too; 3: stop at the first NaN and "
     "name its op"},
    {"SINTER_CUDA_LIBRARY", "a file", "",
     "the CUDA library to load; without it, libsinter_cuda.so beside the program, in ../lib or in "
     "../lib/sinter"},
    {"SINTER_DEBUG", "0 to 5", "0",
     "print, each level adding: 1 kernels with their time, groups that are interpreted; 2 passes; "
     "3 fused groups; 4 the graph "
     "after each pass; 5 programs and machine code"},
    {"SINTER_DEVICE", "auto, cpu, cuda or cuda:N", "",
     "the device that programs begin with, and what 'auto' means; without it, the CPU"},
    {"SINTER_DISABLE", "names, separated by commas", "",
     "skip these passes or rewrites of the compiler; 'strides' gives contractions dense operands, "
     "as when "
     "called "
     "directly; 'emit' leaves fused groups to the interpreter; 'onednn' leaves contractions to our "
     "own kernels; 'own', 'own_avx512' and 'winograd' leave them to others than these, where there "
     "are any"},
    {"SINTER_DUMP", "a directory", "",
     "write there: the graph after each pass, the program, its arena as a picture, a step's trace"},
    {"SINTER_INSTALL", "0 or 1", "1", "0: make never installs packages (read by make only)"},
    {"SINTER_ISA", "auto, interpreter, avx2 or avx512", "auto",
     "what runs fused groups on the CPU, and with avx2 f32 matrix products; auto takes the widest "
     "instructions that it has; with interpreter nothing makes machine code at run time, oneDNN "
     "neither: slow, for systems that forbid it and for comparison"},
    {"SINTER_THREADS", "1 to 1024", "",
     "CPU threads to use; without it, all that the process may run on and that its control groups' "
     "quotas pay for"},
}};

[[noreturn]] void refuse(std::string_view name, std::string_view value, std::string_view hint) {
  const auto row = std::find_if(kTable.begin(), kTable.end(),
                                [&](const SwitchRow& r) { return r.name == name; });
  raise({.where = std::string(name),
         .what = "the environment variable has a bad value",
         .got = "\"" + std::string(value) + "\"",
         .expected = std::string(row->values),
         .hint = std::string(hint)});
}

// The value of a switch; empty when it is not set or set to nothing.
std::string_view text_of(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

int number_of(const char* name, int least, int most, int missing) {
  const std::string_view text = text_of(name);
  if (text.empty()) return missing;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    refuse(name, text, "");
  }
  return value;
}

IsaChoice isa_of(const char* name) {
  const std::string_view text = text_of(name);
  if (text.empty() || text == "auto") return IsaChoice::automatic;
  if (text == "interpreter") return IsaChoice::interpreter;
  if (text == "avx2") return IsaChoice::avx2;
  if (text == "avx512") return IsaChoice::avx512;
  refuse(name, text, "");
}

std::string device_of(const char* name) {
  const std::string_view text = text_of(name);
  constexpr std::string_view kNumbered = "cuda:";
  const bool is_numbered =
      text.substr(0, kNumbered.size()) == kNumbered && text.size() > kNumbered.size() &&
      text.find_first_not_of("0123456789", kNumbered.size()) == std::string_view::npos;
  if (!text.empty() && text != "auto" && text != "cpu" && text != "cuda" && !is_numbered) {
    refuse(name, text, "");
  }
  return std::string(text);
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Which names exist is known only to those who use them (the pass runner says when a name is no
// pass); here only their form is checked.
std::vector<std::string> names_of(const char* name) {
  const std::string_view text = text_of(name);
  std::vector<std::string> names;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    std::string_view item = text.substr(begin, comma - begin);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!is_name(item)) refuse(name, text, "names are lower-case, such as fuse,emit");
    names.emplace_back(item);
    begin = comma + 1;
  }
  return names;
}

Switches read_environment() {
  Switches values;
  values.debug = number_of("SINTER_DEBUG", 0, 5, 0);
  values.dump = text_of("SINTER_DUMP");
  values.disable = names_of("SINTER_DISABLE");
  values.check = number_of("SINTER_CHECK", 0, 3, 0);
  values.isa = isa_of("SINTER_ISA");
  values.device = device_of("SINTER_DEVICE");
  values.cuda_library = text_of("SINTER_CUDA_LIBRARY");
  // Set to nothing is a value here.
  if (const char* cache = std::getenv("SINTER_CACHE")) values.cache = cache;
  values.threads = number_of("SINTER_THREADS", 1, kMaxThreads, 0);
  return values;
}

// The values once read: `owner` keeps them, `current` is what readers load without a lock.
std::mutex mutex;
std::unique_ptr<const Switches> owner;
std::atomic<const Switches*> current{nullptr};

}  // namespace

bool Switches::disabled(std::string_view name) const {
  return std::find(disable.begin(), disable.end(), name) != disable.end();
}

const Switches& switches() {
  const Switches* known = current.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  const std::lock_guard lock(mutex);
  if (owner == nullptr) {
    owner = std::make_unique<const Switches>(read_environment());
    current.store(owner.get(), std::memory_order_release);
  }
  return *owner;
}

void reload_switches() {
  auto fresh = std::make_unique<const Switches>(read_environment());
  const std::lock_guard lock(mutex);
  current.store(fresh.get(), std::memory_order_release);
  owner = std::move(fresh);
}

std::vector<std::string> unknown_switches() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.substr(0, kPrefix.size()) != kPrefix) continue;
    const std::string_view name = text.substr(0, text.find('='));
    // What the emulated CUDA device is told is its own matter.
    if (name.substr(0, kEmulatedPrefix.size()) == kEmulatedPrefix) continue;
    const bool known = std::any_of(kTable.begin(), kTable.end(),
                                   [&](const SwitchRow& row) { return row.name == name; });
    if (!known) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::span<const SwitchRow> switches_table() { return kTable; }

}  // namespace sinter
