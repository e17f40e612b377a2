#include "sinter/collate.h"

#include <algorithm>
#include <cstring>

#include "sinter/error.h"
#include "sinter/system.h"

namespace sinter::data {
namespace {

using Kind = Collate::Kind;

// The rows of one field, in host memory.
class Field {
 public:
  Field(std::span<const Batch> rows, const Collate& how) : how_(how) {
    for (const Batch& row : rows) {
      if (!row.has(how.field)) refuse("a row lacks this field", "", "");
      rows_.push_back(to_host(row[how.field]));
      check(rows_.back());
    }
  }

  Tensor joined() const {
    switch (how_.kind) {
      case Kind::stack:
        return stacked();
      case Kind::pad:
        return padded();
      default:
        return concatenated();
    }
  }

  Tensor lengths() const {
    std::vector<std::int32_t> numbers;
    const bool offsets = how_.kind == Kind::concatenate;
    if (offsets) numbers.push_back(0);
    for (const Tensor& row : rows_) {
      const auto length = static_cast<std::int32_t>(row.dim(0));
      numbers.push_back(offsets ? numbers.back() + length : length);
    }
    return tensor(numbers, {static_cast<std::int64_t>(numbers.size())});
  }

 private:
  [[noreturn]] void refuse(const char* what, const std::string& got,
                           const std::string& expected) const {
    raise({.where = "collate, '" + how_.field + "'",
           .what = what,
           .got = got,
           .expected = expected,
           .hint = {}});
  }

  // The lengths of the axes that all rows share.
  std::vector<std::int64_t> inner(const Tensor& row) const {
    std::vector<std::int64_t> lengths = row.shape().to_vector();
    if (how_.kind != Kind::stack) lengths.erase(lengths.begin());
    return lengths;
  }

  void check(const Tensor& row) const {
    if (how_.kind != Kind::stack && row.rank() == 0) {
      refuse("a scalar has no length", row.to_string(), "rows of rank 1 or more");
    }
    const Tensor& first = rows_.front();
    if (row.dtype() != first.dtype() || inner(row) != inner(first)) {
      refuse("the rows do not go together", row.to_string(), first.to_string());
    }
  }

  static std::size_t bytes_of(const Tensor& row) {
    return static_cast<std::size_t>(row.elements()) * size_of(row.dtype());
  }

  Tensor filled_by(std::vector<std::int64_t> lengths,
                   const std::function<void(std::byte*)>& fill) const {
    return filled(Shape(std::move(lengths)), rows_.front().dtype(), fill);
  }

  static void copy_row(std::byte* to, const Tensor& row) {
    if (row.elements() > 0) std::memcpy(to, row.data(), bytes_of(row));
  }

  Tensor stacked() const {
    std::vector<std::int64_t> lengths = inner(rows_.front());
    lengths.insert(lengths.begin(), static_cast<std::int64_t>(rows_.size()));
    return filled_by(std::move(lengths), [&](std::byte* to) {
      for (const Tensor& row : rows_) {
        copy_row(to, row);
        to += bytes_of(row);
      }
    });
  }

  Tensor concatenated() const {
    std::vector<std::int64_t> lengths = inner(rows_.front());
    std::int64_t total = 0;
    for (const Tensor& row : rows_) total += row.dim(0);
    lengths.insert(lengths.begin(), total);
    return filled_by(std::move(lengths), [&](std::byte* to) {
      for (const Tensor& row : rows_) {
        copy_row(to, row);
        to += bytes_of(row);
      }
    });
  }

  std::int64_t padded_length() const {
    std::int64_t longest = 0;
    for (const Tensor& row : rows_) longest = std::max(longest, row.dim(0));
    if (how_.buckets.empty()) return longest;
    for (const std::int64_t bucket : how_.buckets) {
      if (bucket >= longest) return bucket;
    }
    refuse("a row is longer than every bucket", std::to_string(longest),
           "at most " + std::to_string(how_.buckets.back()));
  }

  Tensor padded() const {
    const std::int64_t length = padded_length();
    std::vector<std::int64_t> lengths = inner(rows_.front());
    const Tensor fill = to_host(scalar(how_.fill, rows_.front().dtype()));
    const std::size_t size = size_of(fill.dtype());
    std::int64_t unit = 1;
    for (const std::int64_t each : lengths) unit *= each;
    lengths.insert(lengths.begin(), {static_cast<std::int64_t>(rows_.size()), length});
    return filled_by(std::move(lengths), [&](std::byte* to) {
      for (const Tensor& row : rows_) {
        copy_row(to, row);
        std::byte* end = to + static_cast<std::size_t>(length * unit) * size;
        for (to += bytes_of(row); to < end; to += size) std::memcpy(to, fill.data(), size);
      }
    });
  }

  const Collate& how_;
  std::vector<Tensor> rows_;
};

}  // namespace

Batch collate(std::span<const Batch> rows, std::span<const Collate> how) {
  if (rows.empty()) {
    raise({.where = "collate", .what = "there are no rows", .got = {}, .expected = {}, .hint = {}});
  }
  const DeviceScope host("cpu");
  Batch batch;
  for (const Collate& each : how) {
    const Field field(rows, each);
    batch.add(each.field, field.joined());
    if (!each.lengths.empty() && each.kind != Kind::stack) batch.add(each.lengths, field.lengths());
  }
  double weight = 0;
  for (const Batch& row : rows) weight += row.has_own_weight() ? row.count() : 1;
  batch.set_weight(weight);
  return batch;
}

}  // namespace sinter::data
