#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/groups/group_kernel.h"
#include "base/parallel.h"
#include "ir/internal_error.h"
#include "ir/reduction.h"
#include "naive_group.h"
#include "random_group.h"

namespace sinter {
namespace {

using backend::cpu::GroupKernel;
using backend::cpu::interpret_group;
using ir::Group;
using ir::GroupKind;
using ir::ScalarOp;
using testing::BodyBuilder;
using testing::GroupGenerator;
using testing::GroupMemory;
using testing::row_major;

void run_kernel(const Group& group, void* const* operands) {
  const std::unique_ptr<GroupKernel> kernel = interpret_group(group);
  const std::size_t bytes = (kernel->scratch_bytes() + 63) / 64 * 64;
  void* scratch = bytes == 0 ? nullptr : std::aligned_alloc(64, bytes);
  kernel->run(operands, scratch);
  std::free(scratch);
}

// Where the interpreter's result differs from the naive one; "" when nowhere.
std::string difference(const Group& group, std::mt19937_64& random) {
  GroupMemory interpreted(group, random);
  GroupMemory naive = interpreted;
  run_kernel(group, interpreted.addresses().data());
  testing::run_naively(group, naive.addresses().data());
  return GroupMemory::difference(interpreted, naive);
}

void expect_same(const Group& group) {
  ASSERT_NO_THROW(ir::verify(group));
  std::mt19937_64 random(7);
  EXPECT_EQ(difference(group, random), "") << group.space.to_string();
}

TEST(Interpreter, EqualsThePointByPointEvaluationOnRandomGroups) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    GroupGenerator generator(seed);
    const Group group = generator.make(seed % 50 == 0 ? 40000 : 3000);
    ASSERT_NO_THROW(ir::verify(group)) << "seed " << seed;
    ASSERT_EQ(difference(group, generator.random()), "")
        << "seed " << seed << ", space " << group.space.to_string();
  }
}

TEST(Interpreter, GivesTheSameBitsWithAnyNumberOfThreads) {
  const int before = thread_count();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    GroupGenerator generator(seed + 100000);
    const Group group = generator.make(200000);
    GroupMemory one(group, generator.random());
    GroupMemory four = one;
    set_thread_count(1);
    run_kernel(group, one.addresses().data());
    set_thread_count(4);
    run_kernel(group, four.addresses().data());
    EXPECT_EQ(GroupMemory::difference(one, four), "") << "seed " << seed;
  }
  set_thread_count(before);
}

// Sum, maximum and product of x * y + 1 over the reduced axes.
Group several_reductions(GroupKind kind, std::int64_t rows, std::int64_t columns) {
  Group group;
  group.kind = kind;
  group.space = {rows, columns};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  const std::int32_t x = body.load(Dtype::f32, {columns, 1});
  const std::int32_t y = body.load(Dtype::f32, {0, 1});
  const std::int32_t z = body.emit(ScalarOp::fma, Dtype::f32, x, y, body.constant(1.0F));
  const std::int32_t sum = body.emit(ScalarOp::reduce_sum, Dtype::f32, z);
  const std::int32_t max = body.emit(ScalarOp::reduce_max, Dtype::f32, x);
  const std::int32_t product = body.emit(ScalarOp::reduce_product, Dtype::f32, z);
  const std::int64_t kept = kind == GroupKind::inner ? 0 : 1;
  const std::vector<std::int64_t> strides = {1 - kept, kept};
  body.store(sum, strides);
  body.store(max, strides);
  body.store(product, strides);
  return group;
}

TEST(Interpreter, FoldsSeveralReductionsOfOnePassInEitherDirection) {
  for (const std::int64_t length : {0, 1, 7, 10, 127, 128, 129, 255, 256, 257, 300, 16384 + 5}) {
    for (const std::int64_t kept : {0, 1, 3, 40}) {
      expect_same(several_reductions(GroupKind::inner, kept, length));
      expect_same(several_reductions(GroupKind::outer, length, kept));
    }
  }
  expect_same(several_reductions(GroupKind::inner, 1, 16384 * 5 + 77));
  expect_same(several_reductions(GroupKind::inner, 200, 10));
  expect_same(several_reductions(GroupKind::outer, 3, 1000));
}

