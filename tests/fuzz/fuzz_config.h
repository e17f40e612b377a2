// Settings of every type, for the fuzz target and its seeds.
#ifndef SINTER_TESTS_FUZZ_FUZZ_CONFIG_H_
#define SINTER_TESTS_FUZZ_FUZZ_CONFIG_H_

#include <cstdint>
#include <string>

#include "sinter/config.h"

namespace sinter::fuzz {

inline train::Config fuzz_config() {
  using Range = train::Setting::Range;
  train::Config config;
  config.add(
      {.key = "data", .value = std::string(), .text = "a folder", .range = {}, .choices = {}});
  config.add({.key = "model",
              .value = std::string("cnn"),
              .text = {},
              .range = {},
              .choices = {"cnn", "mlp"}});
  config.add({.key = "epochs",
              .value = std::int64_t{5},
              .text = {},
              .range = Range{1, 1e6},
              .choices = {}});
  config.add({.key = "lr", .value = 3e-3, .text = {}, .range = Range{0, 1e30}, .choices = {}});
  config.add({.key = "shuffle", .value = true, .text = {}, .range = {}, .choices = {}});
  return config;
}

}  // namespace sinter::fuzz

#endif  // SINTER_TESTS_FUZZ_FUZZ_CONFIG_H_
