// Reads the values that tools/golden/make_golden.py wrote, and compares with them.
#ifndef SINTER_TESTS_GOLDEN_GOLDEN_H_
#define SINTER_TESTS_GOLDEN_GOLDEN_H_

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sinter/tensor.h"
#include "source_path.h"

namespace sinter::golden {

using Json = nlohmann::json;

inline Json read(const std::string& name) {
  std::ifstream file(tests::source_path("tests/golden/" + name + ".json"));
  return Json::parse(file);
}

inline Shape shape_of(const Json& packed) {
  return Shape(packed.at("shape").get<std::vector<std::int64_t>>());
}

inline Tensor floats(const Json& packed) {
  return tensor(packed.at("data").get<std::vector<float>>(), shape_of(packed));
}

inline Tensor integers(const Json& packed) {
  return tensor(packed.at("data").get<std::vector<std::int64_t>>(), shape_of(packed));
}

// Each element within `tolerance` of the golden one, relative to the largest magnitude (at least
// 1).
inline void expect_near(const Tensor& got, const Json& packed, double tolerance,
                        const std::string& what) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.shape(), shape_of(packed)) << what;
  const auto wanted = packed.at("data").get<std::vector<float>>();
  const auto values = got.to_vector<float>();
  float largest = 1;
  for (const float value : wanted) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(values[i], wanted[i], tolerance * largest) << what << ", element " << i;
  }
}

}  // namespace sinter::golden

#endif  // SINTER_TESTS_GOLDEN_GOLDEN_H_
