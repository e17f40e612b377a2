// New lengths compile nothing: one function called with many of them on the emulated device.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "backend/cuda/groups/kernel_cache.h"
#include "base/switches.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/system.h"

namespace sinter {
namespace {

using backend::cuda::KernelCache;

// Those at which a kernel takes another form, and their neighbours; SINTER_TEST_LENGTHS=1000: all
// from 1 to 1000.
std::vector<std::int64_t> lengths() {
  std::vector<std::int64_t> list;
  if (const char* const most = std::getenv("SINTER_TEST_LENGTHS")) {
    for (std::int64_t length = 1; length <= std::atoi(most); ++length) list.push_back(length);
    return list;
  }
  for (std::int64_t length = 1; length <= 34; ++length) list.push_back(length);
  for (const std::int64_t length : {63, 64, 65, 127, 128, 129, 255, 256, 257, 500, 999, 1000}) {
    list.push_back(length);
  }
  return list;
}

std::vector<float> ramp(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<int>(i * 7 % 23) - 11) / 8;
  }
  return values;
}

// A row kernel, a map with a broadcast operand, and sums over rows.
std::vector<Tensor> compute(const Tensor& x, const Tensor& scale) {
  const Tensor shares = softmax(x * scale);
  return {shares, x * scale + 1.0, sum(x, {0})};
}

TEST(Lengths, NewOnesCompileNothing) {
  CompiledFunction function(
      [](const std::vector<Tensor>& arguments) { return compute(arguments[0], arguments[1]); });
  for (const std::int64_t length : lengths()) {
    const std::vector<float> x = ramp(5 * length);
    const std::vector<float> scale = ramp(length);
    std::vector<Tensor> got;
    {
      const DeviceScope cuda("cuda");
      got = function.call({tensor(x, {5, length}), tensor(scale, {length})});
      for (Tensor& each : got) each = to_host(each);
    }
    const DeviceScope cpu("cpu");
    const std::vector<Tensor> expected = compute(tensor(x, {5, length}), tensor(scale, {length}));
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].to_vector<float>(), expected[i].to_vector<float>()) << length << " " << i;
    }
  }
  // Six numbers of threads a row with whole fours or not, rows of whole warps or not, one element.
  EXPECT_LE(KernelCache::instance().compilations(), 24);
  std::printf("%zu lengths, %d compilations\n", lengths().size(),
              static_cast<int>(KernelCache::instance().compilations()));
}

}  // namespace
}  // namespace sinter

int main(int count, char** arguments) {
  setenv("SINTER_CACHE", "", 1);  // what other runs have compiled must not help
  sinter::reload_switches();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
