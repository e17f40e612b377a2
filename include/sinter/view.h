// Numbers that lie in memory of the caller's, used where they are.
#ifndef SINTER_VIEW_H_
#define SINTER_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "sinter/tensor.h"

namespace sinter {

// An array in host memory that something else owns: dense and row-major. Nothing is copied, and
// making one allocates nothing.
//
//   std::vector<float> pixels(28 * 28);
//   model.predict(view(pixels, {1, 28, 28, 1}));
//
// The memory must outlive the View. A Tensor made of it (by the conversion below) is on the same
// memory, so the memory must outlive that too, and what computes with it: ops and compiled
// functions on the CPU have ended when they return, those on another device have copied the memory
// by then. Nothing of Sinter writes there; who else does changes the Tensor, which is otherwise a
// constant.
class View {
 public:
  // Throws Error when there is no memory for elements that there are.
  View(const void* data, Dtype dtype, const Shape& shape);

  const std::byte* data() const { return data_; }
  Dtype dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t bytes() const {
    return static_cast<std::size_t>(shape_.elements()) * size_of(dtype_);
  }

  // On the CPU, whatever the current device is.
  operator Tensor() const;  // NOLINT: a View is passed where a Tensor is expected

 private:
  const std::byte* data_;
  Dtype dtype_;
  Shape shape_;
};

// The dtype is the one that stores the C++ type. Throw Error when the number of values is not
// shape.elements().
View view(std::span<const float> values, const Shape& shape);
View view(std::span<const double> values, const Shape& shape);
View view(std::span<const std::int32_t> values, const Shape& shape);
View view(std::span<const std::int64_t> values, const Shape& shape);
View view(std::span<const std::uint8_t> values, const Shape& shape);

}  // namespace sinter

#endif  // SINTER_VIEW_H_
