#include <cmath>
#include <limits>

#include "ir/internal_error.h"
#include "kernel_run.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

struct Batch {
  std::int64_t a, b;
};

// Element (batch..., i, j) of a value, by its strides.
template <class T>
double element(const Value& value, std::int64_t batch, std::int64_t i, std::int64_t j) {
  const ir::Layout& layout = value.layout;
  const int rank = layout.shape.rank();
  std::int64_t at = layout.offset + i * layout.strides[static_cast<std::size_t>(rank - 2)] +
                    j * layout.strides[static_cast<std::size_t>(rank - 1)];
  for (int axis = rank - 2; axis-- > 0;) {
    at += batch % layout.shape[axis] * layout.strides[static_cast<std::size_t>(axis)];
    batch /= layout.shape[axis];
  }
  return static_cast<double>(value.data<T>()[at]);
}

template <class T>
void expect_product(const Value& a, const Value& b, bool exact) {
  const int rank = a.shape().rank();
  const std::int64_t m = a.shape()[rank - 2], k = a.shape()[rank - 1], n = b.shape()[rank - 1];
  Shape shape = a.shape();
  shape.set(rank - 1, n);
  const Call call(ir::OpId::matmul, {}, {a, b}, {{dtype_of<T>, shape}});
  ASSERT_TRUE(call.accepts(0));
  ASSERT_TRUE(call.accepts(1));
  const Value y = run_kernel(ir::OpId::matmul, {}, {a, b}, {{dtype_of<T>, shape}},
                             dtype_of<T> == Dtype::f64)[0];
  std::int64_t batches = 1;
  for (int axis = 0; axis < rank - 2; ++axis) batches *= shape[axis];
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0, size = 0;
        for (std::int64_t l = 0; l < k; ++l) {
          const double product = element<T>(a, batch, i, l) * element<T>(b, batch, l, j);
          sum += product;
          size += std::abs(product);
        }
        const auto got = static_cast<double>(y.data<T>()[(batch * m + i) * n + j]);
        if (exact) {
          ASSERT_EQ(got, sum) << shape.to_string() << " at " << batch << ", " << i << ", " << j;
        } else {
          ASSERT_NEAR(got, sum, 1e-6 * size) << shape.to_string() << " at " << i << ", " << j;
        }
      }
    }
  }
}

Value transposed(const Value& value) {
  ir::Layout layout = value.layout;
  const int rank = layout.shape.rank();
  const std::int64_t rows = layout.shape[rank - 2];
  layout.shape.set(rank - 2, layout.shape[rank - 1]);
  layout.shape.set(rank - 1, rows);
  std::swap(layout.strides[static_cast<std::size_t>(rank - 2)],
            layout.strides[static_cast<std::size_t>(rank - 1)]);
  return seen_as(value, layout);
}

template <class T>
void expect_products_of(std::int64_t m, std::int64_t k, std::int64_t n, bool exact) {
  SCOPED_TRACE(std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n));
  const Value a = random_value<T>({m, k}, 1), b = random_value<T>({k, n}, 2);
  const Value at = transposed(random_value<T>({k, m}, 3));
  const Value bt = transposed(random_value<T>({n, k}, 4));
  expect_product<T>(a, b, exact);
  expect_product<T>(at, b, exact);
  expect_product<T>(a, bt, exact);
  expect_product<T>(at, bt, exact);
}

constexpr std::int64_t kSizes[][3] = {{1, 1, 1},    {1, 7, 1},    {7, 1, 5},    {1, 64, 33},
                                      {33, 64, 1},  {3, 5, 2},    {17, 31, 13}, {64, 64, 64},
                                      {65, 129, 7}, {4, 300, 19}, {128, 10, 40}};

TEST(Matmul, MultipliesF32PlainAndTransposedMatrices) {
  for (const auto& s : kSizes) expect_products_of<float>(s[0], s[1], s[2], false);
}

TEST(Matmul, InF64IsTheFoldInAscendingOrderToTheBit) {
  for (const auto& s : kSizes) expect_products_of<double>(s[0], s[1], s[2], true);
}

