// Convolutions as tests of kernels describe them.
#ifndef SINTER_TESTS_BACKEND_CONVOLUTION_CASE_H_
#define SINTER_TESTS_BACKEND_CONVOLUTION_CASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ir/op.h"
#include "sinter/shape.h"

namespace sinter::backend {

using Numbers = std::vector<std::int64_t>;

// Lists have a number for each spatial axis; padding may have two, all the low ones first.
struct ConvolutionCase {
  std::int64_t n;
  Numbers image;
  std::int64_t c, o;
  Numbers kernel, stride, padding, dilation;
  std::int64_t groups = 1;

  std::size_t rank() const { return image.size(); }
  std::int64_t low(std::size_t axis) const { return padding[axis]; }
  std::int64_t high(std::size_t axis) const { return padding[padding.size() - rank() + axis]; }
  Numbers windows() const {
    Numbers counts;
    for (std::size_t i = 0; i < rank(); ++i) {
      const std::int64_t reach = dilation[i] * (kernel[i] - 1) + 1;
      counts.push_back((image[i] + low(i) + high(i) - reach) / stride[i] + 1);
    }
    return counts;
  }

  Shape x() const { return shape(n, image, c); }
  Shape w() const { return shape(o, kernel, c / groups); }
  Shape y() const { return shape(n, windows(), o); }
  std::string to_string() const {
    const auto list = [](const Numbers& numbers) { return Shape(numbers).to_string(); };
    return x().to_string() + " * " + w().to_string() + ", stride " + list(stride) + ", padding " +
           list(padding) + ", dilation " + list(dilation) + ", groups " + std::to_string(groups);
  }

  // Those of one of the three ops.
  ir::Attributes attributes(ir::OpId op) const {
    ir::Attributes attributes{{"stride", stride}, {"padding", padding}, {"dilation", dilation}};
    if (groups != 1) attributes.add("groups", groups);
    if (op == ir::OpId::conv_input_gradient) attributes.add("size", image);
    if (op == ir::OpId::conv_weight_gradient) attributes.add("kernel", kernel);
    return attributes;
  }

 private:
  static Shape shape(std::int64_t first, const Numbers& inner, std::int64_t last) {
    Numbers lengths{first};
    lengths.insert(lengths.end(), inner.begin(), inner.end());
    lengths.push_back(last);
    return Shape(lengths);
  }
};

inline constexpr ir::OpId kConvolutions[] = {ir::OpId::conv, ir::OpId::conv_input_gradient,
                                             ir::OpId::conv_weight_gradient};

}  // namespace sinter::backend

#endif  // SINTER_TESTS_BACKEND_CONVOLUTION_CASE_H_
