#include "sinter/shape.h"

#include <algorithm>

#include "sinter/error.h"

namespace sinter {

namespace {
constexpr std::int64_t kMaxElements = std::int64_t{1} << 47;
}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> lengths) {
  assign(lengths.begin(), lengths.size());
}

Shape::Shape(const std::vector<std::int64_t>& lengths) { assign(lengths.data(), lengths.size()); }

void Shape::assign(const std::int64_t* lengths, std::size_t count) {
  if (count > static_cast<std::size_t>(kMaxRank)) {
    raise({.where = "shape",
           .what = "too many axes",
           .got = std::to_string(count),
           .expected = "at most " + std::to_string(kMaxRank),
           .hint = {}});
  }
  // Zeros are left out of the product, so that lengths beside a zero are bounded too.
  std::int64_t product = 1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t length = lengths[i];
    if (length < 0) {
      raise({.where = "shape",
             .what = "negative length",
             .got = std::to_string(length) + " at axis " + std::to_string(i),
             .expected = {},
             .hint = {}});
    }
    if (length > 0 && product > kMaxElements / length) {
      raise({.where = "shape",
             .what = "too many elements",
             .got = {},
             .expected = "at most 2^47",
             .hint = {}});
    }
    product *= std::max<std::int64_t>(length, 1);
    lengths_[i] = length;
  }
  rank_ = static_cast<int>(count);
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t length : *this) product *= length;
  return product;
}

std::int64_t Shape::dim(int axis) const { return (*this)[normalize_axis("dim", axis, rank_)]; }

void Shape::set(int axis, std::int64_t length) {
  Shape changed = *this;
  changed.lengths_[static_cast<std::size_t>(normalize_axis("shape", axis, rank_))] = length;
  assign(changed.lengths_.data(), static_cast<std::size_t>(changed.rank_));
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string((*this)[i]);
  }
  return text + (rank_ == 1 ? ",)" : ")");
}

bool operator==(const Shape& a, const Shape& b) {
  return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
}

int normalize_axis(const char* where, int axis, int rank) {
  const int normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank) {
    raise({.where = where,
           .what = "no such axis",
           .got = std::to_string(axis),
           .expected = rank == 0 ? std::string("no axis: the tensor is a scalar")
                                 : std::to_string(-rank) + " to " + std::to_string(rank - 1),
           .hint = {}});
  }
  return normal;
}

Shape broadcast_shapes(const char* where, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape result = longer;
  const int offset = longer.rank() - shorter.rank();
  for (int i = 0; i < shorter.rank(); ++i) {
    const std::int64_t x = longer[i + offset];
    const std::int64_t y = shorter[i];
    if (x == y || y == 1) continue;
    if (x != 1) {
      raise({.where = where,
             .what = "the shapes do not broadcast",
             .got = a.to_string() + " and " + b.to_string(),
             .expected = "equal lengths, or 1, at every axis counted from the innermost",
             .hint = {}});
    }
    result.set(i + offset, y);
  }
  return result;
}

}  // namespace sinter