TEST(Interpreter, KeepsTheZeroThatTheTreeMeetsFirstInMaximumAndMinimum) {
  for (const GroupKind kind : {GroupKind::inner, GroupKind::outer}) {
    const bool inner = kind == GroupKind::inner;
    Group group;
    group.kind = kind;
    group.space = inner ? Shape{50, 200} : Shape{200, 50};
    group.reduced_axes = 1;
    BodyBuilder body(group);
    const std::int32_t negative = body.load(Dtype::boolean, row_major(group.space));
    const std::int32_t zero = body.emit(ScalarOp::select, Dtype::f32, negative,
                                        body.constant(-0.0F), body.constant(0.0F));
    const std::vector<std::int64_t> strides = {inner ? 1 : 0, inner ? 0 : 1};
    body.store(body.emit(ScalarOp::reduce_max, Dtype::f32, zero), strides);
    body.store(body.emit(ScalarOp::reduce_min, Dtype::f32, zero), strides);
    expect_same(group);
  }
}

TEST(Interpreter, SharesTheChunksOfOneLongRowBetweenThreads) {
  const int before = thread_count();
  set_thread_count(3);
  expect_same(several_reductions(GroupKind::inner, 1, 16384 * 7 + 3));
  expect_same(several_reductions(GroupKind::inner, 2, 16384 * 5));
  expect_same(several_reductions(GroupKind::outer, 20000, 5));
  set_thread_count(before);
}

// (x - max) squared, divided by its sum: three passes like softmax.
Group normalisation(std::int64_t rows, std::int64_t columns) {
  Group group;
  group.kind = GroupKind::inner;
  group.space = {rows, columns};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  const std::int64_t step = std::max<std::int64_t>(1, columns);
  const std::int32_t x = body.load(Dtype::f32, {step, 1});
  const std::int32_t max = body.emit(ScalarOp::reduce_max, Dtype::f32, x);
  const std::int32_t shifted = body.emit(ScalarOp::sub, Dtype::f32, x, max);
  const std::int32_t square = body.emit(ScalarOp::mul, Dtype::f32, shifted, shifted);
  const std::int32_t sum = body.emit(ScalarOp::reduce_sum, Dtype::f32, square);
  body.store(body.emit(ScalarOp::div, Dtype::f32, square, sum), {step, 1});
  body.store(sum, {1, 0});
  return group;
}

TEST(Interpreter, RunsSeveralPassesOverARow) {
  for (const std::int64_t length : {0, 1, 7, 10, 128, 129, 300, 16384 + 5}) {
    for (const std::int64_t rows : {0, 1, 3, 300}) {
      if (rows * length < 400000) expect_same(normalisation(rows, length));
    }
  }
}

TEST(Interpreter, WritesIntoItsInputInPlace) {
  for (const std::int64_t length : {10, 300, 16384 + 5}) {
    const Group group = normalisation(3, length);
    std::mt19937_64 random(3);
    GroupMemory apart(group, random);
    GroupMemory same = apart;
    run_kernel(group, apart.addresses().data());
    std::vector<void*> addresses = same.addresses();
    addresses[1] = addresses[0];
    run_kernel(group, addresses.data());
    const auto* expected = static_cast<const float*>(apart.addresses()[1]);
    const auto* got = static_cast<const float*>(addresses[0]);
    for (std::int64_t i = 0; i < 3 * length; ++i) {
      ASSERT_TRUE(got[i] == expected[i] || (got[i] != got[i] && expected[i] != expected[i])) << i;
    }
  }
}

