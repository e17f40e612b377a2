// Tensors and States outside of traces.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/cache_limits.h"
#include "compile/checks.h"
#include "sinter/ops.h"
#include "sinter/state_arena.h"
#include "sinter/system.h"
#include "tensor/eager.h"
#include "tensor/impl.h"
#include "tensor/storage.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;

std::vector<float> values_of(const State& state) { return state.value().to_vector<float>(); }

TEST(Tensor, HoldsElementsOfEveryDtypeThatUsersGive) {
  EXPECT_EQ(tensor(std::vector<double>{1, 2}, {2}).to_vector<double>(),
            (std::vector<double>{1, 2}));
  EXPECT_EQ(tensor(std::vector<std::int32_t>{-1}, {}).item<std::int32_t>(), -1);
  EXPECT_EQ(tensor(std::vector<std::int64_t>{1L << 40}, {1}).item<std::int64_t>(), 1L << 40);
  EXPECT_EQ(tensor(std::vector<std::uint8_t>{255}, {1, 1}).item<std::uint8_t>(), 255);
  EXPECT_EQ((floats({1, 2}) > 1.5).to_vector<bool>(), (std::vector<bool>{false, true}));
  EXPECT_EQ(scalar(2.5).item<float>(), 2.5F);
  EXPECT_EQ(scalar(1, Dtype::boolean).to_vector<bool>(), (std::vector<bool>{true}));
  EXPECT_EQ(scalar(1.005859375, Dtype::bf16).item<float>(), 1.0078125F);
  EXPECT_EQ(scalar(-65519, Dtype::f16).item<float>(), -65504.0F);
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    const Tensor x = cast(floats({1, -2.5, 0x1p-14F}), half);
    EXPECT_EQ(x.to_vector<float>(), (Floats{1, -2.5, 0x1p-14F}));
    EXPECT_EQ((x * 2.0 + full({3}, 0.5, half)).to_vector<float>(), (Floats{2.5, -4.5, 0.5}));
    EXPECT_EQ((x * 2.0).dtype(), half);
  }
  EXPECT_EQ(floats({}, {0, 4}).to_vector<float>(), Floats());
  EXPECT_EQ(floats({1, 2}).to_string(), "f32(2,)");
}

TEST(Tensor, SaysWhatIsWrong) {
  EXPECT_TRUE(says(message_of([] { floats({1, 2}, {3}); }), "number of values"));
  EXPECT_TRUE(says(message_of([] { floats({1, 2}).item<float>(); }), "exactly one element"));
  EXPECT_TRUE(says(message_of([] { floats({1}).item<double>(); }), "does not store"));
  EXPECT_TRUE(says(message_of([] { scalar(1, Dtype::bf16).item<double>(); }), "does not store"));
  EXPECT_TRUE(says(message_of([] { Tensor().shape(); }), "empty"));
  EXPECT_TRUE(says(message_of([] { Tensor().item<float>(); }), "empty"));
  EXPECT_TRUE(says(message_of([] { Tensor().data(); }), "empty"));
  EXPECT_TRUE(says(message_of([] { Tensor() + 1.0; }), "tensor_test.cc"));
}

