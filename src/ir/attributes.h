// The static arguments of an op: axes, strides, sizes.
#ifndef SINTER_IR_ATTRIBUTES_H_
#define SINTER_IR_ATTRIBUTES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sinter::ir {

using AttributeValue = std::variant<std::int64_t, double, std::vector<std::int64_t>>;

// A short ordered list of named values, in the order of the op's schema once apply() has completed
// it (ir/signature.h): equal calls have equal lists. Looking up a name that is not there is our
// mistake: InternalError.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, AttributeValue>> entries)
      : entries_(entries) {}

  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  const std::vector<std::int64_t>& integers(std::string_view name) const;
  // For attributes that were not completed, or are of one of two ops.
  bool has(std::string_view name) const;
  void add(std::string name, AttributeValue value) {
    entries_.emplace_back(std::move(name), std::move(value));
  }

  const std::vector<std::pair<std::string, AttributeValue>>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

  // Doubles compare by bits, so that NaN attributes are equal to themselves.
  friend bool operator==(const Attributes& a, const Attributes& b);

 private:
  const AttributeValue& find(std::string_view name) const;

  std::vector<std::pair<std::string, AttributeValue>> entries_;
};

}  // namespace sinter::ir

#endif  // SINTER_IR_ATTRIBUTES_H_
