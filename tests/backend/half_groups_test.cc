// Groups with bf16 and f16: the interpreter and emitted code against base/half.h, and each other.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/groups/group_kernel.h"
#include "base/half.h"
#include "random_group.h"

namespace sinter::backend::cpu {
namespace {

using ir::Group;
using ir::GroupKind;
using ir::ScalarOp;
using testing::BodyBuilder;
using testing::GroupMemory;

float widened(Dtype half, std::uint16_t bits) {
  return half == Dtype::bf16 ? f32_from_bf16(bits) : f32_from_f16(bits);
}
std::uint16_t rounded(Dtype half, float value) {
  return half == Dtype::bf16 ? bf16_from_f32(value) : f16_from_f32(value);
}

// f32 patterns: every upper half with lower halves at which the rounding of a format changes.
std::vector<float> patterns() {
  std::vector<float> values;
  for (std::uint32_t high = 0; high < 65536; ++high) {
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x0fffU, 0x1000U, 0x1001U, 0x3000U, 0x4000U,
                                    0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      values.push_back(std::bit_cast<float>((high << 16) | low));
    }
  }
  return values;
}

// Nothing: the interpreter.
class HalfGroups : public ::testing::TestWithParam<std::optional<Isa>> {
 protected:
  void SetUp() override {
    if (GetParam() && !supports(*GetParam())) GTEST_SKIP() << "the processor lacks it";
  }

  void run(const Group& group, const std::vector<void*>& addresses) const {
    ir::verify(group);
    const std::unique_ptr<GroupKernel> kernel =
        GetParam() ? emit_group(group, *GetParam()) : interpret_group(group);
    ASSERT_NE(kernel, nullptr) << "not emitted";
    run(*kernel, addresses);
  }
  static void run(const GroupKernel& kernel, const std::vector<void*>& addresses) {
    const std::size_t bytes = (kernel.scratch_bytes() + 127) / 64 * 64;
    const std::unique_ptr<void, void (*)(void*)> scratch(std::aligned_alloc(64, bytes), std::free);
    kernel.run(addresses.data(), scratch.get());
  }
  void must_equal_the_interpreter(const Group& group, const std::string& what) {
    for (const bool special : {true, false}) {
      GroupMemory expected(group, random_, special);
      GroupMemory got = expected;
      run(*interpret_group(group), expected.addresses());
      run(group, got.addresses());
      ASSERT_EQ(GroupMemory::difference(expected, got), "") << what;
    }
  }

  std::mt19937_64 random_{11};
};

INSTANTIATE_TEST_SUITE_P(Ways, HalfGroups, ::testing::Values(std::nullopt, Isa::avx2, Isa::avx512),
                         [](const auto& way) {
                           if (!way.param) return "interpreted";
                           return *way.param == Isa::avx512 ? "avx512" : "avx2";
                         });

// Bit for bit, NaNs too: a map over [1000s] and its tail, and with f64 beside it, which halves the
// number of lanes.
TEST_P(HalfGroups, ConvertWithTheBitsOfHalfH) {
  const std::vector<float> floats = patterns();
  std::vector<std::uint16_t> halves(65536 + 3);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    for (const bool beside_f64 : {false, true}) {
      const auto group_from = [&](Dtype from, std::size_t length, auto write) {
        Group group;
        group.space = Shape{static_cast<std::int64_t>(length)};
        BodyBuilder body(group);
        write(body, body.load(from, {1}));
        if (beside_f64) body.store(body.load(Dtype::f64, {0}), {1});
        return group;
      };
      double one = 1;
      std::vector<double> others(floats.size());
      std::vector<float> wide(halves.size());
      run(group_from(half, halves.size(),
                     [](BodyBuilder& body, std::int32_t x) {
                       body.store(body.emit(ScalarOp::convert, Dtype::f32, x), {1});
                     }),
          {halves.data(), wide.data(), &one, others.data()});
      for (std::size_t i = 0; i < halves.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]),
                  std::bit_cast<std::uint32_t>(widened(half, halves[i])))
            << i;
      }
      std::vector<std::uint16_t> narrow(floats.size());
      std::vector<float> through(floats.size());
      run(group_from(Dtype::f32, floats.size(),
                     [&](BodyBuilder& body, std::int32_t x) {
                       const std::int32_t y = body.emit(ScalarOp::convert, half, x);
                       body.store(y, {1});
                       body.store(body.emit(ScalarOp::convert, Dtype::f32, y), {1});
                     }),
          {const_cast<float*>(floats.data()), narrow.data(), through.data(), &one, others.data()});
      for (std::size_t i = 0; i < floats.size(); ++i) {
        const auto bits = std::bit_cast<std::uint32_t>(floats[i]);
        ASSERT_EQ(narrow[i], rounded(half, floats[i])) << std::hex << bits;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(through[i]),
                  std::bit_cast<std::uint32_t>(widened(half, narrow[i])))
            << std::hex << bits;
      }
    }
  }
}

// A copy is of bits: a signalling NaN stays one.
TEST_P(HalfGroups, CopyEveryPattern) {
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    Group group;
    group.space = Shape{65536};
    BodyBuilder body(group);
    body.store(body.load(half, {1}), {1});
    std::vector<std::uint16_t> from(65536);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint16_t>(i);
    std::vector<std::uint16_t> to(65536);
    run(group, {from.data(), to.data()});
    ASSERT_EQ(from, to);
  }
}

