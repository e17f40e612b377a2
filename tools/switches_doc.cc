// Prints docs/switches.md: the table of SINTER_* switches, from the one that the library reads.
#include <cstdio>

#include "base/cache_limits.h"
#include "base/switches.h"

namespace {

void print_limits() {
  using namespace sinter::limits;
  std::printf(
      "\n## What is kept\n\n"
      "The library keeps these to use them again; beyond the bound, what was used longest ago "
      "goes\n"
      "first (src/base/cache_limits.h).\n\n"
      "| kept | at most |\n|---|---|\n");
  const auto row = [](const char* kept, const char* bound, long long number) {
    std::printf("| %s | ", kept);
    std::printf(bound, number);
    std::printf(" |\n");
  };
  row("free blocks of Tensors' memory, a device",
      "as many bytes as were in use at once, or %lld MiB", kFreeBytes / kMebibyte);
  row("programs of ops called directly", "%lld", kEagerPrograms);
  row("the block in which they run, a thread and device", "%lld MiB",
      static_cast<std::int64_t>(kEagerScratchBytes) / kMebibyte);
  row("memories of a program that no call uses", "%lld", kIdleSessions + 1);
  row("kernels of fused groups on the CPU", "%lld", kGroupKernels);
  row("oneDNN's primitives for matrix products and convolutions", "%lld", kVendorCalls);
  row("primitives in oneDNN's own cache", "%lld", kVendorPrimitives);
}

}  // namespace

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
  print_limits();
}
