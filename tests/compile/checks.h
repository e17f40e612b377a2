// Small helpers that the tests of compiled steps share.
#ifndef SINTER_TESTS_COMPILE_CHECKS_H_
#define SINTER_TESTS_COMPILE_CHECKS_H_

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/switches.h"
#include "error_message.h"
#include "sinter/tensor.h"

namespace sinter {

// "file.cc:12", as messages name the line that calls this with __LINE__.
inline std::string place(const char* file, int line) {
  return std::string(file) + ":" + std::to_string(line);
}

inline Tensor floats(const std::vector<float>& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())});
}
inline Tensor floats(const std::vector<float>& values, const Shape& shape) {
  return tensor(values, shape);
}

inline std::vector<float> values_of(const Tensor& tensor) { return tensor.to_vector<float>(); }

// Normal numbers times `scale`.
inline Tensor random_floats(const Shape& shape, std::mt19937& random, float scale = 1) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = normal(random) * scale;
  return tensor(values, shape);
}

inline Tensor random_labels(std::int64_t count, std::int64_t classes, std::mt19937& random) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(count));
  for (std::int64_t& value : values) {
    value = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(classes));
  }
  return tensor(values, {count});
}

// Shape, dtype and every bit.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const auto bytes = static_cast<std::size_t>(a.elements()) * size_of(a.dtype());
  return bytes == 0 || std::memcmp(to_host(a).data(), to_host(b).data(), bytes) == 0;
}

// An environment switch with a value while this lives; the one before afterwards.
class SwitchScope {
 public:
  SwitchScope(const char* name, const std::string& value) : name_(name) {
    const char* const before = std::getenv(name);
    was_set_ = before != nullptr;
    if (was_set_) before_ = before;
    setenv(name, value.c_str(), 1);
    reload_switches();
  }
  ~SwitchScope() {
    if (was_set_) {
      setenv(name_, before_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
    reload_switches();
  }
  SwitchScope(const SwitchScope&) = delete;
  SwitchScope& operator=(const SwitchScope&) = delete;

 private:
  const char* name_;
  bool was_set_ = false;
  std::string before_;
};

}  // namespace sinter

#endif  // SINTER_TESTS_COMPILE_CHECKS_H_
