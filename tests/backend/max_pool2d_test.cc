#include <cmath>
#include <limits>

#include "kernel_run.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

struct Case {
  std::int64_t n, h, w, c, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;

  std::int64_t ho() const { return (h + 2 * padding_h - kernel_h) / stride_h + 1; }
  std::int64_t wo() const { return (w + 2 * padding_w - kernel_w) / stride_w + 1; }
  Shape x() const { return {n, h, w, c}; }
  Shape y() const { return {n, ho(), wo(), c}; }
  ir::Attributes attributes() const {
    return {{"kernel", std::vector<std::int64_t>{kernel_h, kernel_w}},
            {"stride", std::vector<std::int64_t>{stride_h, stride_w}},
            {"padding", std::vector<std::int64_t>{padding_h, padding_w}}};
  }
};

constexpr Case kCases[] = {
    {2, 8, 8, 32, 2, 2, 2, 2, 0, 0},  {2, 9, 7, 5, 2, 2, 2, 2, 0, 0},
    {1, 8, 9, 33, 3, 3, 2, 2, 1, 1},  {2, 6, 6, 64, 3, 3, 1, 1, 1, 1},
    {1, 7, 9, 3, 2, 3, 3, 2, 0, 1},   {1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
    {3, 4, 4, 100, 1, 1, 2, 2, 0, 0}, {1, 15, 15, 2, 15, 15, 1, 1, 7, 7},
};

// Values with many ties and some NaNs.
template <class T>
Value images(const Shape& shape, bool with_nan) {
  std::mt19937 generator(7);
  std::vector<T> elements(static_cast<std::size_t>(shape.elements()));
  for (T& element : elements) {
    const unsigned bits = generator() % 16;
    element = bits == 15 && with_nan ? std::numeric_limits<T>::quiet_NaN()
                                     : static_cast<T>(bits % 4) - T{2};
  }
  return make_value<T>(shape, elements);
}

template <class T>
void expect_pooling(const Case& s, bool with_nan) {
  SCOPED_TRACE(s.x().to_string() + " -> " + s.y().to_string());
  const Value x = images<T>(s.x(), with_nan);
  const auto forward = run_kernel(ir::OpId::max_pool2d, s.attributes(), {x},
                                  {{dtype_of<T>, s.y()}, {Dtype::u8, s.y()}});
  const Value& y = forward[0];
  const Value& index = forward[1];
  const Value dy = random_value<T>(s.y(), 3);
  std::vector<T> dx(static_cast<std::size_t>(s.x().elements()), T{0});
  for (std::int64_t i = 0; i < s.y().elements(); ++i) {
    const std::int64_t c = i % s.c, wo = i / s.c % s.wo(), ho = i / s.c / s.wo() % s.ho();
    const std::int64_t n = i / s.c / s.wo() / s.ho();
    T best = 0;
    std::int64_t where = -1, from = 0;
    for (std::int64_t k = 0; k < s.kernel_h * s.kernel_w; ++k) {
      const std::int64_t h = ho * s.stride_h - s.padding_h + k / s.kernel_w;
      const std::int64_t w = wo * s.stride_w - s.padding_w + k % s.kernel_w;
      if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
      const std::int64_t at = ((n * s.h + h) * s.w + w) * s.c + c;
      const T value = x.data<T>()[at];
      if (where < 0 || (!std::isnan(best) && (std::isnan(value) || value > best))) {
        best = value;
        where = k;
        from = at;
      }
    }
    ASSERT_EQ(index.data<std::uint8_t>()[i], where) << "at " << i;
    if (std::isnan(best)) {
      ASSERT_TRUE(std::isnan(y.data<T>()[i])) << "at " << i;
    } else {
      ASSERT_EQ(y.data<T>()[i], best) << "at " << i;
    }
    dx[static_cast<std::size_t>(from)] += dy.data<T>()[i];
  }
  const Value gathered = run_kernel(ir::OpId::max_pool2d_gather, s.attributes(), {x, index},
                                    {{dtype_of<T>, s.y()}})[0];
  expect_equal_bits(gathered, y, "x at the recorded positions is not the maximum");
  ir::Attributes attributes = s.attributes();
  attributes.add("size", std::vector<std::int64_t>{s.h, s.w});
  const Value gradient =
      run_kernel(ir::OpId::max_pool2d_gradient, attributes, {dy, index}, {{dtype_of<T>, s.x()}})[0];
  expect_equal_bits(gradient, make_value<T>(s.x(), dx), "dx");
}

TEST(MaxPool2d, FindsMaximaAndFirstPositionsInF32) {
  for (const Case& s : kCases) expect_pooling<float>(s, false);
}
TEST(MaxPool2d, FindsMaximaAndFirstPositionsInF64) {
  for (const Case& s : kCases) expect_pooling<double>(s, false);
}
TEST(MaxPool2d, LetsTheFirstNaNWin) {
  for (const Case& s : kCases) expect_pooling<float>(s, true);
  for (const Case& s : kCases) expect_pooling<double>(s, true);
}

TEST(MaxPool2d, NeverTakesPaddingForTheMaximum) {
  const Case s{1, 2, 2, 1, 3, 3, 2, 2, 1, 1};
  const float lowest = -std::numeric_limits<float>::infinity();
  const Value x = make_value<float>(s.x(), {lowest, lowest, lowest, lowest});
  const auto results = run_kernel(ir::OpId::max_pool2d, s.attributes(), {x},
                                  {{Dtype::f32, s.y()}, {Dtype::u8, s.y()}});
  EXPECT_EQ(results[1].data<std::uint8_t>()[0], 4) << "the first pixel inside the image";
}

TEST(MaxPool2d, GradientKeepsInfinityAndNaNWhereTheyBelong) {
  const Case s{1, 2, 2, 1, 2, 2, 2, 2, 0, 0};
  ir::Attributes attributes = s.attributes();
  attributes.add("size", std::vector<std::int64_t>{2, 2});
  const float infinity = std::numeric_limits<float>::infinity();
  const Value dx =
      run_kernel(ir::OpId::max_pool2d_gradient, attributes,
                 {make_value<float>(s.y(), {infinity}), make_value<std::uint8_t>(s.y(), {2})},
                 {{Dtype::f32, s.x()}})[0];
  EXPECT_EQ(dx.elements<float>(), (std::vector<float>{0, 0, infinity, 0}));
}

TEST(MaxPool2d, OfAnEmptyBatchDoesNothing) {
  const Case s{0, 4, 4, 3, 2, 2, 2, 2, 0, 0};
  run_kernel(ir::OpId::max_pool2d, s.attributes(), {empty_value(Dtype::f32, s.x())},
             {{Dtype::f32, s.y()}, {Dtype::u8, s.y()}});
}

TEST(MaxPool2d, OfIntegersIsAnError) {
  const Case s = kCases[0];
  const Call call(ir::OpId::max_pool2d, s.attributes(), {empty_value(Dtype::i32, s.x())},
                  {{Dtype::i32, s.y()}, {Dtype::u8, s.y()}});
  EXPECT_THROW(call.prepare(), Error);
}

}  // namespace
}  // namespace sinter::backend::cpu
