// Settings of every type, for the fuzz target and its seeds.
#ifndef SINTER_TESTS_FUZZ_FUZZ_CONFIG_H_
#define SINTER_TESTS_FUZZ_FUZZ_CONFIG_H_

#include <cstdint>
#include <string>

#include "train/config.h"

namespace sinter::fuzz {

inline train::Config fuzz_config() {
  using Range = train::Config::Range;
  train::Config config;
  config.add(
      {.key = "data", .value = std::string(), .comment = "a folder", .range = {}, .names = {}});
  config.add({.key = "model",
              .value = std::string("cnn"),
              .comment = {},
              .range = {},
              .names = {"cnn", "mlp"}});
  config.add({.key = "epochs",
              .value = std::int64_t{5},
              .comment = {},
              .range = Range{1, 1e6},
              .names = {}});
  config.add({.key = "lr", .value = 3e-3, .comment = {}, .range = Range{0, 1e30}, .names = {}});
  config.add({.key = "shuffle", .value = true, .comment = {}, .range = {}, .names = {}});
  return config;
}

}  // namespace sinter::fuzz

#endif  // SINTER_TESTS_FUZZ_FUZZ_CONFIG_H_