TEST(Tensor, IsAValueThatNoOpChanges) {
  const Tensor x = floats({1, 2, 3, 4}, {2, 2});
  const Tensor seen = reshape(x, {4});
  EXPECT_EQ(seen.impl()->payload.memory(), x.impl()->payload.memory())
      << "a dense view shares memory";
  const Tensor row = slice(x, 0, 1, 2);
  x + 1.0;
  relu(-x);
  EXPECT_EQ(seen.to_vector<float>(), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(row.to_vector<float>(), (Floats{3, 4}));
  EXPECT_EQ(transpose(x).to_vector<float>(), (Floats{1, 3, 2, 4}));
}

TEST(Tensor, AViewKeepsTheMemoryOfWhatIsGone) {
  Tensor row;
  {
    const Tensor x = floats(Floats(1000, 7.0F), {10, 100});
    row = slice(x, 0, 9, 10);
  }
  for (int i = 0; i < 10; ++i) floats(Floats(1000, 1.0F));
  EXPECT_EQ(row.to_vector<float>(), Floats(100, 7.0F));
}

TEST(Pool, ALoopAllocatesNothingAfterItsFirstRounds) {
  const auto round = [] {
    const Tensor x = floats(Floats(5000, 1.0F));
    return sum(exp(x) * x + x).item<float>();
  };
  round();
  round();
  const std::int64_t before = pool_counts().allocations;
  for (int i = 0; i < 20; ++i) round();
  EXPECT_EQ(pool_counts().allocations, before);
  release_pool();
  EXPECT_EQ(pool_counts().bytes_free, 0);
  round();
}

// A server that meets another size at every call: one block at a time is in use.
TEST(Pool, BlocksOfEverNewSizesTakeNoMoreThanTheLargestOnesAgain) {
  release_pool();
  const std::int64_t other = pool_counts().bytes_in_use;
  // What is filled lies in host memory first, which has a pool of its own.
  const std::int64_t pools = current_device() == "cpu" ? 1 : 2;
  std::int64_t most = 0;
  for (std::int64_t megabytes = 1; megabytes <= 40; ++megabytes) {
    const Tensor x = filled({megabytes << 18}, Dtype::f32, [](std::byte*) {});
    most = std::max(most, pool_counts().bytes_in_use);
    EXPECT_LE(pool_counts().bytes_free, pools * std::max(most, limits::kFreeBytes));
  }
  EXPECT_LE(pool_counts().bytes_in_use, other + 4096);
  EXPECT_GT(pool_counts().bytes_free, 0) << "the last ones are kept";
  // The block freed last is the one that is kept.
  const std::int64_t before = pool_counts().allocations;
  filled({std::int64_t{40} << 18}, Dtype::f32, [](std::byte*) {});
  EXPECT_EQ(pool_counts().allocations, before);
}

TEST(Pool, ProgramsOfEverNewShapesStayBounded) {
  const std::size_t more = limits::kEagerPrograms + 100;
  for (std::size_t length = 1; length <= more; ++length) {
    const Tensor x = ones({static_cast<std::int64_t>(length)});
    ASSERT_LE(eager_program_count(), limits::kEagerPrograms);
  }
  EXPECT_EQ(eager_program_count(), limits::kEagerPrograms);
  EXPECT_EQ(ones({1}).item<float>(), 1) << "made again";
}

TEST(State, ReadsAreSnapshotsAndCopiesNameTheSameCell) {
  const State a(floats({1, 2}), "a");
  const State same = a;  // NOLINT: a copy is the point
  const Tensor before = a;
  same.assign(floats({3, 4}));
  EXPECT_EQ(before.to_vector<float>(), (Floats{1, 2}));
  EXPECT_EQ(values_of(a), (Floats{3, 4}));
  EXPECT_TRUE(a == same);
  EXPECT_EQ(a.id(), same.id());
  EXPECT_NE(a.id(), State(floats({1}), "b").id());
  same.set_name("renamed");
  EXPECT_EQ(a.name(), "renamed");
}

TEST(State, TakesItsOwnValueAndKeepsItsAddress) {
  const State a(floats({1, 2}), "a");
  const std::byte* const address = a.impl()->memory();
  a.assign(a);
  a.assign(a * 2.0);
  EXPECT_EQ(values_of(a), (Floats{2, 4}));
  EXPECT_EQ(a.impl()->memory(), address);
}

TEST(State, RefusesOtherTypesAndEmptyHandles) {
  const State a(floats({1, 2}), "a");
  EXPECT_TRUE(says(message_of([&] { a.assign(floats({1})); }), "another type"));
  EXPECT_TRUE(says(message_of([&] {
                     a.assign(tensor(std::vector<double>{1, 2}, {2}));
                   }),
                   "got f64(2,); expected f32(2,)"));
  EXPECT_TRUE(says(message_of([&] { a.assign(Tensor()); }), "empty"));
  EXPECT_TRUE(says(message_of([] { State made(Tensor(), "b"); }), "State b: made from an empty"));
  EXPECT_EQ(values_of(a), (Floats{1, 2}));
}

TEST(Arena, HoldsItsPartsAlignedWithZerosBetween) {
  const std::vector<State> parts = {State(floats({1, 2, 3}), "a"), State(floats({4}, {1, 1}), "b")};
  const Tensor before = parts[0].value();
  std::vector<std::int64_t> offsets;
  const State arena = make_arena(parts, &offsets);
  EXPECT_EQ(offsets, (std::vector<std::int64_t>{0, 16}));
  Floats expected(32, 0.0F);
  expected[0] = 1, expected[1] = 2, expected[2] = 3, expected[16] = 4;
  EXPECT_EQ(values_of(arena), expected);
  parts[1].assign(floats({9}, {1, 1}));
  EXPECT_EQ(values_of(arena)[16], 9);
  arena.assign(floats(Floats(32, 5.0F)));
  EXPECT_EQ(values_of(parts[0]), (Floats{5, 5, 5}));
  EXPECT_EQ(before.to_vector<float>(), (Floats{1, 2, 3})) << "a snapshot from before the move";
}

TEST(Arena, RefusesWhatItCannotHold) {
  std::vector<std::int64_t> offsets;
  const State a(floats({1}), "a");
  const State b(tensor(std::vector<double>{1}, {1}), "b");
  EXPECT_TRUE(says(message_of([&] { make_arena({}, &offsets); }), "no parameters given"));
  EXPECT_TRUE(says(message_of([&] { make_arena({a, b}, &offsets); }), "one dtype"));
  EXPECT_TRUE(says(message_of([&] { make_arena({a, a}, &offsets); }), "given twice"));
  const State c(floats({2}), "c");
  make_arena({c}, &offsets);
  EXPECT_TRUE(says(message_of([&] { make_arena({a, c}, &offsets); }), "another optimizer already"));
  a.assign(floats({3}));
  EXPECT_EQ(values_of(a), (Floats{3})) << "nothing was moved";
  make_arena({a}, &offsets);
}

}  // namespace
}  // namespace sinter
