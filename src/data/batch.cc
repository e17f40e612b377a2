#include "sinter/batch.h"

#include "sinter/error.h"

namespace sinter {
namespace {

std::string list_names(std::span<const Batch::Entry> entries) {
  std::string text;
  for (const Batch::Entry& entry : entries) text += (text.empty() ? "" : ", ") + entry.name;
  return text.empty() ? "nothing" : text;
}

}  // namespace

Batch::Batch(std::initializer_list<Entry> entries) {
  entries_.reserve(entries.size());
  for (const Entry& entry : entries) add(entry.name, entry.tensor);
}

Batch& Batch::add(std::string name, Tensor tensor) {
  const auto refuse = [&](const char* what) {
    raise({.where = "batch",
           .what = what,
           .got = "'" + name + "'",
           .expected = {},
           .hint = "a batch holds: " + list_names(entries_)});
  };
  if (name.empty()) refuse("a tensor has no name");
  if (has(name)) refuse("two tensors have one name");
  if (!tensor.defined()) refuse("a tensor is undefined");
  entries_.push_back({.name = std::move(name), .tensor = std::move(tensor)});
  return *this;
}

bool Batch::has(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return true;
  }
  return false;
}

const Tensor& Batch::operator[](std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return entry.tensor;
  }
  raise({.where = "batch",
         .what = "there is no tensor '" + std::string(name) + "'",
         .got = {},
         .expected = list_names(entries_),
         .hint = {}});
}

std::vector<std::string> Batch::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const Entry& entry : entries_) names.push_back(entry.name);
  return names;
}

std::vector<Tensor> Batch::tensors() const {
  std::vector<Tensor> tensors;
  tensors.reserve(entries_.size());
  for (const Entry& entry : entries_) tensors.push_back(entry.tensor);
  return tensors;
}

Tensor Batch::weight() const { return weight_.defined() ? weight_ : scalar(count(), Dtype::f64); }

double Batch::count() const {
  if (weight_.defined()) return weight_.item<double>();
  if (entries_.empty()) return 0;
  const Tensor& first = entries_.front().tensor;
  return first.rank() == 0 ? 1 : static_cast<double>(first.dim(0));
}

void Batch::set_weight(double weight) { weight_ = scalar(weight, Dtype::f64); }

std::int64_t Batch::bytes() const {
  std::int64_t bytes = 0;
  for (const Entry& entry : entries_) {
    bytes += entry.tensor.elements() * static_cast<std::int64_t>(size_of(entry.tensor.dtype()));
  }
  return bytes;
}

}  // namespace sinter
