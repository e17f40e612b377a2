#include "ir/attributes.h"

#include <bit>

#include "ir/internal_error.h"

namespace sinter::ir {

namespace {

template <class T>
const T& get(const AttributeValue& value, std::string_view name) {
  const T* found = std::get_if<T>(&value);
  if (found == nullptr) throw InternalError("attribute " + std::string(name) + " has another type");
  return *found;
}

bool equal(const AttributeValue& a, const AttributeValue& b) {
  if (a.index() != b.index()) return false;
  const double* x = std::get_if<double>(&a);
  if (x == nullptr) return a == b;
  return std::bit_cast<std::uint64_t>(*x) == std::bit_cast<std::uint64_t>(std::get<double>(b));
}

}  // namespace

const AttributeValue& Attributes::find(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (key == name) return value;
  }
  throw InternalError("no attribute " + std::string(name));
}

std::int64_t Attributes::integer(std::string_view name) const {
  return get<std::int64_t>(find(name), name);
}

double Attributes::real(std::string_view name) const { return get<double>(find(name), name); }

const std::vector<std::int64_t>& Attributes::integers(std::string_view name) const {
  return get<std::vector<std::int64_t>>(find(name), name);
}

bool Attributes::has(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (key == name) return true;
  }
  return false;
}

bool operator==(const Attributes& a, const Attributes& b) {
  if (a.entries_.size() != b.entries_.size()) return false;
  for (std::size_t i = 0; i < a.entries_.size(); ++i) {
    if (a.entries_[i].first != b.entries_[i].first) return false;
    if (!equal(a.entries_[i].second, b.entries_[i].second)) return false;
  }
  return true;
}

}  // namespace sinter::ir
