#include "ir/attributes_text.h"

#include <fmt/format.h>

#include "ir/hex_float.h"

namespace sinter::ir {

namespace {

struct Printer {
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return hex_float(value); }
  std::string operator()(const std::vector<std::int64_t>& values) const {
    return fmt::format("[{}]", fmt::join(values, ", "));
  }
};

}  // namespace

std::string to_text(const Attributes& attributes) {
  std::string text = "{";
  for (const auto& [name, value] : attributes.entries()) {
    if (text.size() > 1) text += ", ";
    text += name + "=" + std::visit(Printer{}, value);
  }
  return text + "}";
}

}  // namespace sinter::ir
