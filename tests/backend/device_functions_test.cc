// What kernels share with the host, in kernels written by hand on the emulated device: conversions
// of 16-bit numbers, the elementary functions, the trees of reductions. The device's bits must be
// the host's.
#include <cstdint>
#include <random>
#include <vector>

#include "backend/cuda/device/language.h"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/groups/fused.cuh"
#include "backend/cuda/groups/wrap_angle.cuh"
#include "base/half.h"
#include "emulated_fixture.h"
#include "ir/math.h"
#include "ir/reduction.h"

namespace {

using sinter::same_bits;
using sinter::backend::cuda::launch;

template <class T>
using Bits = sinter::ir::scalar::IntegerLike<T>;

constexpr int kFunctions = 8;

template <class T>
SINTER_ANYWHERE T apply(int which, T x) {
  namespace math = sinter::math;
  switch (which) {
    case 0:
      return math::exp(x);
    case 1:
      return math::log(x);
    case 2:
      return math::tanh(x);
    case 3:
      return math::sigmoid(x);
    case 4:
      return math::erf(x);
    case 5:
      return math::sin(x);
    case 6:
      return math::softplus(x);
    default:
      return math::pow(x, x);
  }
}

template <class T>
struct Functions {
  const T* x;
  T* y;
  int count;
};
template <class T>
__global__ void every_function(const Functions<T> p) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < p.count) p.y[i] = apply(i % kFunctions, p.x[i]);
}

// Any bits at all, and numbers of every size.
template <class T>
std::vector<T> numbers(int count) {
  std::mt19937_64 random(3);
  std::vector<T> values;
  for (int i = 0; i < count; ++i) {
    const bool any = i / kFunctions % 2 == 0;
    values.push_back(any ? same_bits<T>(static_cast<Bits<T>>(random()))
                         : static_cast<T>(static_cast<double>(random() >> 11) * 0x1p-49 - 8));
  }
  return values;
}

template <class T>
void functions_have_the_hosts_bits() {
  constexpr int kCount = 40000;
  const std::vector<T> x = numbers<T>(kCount);
  const Buffer<T> from(x);
  const Buffer<T> to(std::vector<T>(kCount, T(0)));
  ASSERT_EQ(launch(every_function<T>, kCount / 128 + 1, 128, 0, nullptr,
                   {from.data(), to.data(), kCount}),
            cudaSuccess);
  const std::vector<T> y = to.read();
  for (int i = 0; i < kCount; ++i) {
    const T expected = apply(i % kFunctions, x[static_cast<std::size_t>(i)]);
    const T got = y[static_cast<std::size_t>(i)];
    if (expected != expected && got != got) continue;
    ASSERT_EQ(same_bits<Bits<T>>(got), same_bits<Bits<T>>(expected))
        << "function " << i % kFunctions << " of " << x[static_cast<std::size_t>(i)];
  }
}

TEST_F(Emulated, ElementaryFunctionsInKernelsHaveTheBitsOfTheHost) {
  functions_have_the_hosts_bits<float>();
  functions_have_the_hosts_bits<double>();
}

struct Halves {
  const float* x;
  float* through_bf16;
  float* through_f16;
  float* wrapped;
};
__global__ void through_halves(const Halves p) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  p.through_bf16[i] = sinter::f32_from_bf16(sinter::bf16_from_f32(p.x[i]));
  p.through_f16[i] = sinter::f32_from_f16(sinter::f16_from_f32(p.x[i]));
  p.wrapped[i] = sinter_wrap_angle(p.x[i], 1);
}

TEST_F(Emulated, HalvesAndAnglesInKernelsHaveTheBitsOfTheHost) {
  constexpr int kCount = 128 * 300;
  const std::vector<float> x = numbers<float>(kCount);
  const std::vector<float> none(kCount, 0.0F);
  const Buffer<float> from(x), bf16(none), f16(none), wrapped(none);
  ASSERT_EQ(launch(through_halves, kCount / 128, 128, 0, nullptr,
                   {from.data(), bf16.data(), f16.data(), wrapped.data()}),
            cudaSuccess);
  const std::vector<float> got[] = {bf16.read(), f16.read(), wrapped.read()};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float expected[] = {sinter::f32_from_bf16(sinter::bf16_from_f32(x[i])),
                              sinter::f32_from_f16(sinter::f16_from_f32(x[i])),
                              sinter::ir::scalar::wrap_angle(x[i], 1)};
    for (int k = 0; k < 3; ++k) {
      ASSERT_EQ(same_bits<std::uint32_t>(got[k][i]), same_bits<std::uint32_t>(expected[k]))
          << k << " of " << x[i];
    }
  }
}

struct Trees {
  const float* values;
  float* folds;  // by a warp from the lanes; of a short tree; of a long one
  int count;
};
__global__ void fold_everything(const Trees p) {
  float lanes[4];
  const int first = static_cast<int>(4 * threadIdx.x);
  sinter_load(lanes, p.values + first, sinter_count(first, p.count));
  const float by_lanes = sinter_fold_lanes<SinterSum, 32>(lanes);
  const float by_warp =
      sinter_fold_by_warp<SinterSum, 4>(p.values, static_cast<long long>(p.count), 0.0F);
  if (threadIdx.x != 0) return;
  p.folds[0] = by_lanes;
  p.folds[1] = by_warp;
  p.folds[2] =
      SinterTree<SinterSum, 128>::fold(p.values, 1LL, static_cast<long long>(p.count), 0.0F);
  p.folds[3] =
      sinter_fold_many<SinterSum>(p.values, 1LL, 128LL, static_cast<long long>(p.count), 0.0F);
}

// Lane l and lane l + w for w = 64 ... 1; neighbours for the trees of chunks.
TEST_F(Emulated, TreesInKernelsFoldInTheCanonicalOrder) {
  for (const int count : {1, 3, 64, 101, 128}) {
    std::vector<float> x(128, 0.0F);
    for (int i = 0; i < count; ++i) {
      x[static_cast<std::size_t>(i)] = 1.0F / (1.0F + static_cast<float>(i * 37 % 101));
    }
    const Buffer<float> values(x);
    const Buffer<float> folds(std::vector<float>(4, -1.0F));
    ASSERT_EQ(launch(fold_everything, 1, 32, 0, nullptr, {values.data(), folds.data(), count}),
              cudaSuccess);
    const std::vector<float> got = folds.read();
    std::vector<float> lanes = x;
    for (std::size_t width = 64; width >= 1; width /= 2) {
      for (std::size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    }
    EXPECT_EQ(got[0], lanes[0]) << count;
    std::vector<float> chunks = x;
    const float tree = sinter::ir::fold_chunks(chunks.data(), std::int64_t{count}, std::int64_t{1},
                                               [](float a, float b) { return a + b; });
    for (int k = 1; k < 4; ++k)
      EXPECT_EQ(got[static_cast<std::size_t>(k)], tree) << count << " " << k;
  }
}

}  // namespace
