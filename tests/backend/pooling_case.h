// Pooling as tests of kernels describe it.
#ifndef SINTER_TESTS_BACKEND_POOLING_CASE_H_
#define SINTER_TESTS_BACKEND_POOLING_CASE_H_

#include <cstdint>
#include <vector>

#include "ir/attributes.h"
#include "sinter/shape.h"

namespace sinter::backend {

// Lists have a number for each spatial axis; padding may have two, all the low ones first.
struct PoolingCase {
  using Numbers = std::vector<std::int64_t>;

  std::int64_t n;
  Numbers image;
  std::int64_t c;
  Numbers kernel, stride, padding;

  std::size_t rank() const { return image.size(); }
  std::int64_t taps() const { return Shape(kernel).elements(); }
  Shape x() const { return shape(image); }
  Shape y() const {
    Numbers windows;
    for (std::size_t i = 0; i < rank(); ++i) {
      const std::int64_t high = padding[padding.size() - rank() + i];
      windows.push_back((image[i] + padding[i] + high - kernel[i]) / stride[i] + 1);
    }
    return shape(windows);
  }
  ir::Attributes attributes() const {
    return {{"kernel", kernel}, {"stride", stride}, {"padding", padding}};
  }
  // Those of the gradient.
  ir::Attributes sized_attributes() const {
    ir::Attributes sized = attributes();
    sized.add("size", image);
    return sized;
  }

  // The element of x under tap `tap` of the window of element `i` of y; -1 in the padding.
  std::int64_t element_under(std::int64_t i, std::int64_t tap) const {
    const Shape windows = y();
    const std::int64_t channel = i % c;
    i /= c;
    std::int64_t pixel = 0, stride_of_axis = 1;
    for (std::size_t axis = rank(); axis-- > 0;) {
      const std::int64_t count = windows[static_cast<int>(axis) + 1];
      const std::int64_t at = i % count * stride[axis] - padding[axis] + tap % kernel[axis];
      if (at < 0 || at >= image[axis]) return -1;
      pixel += at * stride_of_axis;
      stride_of_axis *= image[axis];
      i /= count;
      tap /= kernel[axis];
    }
    return (i * stride_of_axis + pixel) * c + channel;
  }

 private:
  Shape shape(const Numbers& inner) const {
    Numbers lengths{n};
    lengths.insert(lengths.end(), inner.begin(), inner.end());
    lengths.push_back(c);
    return Shape(lengths);
  }
};

}  // namespace sinter::backend

#endif  // SINTER_TESTS_BACKEND_POOLING_CASE_H_
