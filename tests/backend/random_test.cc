#include <cmath>

#include "base/philox.h"
#include "kernel_run.h"

namespace sinter::backend::cpu {
namespace {

Value position(std::int64_t seed, std::int64_t offset) {
  return make_value<std::int64_t>({2}, {seed, offset});
}

ir::Attributes shape_of(std::int64_t count) {
  return {{"shape", std::vector<std::int64_t>{count}}};
}

Value bernoulli(std::int64_t seed, std::int64_t offset, std::int64_t count, double p) {
  ir::Attributes attributes = shape_of(count);
  attributes.add("p", p);
  return run_kernel(ir::OpId::bernoulli, attributes, {position(seed, offset)},
                    {{Dtype::boolean, {count}}})[0];
}

Value uniform(std::int64_t seed, std::int64_t offset, std::int64_t count) {
  return run_kernel(ir::OpId::uniform, shape_of(count), {position(seed, offset)},
                    {{Dtype::f32, {count}}})[0];
}

// The words of counter 0 under key 0 as published with Random123 (kat_vectors, philox4x32 10).
constexpr std::uint32_t kKnown[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};

TEST(Uniform, StartsWithThePublishedValues) {
  const Value y = uniform(0, 0, 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(y.data<float>()[i], static_cast<float>(kKnown[i] >> 8) * 0x1p-24F);
  }
}

TEST(Bernoulli, ComparesThePublishedLanes) {
  for (const double p : {0.0, 0.1, 0.4, 0.5, 0.85, 1.0}) {
    const Value y = bernoulli(0, 0, 8, p);
    for (int i = 0; i < 8; ++i) {
      const std::uint32_t lane = kKnown[i / 2] >> (i % 2 * 16) & 0xFFFFU;
      EXPECT_EQ(y.data<std::uint8_t>()[i], lane < std::round(p * 65536) ? 1 : 0) << p << " " << i;
    }
  }
}

TEST(Uniform, IsAFunctionOfSeedAndPositionInEveryCarry) {
  const std::int64_t seed = 0x123456789ABCDEF0;
  for (const std::int64_t offset : {std::int64_t{5}, std::int64_t{0xFFFFFFF0}, std::int64_t{-7}}) {
    for (const std::int64_t count : {0, 1, 3, 63, 64, 65, 40001}) {
      const Value y = uniform(seed, offset, count);
      for (std::int64_t e = 0; e < count; ++e) {
        const auto at = static_cast<std::uint64_t>(offset) + static_cast<std::uint64_t>(e / 4);
        const philox::Block block =
            philox::generate(philox::counter_at(at, 0), philox::key_from_seed(seed));
        ASSERT_EQ(y.data<float>()[e], static_cast<float>(block.words[e % 4] >> 8) * 0x1p-24F);
      }
    }
  }
}

TEST(Bernoulli, IsAFunctionOfSeedAndPosition) {
  for (const std::int64_t count : {0, 1, 127, 128, 129, 70003}) {
    const Value y = bernoulli(-3, 1LL << 40, count, 0.3);
    for (std::int64_t e = 0; e < count; ++e) {
      const auto at = (std::uint64_t{1} << 40) + static_cast<std::uint64_t>(e / 8);
      const philox::Block block = philox::generate(
          philox::counter_at(at, 0), philox::key_from_seed(static_cast<std::uint64_t>(-3)));
      const std::uint32_t lane = block.words[e % 8 / 2] >> (e % 2 * 16) & 0xFFFFU;
      ASSERT_EQ(y.data<std::uint8_t>()[e], lane < 19661 ? 1 : 0) << e;
    }
  }
}

TEST(Bernoulli, GivesAllForOneAndNoneForZero) {
  for (const std::uint8_t bit : bernoulli(1, 2, 5000, 1.0).elements<std::uint8_t>()) {
    ASSERT_EQ(bit, 1);
  }
  for (const std::uint8_t bit : bernoulli(1, 2, 5000, 0.0).elements<std::uint8_t>()) {
    ASSERT_EQ(bit, 0);
  }
}

TEST(KernelTable, HasAKernelForExactlyTheStructuredOpsThatNeedOne) {
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<ir::OpId>(i);
    const bool needs_one = op >= ir::OpId::copy && op <= ir::OpId::uniform;
    EXPECT_EQ(find_kernel(op) != nullptr, needs_one) << i;
    if (needs_one) {
      EXPECT_NE(find_kernel(op)->prepare != nullptr, !find_kernel(op)->providers.empty()) << i;
    }
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
