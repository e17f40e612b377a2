// Products by AVX2 and AVX-512 without oneDNN: the bits of a left fold by fused multiply-adds,
// whatever the instruction set, sizes, layouts and threads.
#include "backend/cpu/kernels/matmul_vector.h"

#include <cmath>

#include "backend/cpu/groups/cache.h"
#include "base/parallel.h"
#include "kernel_run.h"

namespace sinter::backend::cpu {
namespace {

class MatmulVector : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
      GTEST_SKIP() << "this processor lacks AVX2 or FMA";
    }
#else
    GTEST_SKIP() << "for x86-64 only";
#endif
  }
  void TearDown() override { set_thread_count(before_); }

 private:
  int before_ = thread_count();
};

// An m x k matrix that lies plainly, transposed, or with gaps in both directions.
enum class Lying { plain, transposed, with_gaps };

Value matrix(std::int64_t batch, std::int64_t m, std::int64_t k, Lying lying, unsigned seed) {
  switch (lying) {
    case Lying::transposed:
      return seen_as(random_value<float>({batch, k, m}, seed),
                     {.shape = {batch, m, k}, .offset = 0, .strides = {m * k, 1, m}});
    case Lying::with_gaps:
      return seen_as(random_value<float>({batch, 2 * m, 3 * k}, seed),
                     {.shape = {batch, m, k}, .offset = 1, .strides = {6 * m * k, 6 * k, 3}});
    default:
      return random_value<float>({batch, m, k}, seed);
  }
}

void expect_fold(const Value& a, const Value& b) {
  const std::int64_t batch = a.shape()[0], m = a.shape()[1], k = a.shape()[2], n = b.shape()[2];
  const Call call(ir::OpId::matmul, {}, {a, b}, {{Dtype::f32, {batch, m, n}}});
  const std::vector<float> y =
      call.run(*prepare_matmul_vector_by(call.get(), Isa::avx2))[0].elements<float>();
  if (supports(Isa::avx512)) {
    ASSERT_EQ(call.run(*prepare_matmul_vector_by(call.get(), Isa::avx512))[0].elements<float>(), y)
        << batch << " x " << m << "x" << k << "x" << n;
  }
  const auto at = [](const Value& value, std::int64_t item, std::int64_t i, std::int64_t j) {
    const ir::Layout& layout = value.layout;
    return value.data<float>()[layout.offset + item * layout.strides[0] + i * layout.strides[1] +
                               j * layout.strides[2]];
  };
  for (std::int64_t item = 0; item < batch; ++item) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        float sum = 0;
        for (std::int64_t l = 0; l < k; ++l)
          sum = std::fma(at(a, item, i, l), at(b, item, l, j), sum);
        ASSERT_EQ(y[static_cast<std::size_t>((item * m + i) * n + j)], sum)
            << batch << " x " << m << "x" << k << "x" << n << " at " << item << ", " << i << ", "
            << j;
      }
    }
  }
}

TEST_F(MatmulVector, IsTheFoldInAscendingOrderToTheBit) {
  // Around tiles of 6 x 16 and 14 x 32, single vectors, parts of 32 and 256 in depth, few rows,
  // blocks of 96 and 224 rows.
  constexpr std::int64_t kSizes[][3] = {
      {1, 1, 1},      {1, 300, 16},   {5, 9, 33},     {6, 16, 16},    {7, 255, 15},
      {12, 8, 48},    {13, 257, 17},  {97, 20, 31},   {128, 512, 10}, {193, 40, 160},
      {24, 600, 130}, {1, 70, 101},   {8, 300, 96},   {15, 9, 32},    {25, 33, 8},
      {29, 17, 12},   {128, 70, 100}, {230, 264, 47}, {461, 31, 64}};
  unsigned seed = 1;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    for (const auto& [m, k, n] : kSizes) {
      for (const Lying left : {Lying::plain, Lying::transposed, Lying::with_gaps}) {
        for (const Lying right : {Lying::plain, Lying::transposed, Lying::with_gaps}) {
          expect_fold(matrix(1, m, k, left, seed), matrix(1, k, n, right, seed + 1));
          seed += 2;
        }
      }
    }
  }
}

TEST_F(MatmulVector, OfABatch) {
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    expect_fold(matrix(3, 14, 21, Lying::plain, 1), matrix(3, 21, 18, Lying::transposed, 2));
    expect_fold(matrix(5, 2, 4, Lying::with_gaps, 3), matrix(5, 4, 32, Lying::plain, 4));
    // More than threads of a size that is else shared out.
    expect_fold(matrix(16, 100, 60, Lying::plain, 9), matrix(16, 60, 100, Lying::transposed, 10));
    // Many small ones, and a few that are shared out each.
    expect_fold(matrix(40, 30, 33, Lying::plain, 5), matrix(40, 33, 20, Lying::plain, 6));
    expect_fold(matrix(2, 100, 90, Lying::plain, 7), matrix(2, 90, 70, Lying::transposed, 8));
  }
}

// More threads than when it was prepared find workspace, or are not used.
TEST_F(MatmulVector, ThreadsMayBecomeMore) {
  set_thread_count(1);
  const Value a = matrix(1, 200, 64, Lying::plain, 5), b = matrix(1, 64, 80, Lying::plain, 6);
  const Call call(ir::OpId::matmul, {}, {a, b}, {{Dtype::f32, {1, 200, 80}}});
  const auto kernel = prepare_matmul_vector(call.get());
  const std::vector<float> alone = call.run(*kernel)[0].elements<float>();
  set_thread_count(7);
  EXPECT_EQ(call.run(*kernel)[0].elements<float>(), alone);
}

}  // namespace
}  // namespace sinter::backend::cpu
