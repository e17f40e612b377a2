#include "sinter/collate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "sinter/error.h"
#include "sinter/ops.h"
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

std::vector<std::int64_t> length_buckets(std::int64_t shortest, std::int64_t longest, double growth,
                                         std::int64_t multiple) {
  const auto refuse = [](const char* what, const std::string& got, const char* expected) {
    raise({.where = "length_buckets", .what = what, .got = got, .expected = expected, .hint = {}});
  };
  if (shortest < 0 || shortest > longest) {
    refuse("no range of lengths", std::to_string(shortest) + " to " + std::to_string(longest),
           "0 <= shortest <= longest");
  }
  if (!(growth > 1) || std::isinf(growth)) {
    refuse("buckets do not grow by this factor", std::to_string(growth), "above 1");
  }
  if (multiple < 1) refuse("no multiple", std::to_string(multiple), "1 or more");
  const auto units_for = [&](std::int64_t length) {
    return (std::max<std::int64_t>(length, 1) + multiple - 1) / multiple;
  };
  const std::int64_t last = units_for(longest);
  std::vector<std::int64_t> buckets;
  for (std::int64_t units = units_for(shortest); units < last;) {
    buckets.push_back(units * multiple);
    const double grown = std::floor(static_cast<double>(units) * growth);
    const bool is_last = grown >= static_cast<double>(last);
    units = is_last ? last : std::max(units + 1, static_cast<std::int64_t>(grown));
  }
  buckets.push_back(last * multiple);
  return buckets;
}

std::vector<Tensor> unpad(const Tensor& padded, const Tensor& lengths) {
  const auto refuse = [](const char* what, const std::string& got, const std::string& expected) {
    raise({.where = "unpad", .what = what, .got = got, .expected = expected, .hint = {}});
  };
  if (padded.rank() < 2) refuse("no padded rows", padded.to_string(), "(B, L, ...)");
  if ((lengths.dtype() != Dtype::i32 && lengths.dtype() != Dtype::i64) ||
      lengths.shape() != Shape{padded.dim(0)}) {
    refuse("not a length for each row", lengths.to_string(),
           "i32 or i64 " + Shape{padded.dim(0)}.to_string());
  }
  const DeviceScope host("cpu");
  const Tensor all = to_host(padded);
  const std::vector<std::int64_t> numbers =
      cast(to_host(lengths), Dtype::i64).to_vector<std::int64_t>();
  std::vector<std::int64_t> shape(all.shape().begin() + 1, all.shape().end());
  const std::int64_t longest = shape[0];
  std::size_t unit = size_of(all.dtype());
  for (std::size_t i = 1; i < shape.size(); ++i) unit *= static_cast<std::size_t>(shape[i]);
  std::vector<Tensor> rows;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 0 || numbers[i] > longest) {
      refuse("a row's length is outside of what was padded", std::to_string(numbers[i]),
             "0 to " + std::to_string(longest));
    }
    shape[0] = numbers[i];
    const std::size_t bytes = static_cast<std::size_t>(numbers[i]) * unit;
    const std::size_t begin = i * static_cast<std::size_t>(longest) * unit;
    rows.push_back(filled(Shape(shape), all.dtype(), [&](std::byte* to) {
      if (bytes > 0) std::memcpy(to, static_cast<const std::byte*>(all.data()) + begin, bytes);
    }));
  }
  return rows;
}

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
