// What is known about a value before it runs: its type, and how a buffer holds it.
#ifndef SINTER_IR_TYPE_H_
#define SINTER_IR_TYPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sinter/dtype.h"
#include "sinter/shape.h"

namespace sinter::ir {

// Element type and shape. Values are dense and have no strides; those appear with the plan.
struct TensorType {
  Dtype dtype = Dtype::f32;
  Shape shape;

  std::int64_t elements() const { return shape.elements(); }
  std::int64_t bytes() const { return elements() * static_cast<std::int64_t>(size_of(dtype)); }
  // For people: "f32(128, 10)", "f32 scalar".
  std::string to_string() const {
    return shape.rank() == 0 ? std::string(name_of(dtype)) + " scalar" : to_text();
  }
  // In the text of graphs and programs: "f32(128, 10)", "f32()".
  std::string to_text() const { return std::string(name_of(dtype)) + shape.to_string(); }

  friend bool operator==(const TensorType&, const TensorType&) = default;
};

// Where the elements of a value lie relative to a base address: element (i, j, ...) is at
// offset + i * strides[0] + j * strides[1] + ..., counted in elements. Views change only this.
struct Layout {
  Shape shape;
  std::int64_t offset = 0;
  std::vector<std::int64_t> strides;

  friend bool operator==(const Layout&, const Layout&) = default;
};

// The strides of a dense row-major tensor: {28 * 28, 28, 1} for (N, 28, 28).
std::vector<std::int64_t> row_major_strides(const Shape& shape);
Layout dense_layout(const Shape& shape);
// True when the elements lie without gaps in row-major order (axes of length 1 may have any
// stride).
bool is_dense(const Layout& layout);

}  // namespace sinter::ir

#endif  // SINTER_IR_TYPE_H_
