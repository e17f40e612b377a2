// Contractions of bf16 and f16: by the processor's own instructions where it has them, of widened
// operands elsewhere (the variant SINTER_ISA=avx2 of this program runs those everywhere).
#include <cmath>
#include <cstdint>
#include <functional>

#include "base/half.h"
#include "kernel_run.h"

namespace sinter::backend::cpu {
namespace {

std::uint16_t to_half(Dtype dtype, float x) {
  return dtype == Dtype::bf16 ? bf16_from_f32(x) : f16_from_f32(x);
}
float from_half(Dtype dtype, std::uint16_t bits) {
  return dtype == Dtype::bf16 ? f32_from_bf16(bits) : f32_from_f16(bits);
}

// Random numbers in 16 bits.
Value random_halves(Dtype dtype, const Shape& shape, unsigned seed) {
  const Value exact = random_value<float>(shape, seed);
  const Value value = empty_value(dtype, shape);
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    value.data<std::uint16_t>()[i] = to_half(dtype, exact.data<float>()[i]);
  }
  return value;
}

// The same numbers in f64, with the same layout.
Value widened(const Value& value) {
  const Value wide = empty_value(Dtype::f64, Shape({value.layout.shape.elements()}));
  for (std::int64_t i = 0; i < value.layout.shape.elements(); ++i) {
    wide.data<double>()[i] = from_half(value.dtype, value.data<std::uint16_t>()[i]);
  }
  return {Dtype::f64, value.layout, wide.buffer};
}

Value transposed(const Value& value) {
  ir::Layout layout = value.layout;
  const int rank = layout.shape.rank();
  const auto last = static_cast<std::size_t>(rank - 1);
  const std::int64_t rows = layout.shape[rank - 2];
  layout.shape.set(rank - 2, layout.shape[rank - 1]);
  layout.shape.set(rank - 1, rows);
  std::swap(layout.strides[last - 1], layout.strides[last]);
  return seen_as(value, layout);
}

// Compares the kernel's result in `result` with the one of the f64 kernel on the same numbers.
// `depth` products make an element.
void expect_like_f64(ir::OpId op, const ir::Attributes& attributes,
                     const std::vector<Value>& inputs, const Shape& shape, Dtype result,
                     double depth) {
  std::vector<Value> wide;
  for (const Value& input : inputs) wide.push_back(widened(input));
  const Value expected = run_kernel(op, attributes, wide, {{Dtype::f64, shape}}, true)[0];
  const Value y = run_kernel(op, attributes, inputs, {{result, shape}}, false)[0];
  const double unit = result == Dtype::f32 ? 0x1p-24 : result == Dtype::bf16 ? 0x1p-8 : 0x1p-11;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    const double wanted = expected.data<double>()[i];
    const double got = result == Dtype::f32
                           ? static_cast<double>(y.data<float>()[i])
                           : static_cast<double>(from_half(result, y.data<std::uint16_t>()[i]));
    const double most = unit * std::abs(wanted) + depth * 0x1p-23 + 0x1p-25;
    ASSERT_NEAR(got, wanted, most) << name_of(result) << shape.to_string() << " at " << i;
  }
}

using Check = std::function<void(Dtype operands, Dtype result)>;

void for_each_type(const Check& check) {
  for (const Dtype operands : {Dtype::bf16, Dtype::f16}) {
    check(operands, Dtype::f32);
    check(operands, operands);
  }
}

struct Product {
  std::int64_t m, k, n;
};

TEST(HalfContractions, ProductsOfEveryShapeAndLayout) {
  for (const Product& p :
       {Product{1, 1, 1}, Product{3, 5, 7}, Product{17, 33, 65}, Product{1, 64, 1},
        Product{64, 128, 48}, Product{5, 257, 2}, Product{130, 8, 31}}) {
    for_each_type([&](Dtype operands, Dtype result) {
      SCOPED_TRACE(std::string(name_of(operands)) + " " + std::to_string(p.m) + "x" +
                   std::to_string(p.k) + "x" + std::to_string(p.n));
      const Value a = random_halves(operands, {p.m, p.k}, 1),
                  b = random_halves(operands, {p.k, p.n}, 2);
      const Value at = transposed(random_halves(operands, {p.k, p.m}, 3));
      const Value bt = transposed(random_halves(operands, {p.n, p.k}, 4));
      const auto depth = static_cast<double>(p.k);
      for (const Value& left : {a, at}) {
        for (const Value& right : {b, bt}) {
          expect_like_f64(ir::OpId::matmul, {}, {left, right}, {p.m, p.n}, result, depth);
        }
      }
    });
  }
}

