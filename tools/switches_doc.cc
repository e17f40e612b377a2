// Prints docs/switches.md: the table of SINTER_* switches, from the one that the library reads.
#include <cstdio>

#include "base/switches.h"

int main() {
  std::printf(
      "# Switches\n\n"
      "Environment variables, read once by the library. A bad value is an error, an unknown\n"
      "`SINTER_*` name a warning. Generated from src/base/switches.cc by the target "
      "`switches_doc`\n"
      "(`build/release/bin/switches_doc > docs/switches.md`); a test compares them.\n\n"
      "| switch | values | default | what it does |\n|---|---|---|---|\n");
  for (const sinter::SwitchRow& row : sinter::switches_table()) {
    const auto cell = [](std::string_view text) {
      std::printf(" %.*s |", static_cast<int>(text.size()), text.data());
    };
    std::printf("|");
    for (std::string_view text : {row.name, row.values, row.default_value, row.text}) cell(text);
    std::printf("\n");
  }
}