TEST(Matmul, TakesRowsAndColumnsOfALargerMatrix) {
  const Value big = random_value<float>({40, 50}, 5);
  const Value part = seen_as(big, {.shape = {17, 9}, .offset = 3 * 50 + 4, .strides = {50, 1}});
  const Value other = seen_as(big, {.shape = {9, 21}, .offset = 2, .strides = {1, 50}});
  expect_product<float>(part, other, false);
  const Value every_second = seen_as(big, {.shape = {9, 20}, .offset = 1, .strides = {100, 1}});
  expect_product<float>(part, every_second, false);
  const Value column = seen_as(big, {.shape = {9, 1}, .offset = 1, .strides = {50, 50}});
  expect_product<float>(part, column, false);
  const Value row = seen_as(big, {.shape = {1, 17}, .offset = 1, .strides = {1, 100}});
  expect_product<float>(row, part, false);
}

template <class T>
void expect_batches(bool exact) {
  expect_product<T>(random_value<T>({3, 5, 7}, 1), random_value<T>({3, 7, 4}, 2), exact);
  expect_product<T>(random_value<T>({2, 3, 5, 7}, 1), random_value<T>({2, 3, 7, 4}, 2), exact);
  expect_product<T>(random_value<T>({2, 1, 5, 7}, 1), transposed(random_value<T>({2, 1, 4, 7}, 2)),
                    exact);
  // Attention: (B, T, heads, D) seen as (B, heads, T, D), times the transpose of such.
  const Value q = seen_as(random_value<T>({2, 6, 3, 8}, 3),
                          {.shape = {2, 3, 6, 8}, .offset = 0, .strides = {144, 8, 24, 1}});
  const Value k = seen_as(random_value<T>({2, 6, 3, 8}, 4),
                          {.shape = {2, 3, 8, 6}, .offset = 0, .strides = {144, 8, 1, 24}});
  expect_product<T>(q, k, exact);
}

TEST(Matmul, MultipliesBatchesInF32) { expect_batches<float>(false); }
TEST(Matmul, MultipliesBatchesInF64) { expect_batches<double>(true); }

TEST(Matmul, GivesZerosWhenThereIsNothingToSum) {
  const Value y = run_kernel(ir::OpId::matmul, {},
                             {empty_value(Dtype::f32, {3, 0}), empty_value(Dtype::f32, {0, 4})},
                             {{Dtype::f32, {3, 4}}})[0];
  EXPECT_EQ(y.elements<float>(), std::vector<float>(12, 0.0F));
}

TEST(Matmul, OfAnEmptyResultDoesNothing) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    run_kernel(ir::OpId::matmul, {}, {empty_value(dtype, {0, 3}), empty_value(dtype, {3, 4})},
               {{dtype, {0, 4}}});
    run_kernel(ir::OpId::matmul, {}, {empty_value(dtype, {0, 2, 3}), empty_value(dtype, {0, 3, 4})},
               {{dtype, {0, 2, 4}}});
  }
}

TEST(Matmul, RefusesLayoutsThatOneDnnCannotRead) {
  const Value dense = random_value<float>({8, 8}, 1);
  const auto accepts = [&](const Shape& shape, std::vector<std::int64_t> strides) {
    const Value a = seen_as(dense, {.shape = shape, .offset = 0, .strides = std::move(strides)});
    return Call(ir::OpId::matmul, {}, {a, dense}, {{Dtype::f32, {4, 8}}}).accepts(0);
  };
  EXPECT_TRUE(accepts({4, 8}, {8, 1}));
  EXPECT_TRUE(accepts({4, 8}, {1, 4}));
  EXPECT_FALSE(accepts({4, 4}, {8, 2})) << "no axis is contiguous";
  EXPECT_FALSE(accepts({4, 8}, {0, 1})) << "a broadcast axis";
  EXPECT_FALSE(accepts({4, 8}, {4, 1})) << "rows overlap";
  EXPECT_FALSE(accepts({2, 4, 8}, {0, 8, 1})) << "a broadcast batch";
}

TEST(Matmul, LetsNaNAndInfinityThrough) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Value a = make_value<float>({2, 2}, {infinity, 0, 1, 2});
  const Value b = make_value<float>({2, 1}, {0, 1});
  const Value y = run_kernel(ir::OpId::matmul, {}, {a, b}, {{Dtype::f32, {2, 1}}}, false)[0];
  EXPECT_TRUE(std::isnan(y.data<float>()[0]));
  EXPECT_EQ(y.data<float>()[1], 2.0F);
}

TEST(Matmul, OfIntegersIsAnError) {
  const Value a = empty_value(Dtype::i32, {2, 2});
  const Call call(ir::OpId::matmul, {}, {a, a}, {{Dtype::i32, {2, 2}}});
  EXPECT_THROW(call.prepare(), ir::InternalError);
}

}  // namespace
}  // namespace sinter::backend::cpu