TEST(Interpreter, LoadsAPointBeforeStoringItWhateverTheOrderInTheBody) {
  Group group;
  group.space = {1000};
  group.operands = {{Dtype::f32, false, {1}}, {Dtype::f32, true, {1}}, {Dtype::f32, true, {1}}};
  BodyBuilder body(group);
  const std::int32_t one = body.constant(1.0F);
  body.emit(ScalarOp::store, Dtype::f32, one, -1, -1, 1);
  const std::int32_t x = body.emit(ScalarOp::load, Dtype::f32, -1, -1, -1, 0);
  body.emit(ScalarOp::store, Dtype::f32, x, -1, -1, 2);
  std::vector<float> in_place(1000);
  std::vector<float> copy(1000, -1.0F);
  for (std::size_t i = 0; i < 1000; ++i) in_place[i] = static_cast<float>(i);
  void* const operands[] = {in_place.data(), in_place.data(), copy.data()};
  run_kernel(group, operands);
  for (std::size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(in_place[i], 1.0F);
    ASSERT_EQ(copy[i], static_cast<float>(i));
  }
}

TEST(Interpreter, StoresTheIdentityForAnEmptyRow) {
  const Group group = several_reductions(GroupKind::inner, 2, 0);
  float nothing = 0.0F;
  std::vector<float> sum(2, 9.0F);
  std::vector<float> max(2, 9.0F);
  std::vector<float> product(2, 9.0F);
  void* const operands[] = {&nothing, &nothing, sum.data(), max.data(), product.data()};
  run_kernel(group, operands);
  EXPECT_EQ(sum, std::vector<float>(2, 0.0F));
  EXPECT_EQ(max, std::vector<float>(2, -std::numeric_limits<float>::infinity()));
  EXPECT_EQ(product, std::vector<float>(2, 1.0F));
}

TEST(Interpreter, ConvertsEveryHalfAndBackUnchanged) {
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    Group group;
    group.space = {65536};
    BodyBuilder body(group);
    const std::int32_t x = body.load(half, {1});
    const std::int32_t wide = body.emit(ScalarOp::convert, Dtype::f32, x);
    body.store(body.emit(ScalarOp::convert, half, wide), {1});
    std::vector<std::uint16_t> in(65536);
    std::vector<std::uint16_t> out(65536);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint16_t>(i);
    void* const operands[] = {in.data(), out.data()};
    run_kernel(group, operands);
    const unsigned infinity = half == Dtype::bf16 ? 0x7f80u : 0x7c00u;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const bool nan = (i & 0x7fffu) > infinity;
      ASSERT_TRUE(nan ? (out[i] & 0x7fffu) > infinity : out[i] == in[i]) << i;
    }
  }
}

TEST(Interpreter, RoundsTiesOfHalvesToEven) {
  Group group;
  group.space = {6};
  BodyBuilder body(group);
  const std::int32_t x = body.load(Dtype::f32, {1});
  body.store(body.emit(ScalarOp::convert, Dtype::bf16, x), {1});
  body.store(body.emit(ScalarOp::convert, Dtype::f16, x), {1});
  // Ties above and below an even neighbour, f16's overflow threshold, its smallest denormal halved
  // and a hair more, and a bf16 denormal.
  std::vector<float> in = {0x1.01p0F, 0x1.03p0F, 65520.0F, 0x1p-25F, 0x1.000002p-25F, 0x1p-133F};
  std::vector<std::uint16_t> bf16(6);
  std::vector<std::uint16_t> f16(6);
  void* const operands[] = {in.data(), bf16.data(), f16.data()};
  run_kernel(group, operands);
  EXPECT_EQ(bf16[0], 0x3f80);
  EXPECT_EQ(bf16[1], 0x3f82);
  EXPECT_EQ(bf16[5], 0x0001);
  EXPECT_EQ(f16[2], 0x7c00);
  EXPECT_EQ(f16[3], 0x0000);
  EXPECT_EQ(f16[4], 0x0001);
}

}  // namespace
}  // namespace sinter
