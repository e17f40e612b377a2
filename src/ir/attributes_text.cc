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

std::string to_text(const Op& op, const Attributes& attributes) {
  std::string text;
  for (const auto& [name, value] : attributes.entries()) {
    const AttributeSpec* const spec = find_attribute(op, name);
    if (spec != nullptr && is_default(*spec, value)) continue;
    text += (text.empty() ? " {" : ", ") + name + "=";
    if (spec != nullptr && has_kind(value, AttributeKind::dtype) &&
        spec->kind == AttributeKind::dtype) {
      text += name_of(static_cast<Dtype>(std::get<std::int64_t>(value)));
    } else {
      text += std::visit(Printer{}, value);
    }
  }
  return text.empty() ? text : text + "}";
}

}  // namespace sinter::ir