TEST(HalfContractions, BatchesAndOneElementEach) {
  for_each_type([](Dtype operands, Dtype result) {
    const Value a = random_halves(operands, {2, 3, 6, 10}, 1),
                b = random_halves(operands, {2, 3, 10, 4}, 2);
    expect_like_f64(ir::OpId::matmul, {}, {a, b}, {2, 3, 6, 4}, result, 10);
    const Value one = random_halves(operands, {1, 1, 1}, 3);
    expect_like_f64(ir::OpId::matmul, {}, {one, one}, {1, 1, 1}, result, 1);
  });
}

TEST(HalfContractions, WithoutProductsTheResultIsZero) {
  for_each_type([](Dtype operands, Dtype result) {
    const Value a = empty_value(operands, {3, 0}), b = empty_value(operands, {0, 2});
    expect_like_f64(ir::OpId::matmul, {}, {a, b}, {3, 2}, result, 0);
  });
}

struct Convolution {
  std::int64_t channels, outputs, groups, stride;
};

// Of many channels and of few, which oneDNN's bf16 is slow for; gradients may stay in f32.
TEST(HalfContractions, ConvolutionsAndTheirGradients) {
  using Numbers = std::vector<std::int64_t>;
  for (const Convolution& c : {Convolution{16, 24, 1, 1}, Convolution{3, 5, 1, 2},
                               Convolution{16, 16, 4, 1}, Convolution{32, 32, 1, 2}}) {
    const std::int64_t n = 2, length = 9, kernel = 3;
    const std::int64_t windows = (length + 2 - kernel) / c.stride + 1;
    const Shape x({n, length, length, c.channels}), y({n, windows, windows, c.outputs});
    const Shape w({c.outputs, kernel, kernel, c.channels / c.groups});
    const ir::Attributes window{{"stride", Numbers{c.stride, c.stride}},
                                {"padding", Numbers{1, 1}},
                                {"dilation", Numbers{1, 1}},
                                {"groups", c.groups}};
    ir::Attributes sized = window, kernels = window;
    sized.add("size", Numbers{length, length});
    kernels.add("kernel", Numbers{kernel, kernel});
    for_each_type([&](Dtype operands, Dtype result) {
      SCOPED_TRACE(std::string(name_of(operands)) + " to " + std::string(name_of(result)) + ", " +
                   std::to_string(c.channels) + " channels in " + std::to_string(c.groups));
      const Value images = random_halves(operands, x, 1), weight = random_halves(operands, w, 2);
      const Value dy = random_halves(operands, y, 3);
      expect_like_f64(ir::OpId::conv, window, {images, weight}, y, result,
                      9.0 * static_cast<double>(c.channels));
      expect_like_f64(ir::OpId::conv_input_gradient, sized, {dy, weight}, x, result,
                      9.0 * static_cast<double>(c.outputs));
      expect_like_f64(ir::OpId::conv_weight_gradient, kernels, {images, dy}, w, result,
                      static_cast<double>(n * windows * windows));
    });
  }
}

// f16 sums go beyond f16's numbers on the way; the result does not.
TEST(HalfContractions, SumsAreWiderThanTheirElements) {
  const std::int64_t k = 3000;
  for (const Dtype operands : {Dtype::bf16, Dtype::f16}) {
    const Value a = empty_value(operands, {1, k}), b = empty_value(operands, {k, 1});
    for (std::int64_t i = 0; i < k; ++i) {
      a.data<std::uint16_t>()[i] = to_half(operands, 64);
      b.data<std::uint16_t>()[i] = to_half(operands, i < k / 2 ? 64.0F : -64.0F);
    }
    const Value y = run_kernel(ir::OpId::matmul, {}, {a, b}, {{operands, {1, 1}}}, false)[0];
    EXPECT_EQ(from_half(operands, y.data<std::uint16_t>()[0]), 0);
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
