// The SINTER_* environment switches: one table, read here and nowhere else.
#ifndef SINTER_BASE_SWITCHES_H_
#define SINTER_BASE_SWITCHES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sinter {

// What runs fused groups on the CPU.
enum class IsaChoice : std::uint8_t {
  automatic,    // machine code for the widest instructions that this CPU has
  interpreter,  // no machine code
  avx2,
  avx512,
};

// The values of all switches that the library reads.
struct Switches {
  int debug = 0;                         // SINTER_DEBUG, 0 to 5
  std::string dump;                      // SINTER_DUMP, a directory; empty: none
  std::vector<std::string> disable;      // SINTER_DISABLE, in the order given
  int check = 0;                         // SINTER_CHECK, 0 to 3
  IsaChoice isa = IsaChoice::automatic;  // SINTER_ISA
  int threads = 0;                       // SINTER_THREADS; 0: not given
  std::string device;                    // SINTER_DEVICE; empty: not given
  std::string cuda_library;              // SINTER_CUDA_LIBRARY, a file; empty: not given
  std::optional<std::string> cache;      // SINTER_CACHE; empty: no folder; nothing: not given

  // True when `name` (a pass, "emit" or "onednn") stands in SINTER_DISABLE.
  bool disabled(std::string_view name) const;
};

// The switches as the environment had them at the first call. Throws Error, naming the switch, when
// one has a bad value. The reference is good until reload_switches().
const Switches& switches();

// Reads the environment again; for tests that change it. Throws Error as switches() does, and then
// leaves the old values. REQUIRES: no other thread uses switches() meanwhile.
void reload_switches();

// The names of environment variables that start with SINTER_ and mean nothing, sorted: most likely
// misspelt. The command prints them once.
std::vector<std::string> unknown_switches();

// A row of the table, for the documentation.
struct SwitchRow {
  std::string_view name;
  std::string_view values;         // "0 to 5"
  std::string_view default_value;  // "" when unset means nothing
  std::string_view text;           // one line
};
std::span<const SwitchRow> switches_table();

}  // namespace sinter

#endif  // SINTER_BASE_SWITCHES_H_
