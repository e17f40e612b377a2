#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/internal_error.h"
#include "kernel_run.h"
#include "pooling_case.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

const std::vector<PoolingCase> kCases = {
    {2, {8, 8}, 32, {2, 2}, {2, 2}, {0, 0}},
    {2, {9, 7}, 5, {2, 2}, {2, 2}, {0, 0}},
    {1, {8, 9}, 33, {3, 3}, {2, 2}, {1, 1}},
    {2, {6, 6}, 64, {3, 3}, {1, 1}, {1, 1}},
    {1, {7, 9}, 3, {2, 3}, {3, 2}, {0, 1}},
    {1, {1, 1}, 1, {1, 1}, {1, 1}, {0, 0}},
    {3, {4, 4}, 100, {1, 1}, {2, 2}, {0, 0}},
    {1, {15, 15}, 2, {15, 15}, {1, 1}, {7, 7}},
    {1, {5, 6}, 3, {2, 3}, {2, 2}, {1, 0, 0, 1}},  // other padding behind
    {2, {0, 4}, 5, {2, 2}, {2, 2}, {1, 1}},        // windows of padding only
    {2, {9}, 5, {3}, {2}, {1}},                    // one axis
    {1, {16}, 33, {4}, {4}, {0, 2}},
    {1, {4, 5, 6}, 3, {2, 3, 2}, {2, 1, 2}, {0, 1, 1}},  // three axes
    {2, {3, 4, 3}, 16, {3, 2, 1}, {1, 2, 1}, {1, 0, 0, 0, 1, 0}},
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
void expect_pooling(const PoolingCase& s, bool with_nan) {
  SCOPED_TRACE(s.x().to_string() + " -> " + s.y().to_string());
  const Value x = images<T>(s.x(), with_nan);
  const auto forward = run_kernel(ir::OpId::max_pool, s.attributes(), {x},
                                  {{dtype_of<T>, s.y()}, {Dtype::u8, s.y()}});
  const Value& y = forward[0];
  const Value& index = forward[1];
  const Value dy = random_value<T>(s.y(), 3);
  std::vector<T> dx(static_cast<std::size_t>(s.x().elements()), T{0});
  for (std::int64_t i = 0; i < s.y().elements(); ++i) {
    T best = -std::numeric_limits<T>::infinity();
    std::int64_t where = -1, from = -1;
    for (std::int64_t k = 0; k < s.taps(); ++k) {
      const std::int64_t at = s.element_under(i, k);
      if (at < 0) continue;
      const T value = x.data<T>()[at];
      if (where < 0 || (!std::isnan(best) && (std::isnan(value) || value > best))) {
        best = value;
        where = k;
        from = at;
      }
    }
    ASSERT_EQ(index.data<std::uint8_t>()[i], std::max<std::int64_t>(0, where)) << "at " << i;
    if (std::isnan(best)) {
      ASSERT_TRUE(std::isnan(y.data<T>()[i])) << "at " << i;
    } else {
      ASSERT_EQ(y.data<T>()[i], best) << "at " << i;
    }
    if (from >= 0) dx[static_cast<std::size_t>(from)] += dy.data<T>()[i];
  }
  if (s.x().elements() > 0) {
    const Value gathered = run_kernel(ir::OpId::max_pool_gather, s.attributes(), {x, index},
                                      {{dtype_of<T>, s.y()}})[0];
    expect_equal_bits(gathered, y, "x at the recorded positions is not the maximum");
  }
  const Value gradient = run_kernel(ir::OpId::max_pool_gradient, s.sized_attributes(), {dy, index},
                                    {{dtype_of<T>, s.x()}})[0];
  expect_equal_bits(gradient, make_value<T>(s.x(), dx), "dx");
}

TEST(MaxPool, FindsMaximaAndFirstPositionsInF32) {
  for (const PoolingCase& s : kCases) expect_pooling<float>(s, false);
}
TEST(MaxPool, FindsMaximaAndFirstPositionsInF64) {
  for (const PoolingCase& s : kCases) expect_pooling<double>(s, false);
}
TEST(MaxPool, LetsTheFirstNaNWin) {
  for (const PoolingCase& s : kCases) expect_pooling<float>(s, true);
  for (const PoolingCase& s : kCases) expect_pooling<double>(s, true);
}

TEST(MaxPool, NeverTakesPaddingForTheMaximum) {
  const PoolingCase s{1, {2, 2}, 1, {3, 3}, {2, 2}, {1, 1}};
  const float lowest = -std::numeric_limits<float>::infinity();
  const Value x = make_value<float>(s.x(), {lowest, lowest, lowest, lowest});
  const auto results = run_kernel(ir::OpId::max_pool, s.attributes(), {x},
                                  {{Dtype::f32, s.y()}, {Dtype::u8, s.y()}});
  EXPECT_EQ(results[1].data<std::uint8_t>()[0], 4) << "the first pixel inside the image";
}

TEST(MaxPool, GradientKeepsInfinityAndNaNWhereTheyBelong) {
  const PoolingCase s{1, {2, 2}, 1, {2, 2}, {2, 2}, {0, 0}};
  const float infinity = std::numeric_limits<float>::infinity();
  const Value dx =
      run_kernel(ir::OpId::max_pool_gradient, s.sized_attributes(),
                 {make_value<float>(s.y(), {infinity}), make_value<std::uint8_t>(s.y(), {2})},
                 {{Dtype::f32, s.x()}})[0];
  EXPECT_EQ(dx.elements<float>(), (std::vector<float>{0, 0, infinity, 0}));
}

TEST(MaxPool, OfAnEmptyBatchDoesNothing) {
  const PoolingCase s{0, {4, 4}, 3, {2, 2}, {2, 2}, {0, 0}};
  run_kernel(ir::OpId::max_pool, s.attributes(), {empty_value(Dtype::f32, s.x())},
             {{Dtype::f32, s.y()}, {Dtype::u8, s.y()}});
}

TEST(MaxPool, OfIntegersIsAnError) {
  const PoolingCase& s = kCases[0];
  const Call call(ir::OpId::max_pool, s.attributes(), {empty_value(Dtype::i32, s.x())},
                  {{Dtype::i32, s.y()}, {Dtype::u8, s.y()}});
  EXPECT_THROW(call.prepare(), ir::InternalError);
}

}  // namespace
}  // namespace sinter::backend::cpu
