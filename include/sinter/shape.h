// Shapes: the lengths of a tensor's axes.
#ifndef SINTER_SHAPE_H_
#define SINTER_SHAPE_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace sinter {

// The lengths of a tensor's axes, outermost first: {128, 28, 28, 1} is a batch of 128 grey images
// (N, H, W, C). A scalar has no axes. A length may be 0 (an empty tensor). At most kMaxRank axes;
// lengths are stored in place, so that shapes are copied without allocating.
//
//   const Shape images{128, 28, 28, 1};
//   images.dim(-1);      // 1
//   images.elements();   // 100352
//   images.to_string();  // "(128, 28, 28, 1)"
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  constexpr Shape() = default;
  // Throws Error for a negative length, more than kMaxRank axes, or more than 2^47 elements.
  Shape(std::initializer_list<std::int64_t> lengths);
  explicit Shape(const std::vector<std::int64_t>& lengths);

  int rank() const { return rank_; }
  // The product of all lengths; 1 for a scalar.
  std::int64_t elements() const;
  // The length of axis `axis`. REQUIRES: 0 <= axis < rank().
  std::int64_t operator[](int axis) const { return lengths_[static_cast<std::size_t>(axis)]; }
  // The same, counting from the end for negative axes: dim(-1) is the innermost. Throws Error when
  // there is no such axis.
  std::int64_t dim(int axis) const;
  // Makes one axis longer or shorter, counted from the end when negative. Throws Error as the
  // constructors and dim(); then nothing has changed.
  void set(int axis, std::int64_t length);

  const std::int64_t* begin() const { return lengths_.data(); }
  const std::int64_t* end() const { return lengths_.data() + rank_; }
  std::vector<std::int64_t> to_vector() const { return {begin(), end()}; }
  // "(128, 28, 28, 1)"; "()" for a scalar; "(3,)" for one axis.
  std::string to_string() const;

  friend bool operator==(const Shape& a, const Shape& b);
  friend bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }

 private:
  void assign(const std::int64_t* lengths, std::size_t count);

  std::array<std::int64_t, kMaxRank> lengths_{};
  int rank_ = 0;
};

// An axis counted from the end is made one counted from the front: -1 in a rank-4 tensor is 3.
// Throws Error, naming `where`, when the axis does not exist.
int normalize_axis(const char* where, int axis, int rank);

// The shape that `a` and `b` broadcast to, aligned at the innermost axis as in NumPy: lengths must
// be equal or one of them 1. (128, 1, 10) and (5, 1) give (128, 5, 10). Throws Error, naming
// `where` and both shapes.
Shape broadcast_shapes(const char* where, const Shape& a, const Shape& b);

}  // namespace sinter

#endif  // SINTER_SHAPE_H_
