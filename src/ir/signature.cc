#include "ir/signature.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "ir/internal_error.h"
#include "ir/op.h"
#include "sinter/error.h"

namespace sinter::ir {

namespace {

const char* kind_text(AttributeKind kind) {
  switch (kind) {
    case AttributeKind::integer:
      return "an integer";
    case AttributeKind::real:
      return "a real number";
    case AttributeKind::integers:
      return "a list of integers";
    case AttributeKind::dtype:
      return "a dtype";
  }
  return "";
}

AttributeValue default_of(const AttributeSpec& spec) {
  switch (spec.kind) {
    case AttributeKind::integer:
    case AttributeKind::dtype:
      return static_cast<std::int64_t>(*spec.default_value);
    case AttributeKind::real:
      return *spec.default_value;
    case AttributeKind::integers:
      break;
  }
  return std::vector<std::int64_t>();
}

[[noreturn]] void refuse(const Op& op, std::string_view attribute, const std::string& what) {
  throw InternalError(std::string(op.name) + ": attribute " + std::string(attribute) + " " + what);
}

}  // namespace

std::string to_text(DtypeSet dtypes) {
  if (dtypes == kEveryDtype) return "any dtype";
  if (dtypes == kNumbers) return "any number, not bool";
  std::string text;
  std::size_t last_separator = std::string::npos;
  for (int i = 0; i < kDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    if (!dtypes.has(dtype)) continue;
    if (!text.empty()) {
      last_separator = text.size();
      text += ", ";
    }
    text += name_of(dtype);
  }
  if (last_separator != std::string::npos) text.replace(last_separator, 2, " or ");
  return text;
}

bool has_kind(const AttributeValue& value, AttributeKind kind) {
  switch (kind) {
    case AttributeKind::integer:
      return std::holds_alternative<std::int64_t>(value);
    case AttributeKind::real:
      return std::holds_alternative<double>(value);
    case AttributeKind::integers:
      return std::holds_alternative<std::vector<std::int64_t>>(value);
    case AttributeKind::dtype: {
      const auto* number = std::get_if<std::int64_t>(&value);
      return number != nullptr && *number >= 0 && *number < kDtypeCount;
    }
  }
  return false;
}

// For every call of an op: one walk.
bool are_complete(const Op& op, const Attributes& attributes) {
  const AttributeSpec* spec = op.schema;
  const AttributeSpec* const end = op.schema + kMaxAttributes;
  for (const auto& [name, value] : attributes.entries()) {
    if (spec == end || spec->name == nullptr || std::strcmp(name.c_str(), spec->name) != 0 ||
        !has_kind(value, spec->kind)) {
      return false;
    }
    ++spec;
  }
  return spec == end || spec->name == nullptr;
}

Attributes completed(const Op& op, const Attributes& attributes) {
  for (const auto& [name, value] : attributes.entries()) {
    const AttributeSpec* const spec = find_attribute(op, name);
    if (spec == nullptr) refuse(op, name, "is unknown");
    if (!has_kind(value, spec->kind)) {
      refuse(op, name, std::string("is not ") + kind_text(spec->kind));
    }
  }
  Attributes all;
  for (std::size_t i = 0; i < op.attribute_count(); ++i) {
    const AttributeSpec& spec = op.schema[i];
    int given = 0;
    for (const auto& [name, value] : attributes.entries()) {
      if (name != spec.name) continue;
      if (++given == 1) all.add(name, value);
    }
    if (given > 1) refuse(op, spec.name, "is given twice");
    if (given == 1) continue;
    if (!spec.default_value) refuse(op, spec.name, "is missing");
    all.add(spec.name, default_of(spec));
  }
  return all;
}

bool is_default(const AttributeSpec& spec, const AttributeValue& value) {
  if (!spec.default_value || !has_kind(value, spec.kind)) return false;
  const double* const real = std::get_if<double>(&value);
  if (real == nullptr) return value == default_of(spec);
  return std::bit_cast<std::uint64_t>(*real) == std::bit_cast<std::uint64_t>(*spec.default_value);
}

const AttributeSpec* find_attribute(const Op& op, std::string_view name) {
  for (std::size_t i = 0; i < op.attribute_count(); ++i) {
    if (name == op.schema[i].name) return &op.schema[i];
  }
  return nullptr;
}

void check_dtype(const char* where, const OpInput& input, const TensorType& type) {
  if (input.dtypes.has(type.dtype)) return;
  raise({.where = where,
         .what = std::string(input.name) + " has a dtype that the op does not take",
         .got = type.to_string(),
         .expected = to_text(input.dtypes),
         .hint = "convert it with cast()"});
}

void check_inputs(const Op& op, std::span<const TensorType> types) {
  const std::size_t count = op.input_count();
  if (op.is_variadic ? types.size() + 1 < count : types.size() != count) {
    throw InternalError(std::string(op.name) + " has " + std::to_string(types.size()) +
                        " inputs instead of " + std::to_string(count));
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    check_dtype(op.name, op.inputs[std::min(i, count - 1)], types[i]);
  }
}

std::vector<TensorType> infer(const Op& op, const OpCall& call) {
  check_inputs(op, call.inputs);
  // Says what is missing or wrong, where something is.
  if (!are_complete(op, call.attributes) && completed(op, call.attributes) != call.attributes) {
    throw InternalError(std::string(op.name) + ": its attributes were not completed");
  }
  return op.infer(call);
}

}  // namespace sinter::ir
