// Running sums: the order of additions that the kernel's file promises, to the bit.
#include <cmath>
#include <limits>

#include "kernel_run.h"

namespace sinter::backend::cpu {
namespace {

struct Case {
  Shape shape;
  int axis;
};
const Case kCases[] = {{{1}, 0},          {{255}, 0},      {{256}, 0},     {{257}, 0},
                       {{513}, 0},        {{2000}, 0},     {{3, 600}, 1},  {{600, 3}, 0},
                       {{2, 300, 63}, 1}, {{257, 64}, 0},  {{2, 513}, 1},  {{300, 65}, 0},
                       {{300, 200}, 0},   {{4, 1, 5}, 1},  {{2, 3, 4}, 2}, {{2, 3, 4}, 0},
                       {{70, 5}, 1},      {{2, 256, 2}, 1}};

// Without wrapping: the numbers are small.
template <class T>
std::vector<T> naive(const Case& c, const T* x, bool reverse) {
  std::int64_t outer = 1, inner = 1;
  const std::int64_t length = c.shape[c.axis];
  for (int i = 0; i < c.axis; ++i) outer *= c.shape[i];
  for (int i = c.axis + 1; i < c.shape.rank(); ++i) inner *= c.shape[i];
  std::vector<T> y(static_cast<std::size_t>(c.shape.elements()));
  for (std::int64_t row = 0; row < outer * inner; ++row) {
    T before{}, sum{};
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t at = reverse ? length - 1 - i : i;
      const std::int64_t place = (row / inner * length + at) * inner + row % inner;
      if (i % 256 == 0 && i > 0) before = i == 256 ? sum : before + sum;
      sum = i % 256 == 0 ? x[place] : sum + x[place];
      y[static_cast<std::size_t>(place)] = i < 256 ? sum : before + sum;
    }
  }
  return y;
}

ir::Attributes along(const Case& c, bool reverse) {
  return {{"axis", std::int64_t{c.axis}}, {"reverse", std::int64_t{reverse ? 1 : 0}}};
}

template <class T>
void check(const Case& c, const Value& x) {
  for (const bool reverse : {false, true}) {
    SCOPED_TRACE(c.shape.to_string() + (reverse ? " reverse" : ""));
    const Value y = run_kernel(ir::OpId::cumsum, along(c, reverse), {x}, {{x.dtype, c.shape}})[0];
    expect_equal_bits(y, make_value<T>(c.shape, naive(c, x.data<T>(), reverse)),
                      "another order of additions");
  }
}

template <class T>
Value whole_numbers(const Shape& shape) {
  std::vector<T> elements(static_cast<std::size_t>(shape.elements()));
  T next = 1;
  for (T& element : elements) element = next = static_cast<T>(next * 37 % 1009);
  return make_value<T>(shape, elements);
}

TEST(Cumsum, AddsInThePromisedOrder) {
  for (const Case& c : kCases) {
    check<float>(c, random_value<float>(c.shape, 3));
    check<double>(c, random_value<double>(c.shape, 4));
    check<std::int32_t>(c, whole_numbers<std::int32_t>(c.shape));
    check<std::int64_t>(c, whole_numbers<std::int64_t>(c.shape));
  }
}

TEST(Cumsum, StartsWithTheElementItself) {
  const Case c{{3}, 0};
  const Value y =
      run_kernel(ir::OpId::cumsum, along(c, false), {make_value<float>({3}, {-0.0F, -0.0F, 1.0F})},
                 {{Dtype::f32, {3}}})[0];
  EXPECT_TRUE(std::signbit(y.data<float>()[0]));
  EXPECT_TRUE(std::signbit(y.data<float>()[1]));
  EXPECT_EQ(y.data<float>()[2], 1.0F);
}

TEST(Cumsum, IntegersWrap) {
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  const Case c{{3}, 0};
  const Value y =
      run_kernel(ir::OpId::cumsum, along(c, false), {make_value<std::int32_t>({3}, {kMost, 1, 1})},
                 {{Dtype::i32, {3}}})[0];
  EXPECT_EQ(y.elements<std::int32_t>(), (std::vector<std::int32_t>{kMost, -kMost - 1, -kMost}));
}

TEST(Cumsum, OfNothingDoesNothing) {
  for (const Shape& shape : {Shape{0}, Shape{3, 0}, Shape{0, 3}, Shape{3, 0, 2}}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      run_kernel(ir::OpId::cumsum, along({shape, axis}, true), {empty_value(Dtype::f32, shape)},
                 {{Dtype::f32, shape}});
    }
  }
}

TEST(Cumsum, HasNoKernelForBytes) {
  const Case c{{3}, 0};
  const Call call(ir::OpId::cumsum, along(c, false), {empty_value(Dtype::u8, c.shape)},
                  {{Dtype::u8, c.shape}});
  EXPECT_ANY_THROW(call.prepare());
}

}  // namespace
}  // namespace sinter::backend::cpu