// x (inner or outer) with a row of its own and a column, folded, and stored as every type.
Group folding_group(GroupKind kind, std::int64_t rows, std::int64_t columns, Dtype a, Dtype b,
                    Dtype wide) {
  Group group;
  group.kind = kind;
  group.space = Shape{rows, columns};
  BodyBuilder body(group);
  const auto computed = [&](Dtype type, std::vector<std::int64_t> strides) {
    const std::int32_t loaded = body.load(type, std::move(strides));
    return type == Dtype::f32 ? loaded : body.emit(ScalarOp::convert, Dtype::f32, loaded);
  };
  const auto stored_as = [&](Dtype type, std::int32_t value) {
    return type == Dtype::f32 ? value : body.emit(ScalarOp::convert, type, value);
  };
  const auto rounding = [&](std::int32_t value) {
    return body.emit(ScalarOp::convert, Dtype::f32, body.emit(ScalarOp::convert, a, value));
  };
  const std::int32_t x = computed(a, {columns, 1});
  const std::int32_t row = computed(b, {0, 1});
  const std::int32_t column = computed(a, {1, 0});
  const std::int32_t one = computed(b, {0, 0});
  std::int32_t y = body.emit(ScalarOp::fma, Dtype::f32, x, row, column);
  y = rounding(body.emit(ScalarOp::mul, Dtype::f32, rounding(y), one));
  if (wide == Dtype::f64) {
    const std::int32_t z = body.emit(ScalarOp::convert, Dtype::f64, y);
    body.store(body.emit(ScalarOp::add, Dtype::f64, z, z), {columns, 1});
  }
  body.store(body.emit(ScalarOp::convert, a, y), {columns, 1});
  const std::int32_t moved = body.emit(ScalarOp::add, Dtype::f32, row, column);
  body.store(stored_as(b, moved), {columns, 1});
  if (kind == GroupKind::map) return group;
  group.reduced_axes = 1;
  const bool inner = kind == GroupKind::inner;
  const std::vector<std::int64_t> kept = {inner ? 1 : 0, inner ? 0 : 1};
  const std::int32_t sum = body.emit(ScalarOp::reduce_sum, Dtype::f32, y);
  body.store(body.emit(ScalarOp::convert, a, sum), kept);
  const std::int32_t most = body.emit(ScalarOp::reduce_max, Dtype::f32, x);
  body.store(stored_as(b, most), kept);
  if (inner) {  // another pass over the row
    const std::int32_t centered = body.emit(ScalarOp::sub, Dtype::f32, y, rounding(most));
    body.store(stored_as(b, centered), {columns, 1});
  }
  return group;
}

TEST_P(HalfGroups, EqualTheInterpreterInEveryStageAtEveryLength) {
  if (!GetParam()) GTEST_SKIP() << "it is the interpreter";
  using Types = std::pair<Dtype, Dtype>;
  for (const GroupKind kind : {GroupKind::map, GroupKind::inner, GroupKind::outer}) {
    for (const auto& [a, b] : {Types{Dtype::bf16, Dtype::f16}, Types{Dtype::f16, Dtype::bf16},
                               Types{Dtype::bf16, Dtype::f32}, Types{Dtype::f16, Dtype::f32}}) {
      for (const Dtype wide : {Dtype::f32, Dtype::f64}) {
        for (std::int64_t columns = 1; columns <= 70 && !HasFailure(); ++columns) {
          const std::int64_t rows = columns % 3 == 0 ? 70 : columns % 3;
          must_equal_the_interpreter(folding_group(kind, rows, columns, a, b, wide),
                                     std::to_string(static_cast<int>(kind)) + " " +
                                         std::string(name_of(a)) + " " +
                                         std::string(name_of(wide)) + " " + std::to_string(rows) +
                                         " by " + std::to_string(columns));
        }
        must_equal_the_interpreter(folding_group(kind, 300, 129, a, b, wide), "many rows");
        must_equal_the_interpreter(folding_group(kind, 2, 33000, a, b, wide), "long rows");
      }
    }
  }
}

// In place, at every address that a 16-bit element may have, with guards around it.
TEST_P(HalfGroups, LieAtAnyAddressAndMayBeOverwritten) {
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    for (const std::int64_t length : {5, 16, 77, 200}) {
      Group group;
      group.space = Shape{length};
      BodyBuilder body(group);
      const std::int32_t x = body.emit(ScalarOp::convert, Dtype::f32, body.load(half, {1}));
      const std::int32_t y = body.emit(ScalarOp::mul, Dtype::f32, x, body.constant(1.1F));
      body.store(body.emit(ScalarOp::convert, half, y), {1});
      for (std::size_t shift = 0; shift < 33; ++shift) {
        std::vector<std::uint16_t> memory(300, 0x4242);
        for (std::size_t i = 0; i < static_cast<std::size_t>(length); ++i) {
          memory[shift + i] = static_cast<std::uint16_t>(random_());
        }
        std::vector<std::uint16_t> expected = memory;
        for (std::size_t i = 0; i < static_cast<std::size_t>(length); ++i) {
          std::uint16_t& at = expected[shift + i];
          at = rounded(half, widened(half, at) * 1.1F);
        }
        run(group, {memory.data() + shift, memory.data() + shift});
        ASSERT_EQ(memory, expected) << length << " at " << shift;
      }
    }
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
