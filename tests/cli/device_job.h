// A short training job on a device of one's choice, and what the tests look for in its output.
#ifndef SINTER_TESTS_CLI_DEVICE_JOB_H_
#define SINTER_TESTS_CLI_DEVICE_JOB_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "run_command.h"

namespace sinter {

using Words = std::vector<std::string>;

// 30 steps of a linear model on the embedded set into the folder `run`, a checkpoint every 5.
inline Words small_job(const std::string& device, const Words& more = {}) {
  Words words = {"train",    "image",
                 "--out",    "run",
                 "--model",  "linear",
                 "--steps",  "30",
                 "--batch",  "32",
                 "--device", device,
                 "--set",    "embedded_train=500",
                 "--set",    "embedded_test=50",
                 "--set",    "checkpoint_steps=5"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The command failed with one line that holds these parts.
inline void expect_one_line(const CommandResult& result, const Words& parts) {
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(result.err.rfind("sinter: error: ", 0), 0u) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  for (const std::string& part : parts) {
    EXPECT_TRUE(holds(result.err, part)) << part << " in " << result.err;
  }
}

}  // namespace sinter

#endif  // SINTER_TESTS_CLI_DEVICE_JOB_H_
