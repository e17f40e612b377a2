// Machine code for groups against the interpreter, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/code_memory.h"
#include "backend/cpu/groups/cache.h"
#include "backend/cpu/groups/emitted_kernel.h"
#include "backend/cpu/groups/fold_partials.h"
#include "backend/cpu/groups/group_kernel.h"
#include "base/cache_limits.h"
#include "base/parallel.h"
#include "ir/internal_error.h"
#include "random_group.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

using ir::Group;
using ir::GroupKind;
using ir::ScalarOp;
using testing::BodyBuilder;
using testing::GroupGenerator;
using testing::GroupMemory;

std::string describe(const Group& group) {
  std::string text = "kind " + std::to_string(static_cast<int>(group.kind)) + " space " +
                     group.space.to_string() + " reduced " + std::to_string(group.reduced_axes);
  for (const ir::GroupOperand& operand : group.operands) {
    text +=
        "\n  " + std::string(sinter::name_of(operand.dtype)) + (operand.output ? " out" : " in");
    for (const std::int64_t stride : operand.strides) text += " " + std::to_string(stride);
  }
  int position = 0;
  for (const ir::ScalarInst& inst : group.body) {
    text += "\n  %" + std::to_string(position++) + " " + std::string(name_of(inst.op)) + " " +
            std::string(sinter::name_of(inst.type)) + " " + std::to_string(inst.a) + " " +
            std::to_string(inst.b) + " " + std::to_string(inst.c) + " imm " +
            std::to_string(inst.imm);
  }
  return text;
}

void run(const GroupKernel& kernel, void* const* addresses) {
  const std::size_t bytes = (kernel.scratch_bytes() + 127) / 64 * 64;
  const std::unique_ptr<void, void (*)(void*)> scratch(std::aligned_alloc(64, bytes), std::free);
  kernel.run(addresses, scratch.get());
}

class EmitterTest : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!supports(GetParam())) GTEST_SKIP() << "this processor lacks the instruction set";
  }
  void TearDown() override { set_thread_count(before_); }

  // Runs the group both ways on the same random memory. False when it is not emitted.
  template <class Random>
  bool check(const Group& group, Random& random, bool special = true) {
    ir::verify(group);
    const std::unique_ptr<GroupKernel> kernel = emit_group(group, GetParam());
    if (kernel == nullptr) return false;
    GroupMemory expected(group, random, special);
    GroupMemory got = expected;
    run(*interpret_group(group), expected.addresses().data());
    run(*kernel, got.addresses().data());
    const std::string difference = GroupMemory::difference(expected, got);
    EXPECT_EQ(difference, "") << describe(group);
    return true;
  }
  // Once with NaN, infinities and the like among the values, and once without: in long rows those
  // are everywhere, and hide the rest.
  void must_match(const Group& group) {
    for (const bool special : {true, false}) {
      EXPECT_TRUE(check(group, random_, special)) << "not emitted: " << describe(group);
    }
  }

  std::mt19937_64 random_{7};

 private:
  int before_ = thread_count();
};

INSTANTIATE_TEST_SUITE_P(Isas, EmitterTest, ::testing::Values(Isa::avx512, Isa::avx2),
                         [](const auto& isa) {
                           return isa.param == Isa::avx512 ? "avx512" : "avx2";
                         });

TEST_P(EmitterTest, RandomGroupsEqualTheInterpreter) {
  int emitted = 0;
  for (std::uint64_t seed = 0; seed < 6000 && !HasFailure(); ++seed) {
    GroupGenerator generator(seed);
    if (check(generator.make(4000), generator.random())) ++emitted;
  }
  EXPECT_GT(emitted, 600);
}

TEST_P(EmitterTest, LargeRandomGroupsEqualTheInterpreterWithOneAndTwoThreads) {
  int emitted = 0;
  for (std::uint64_t seed = 100000; seed < 100600 && !HasFailure(); ++seed) {
    set_thread_count(1 + static_cast<int>(seed % 2));
    GroupGenerator generator(seed);
    if (check(generator.make(300000), generator.random())) ++emitted;
  }
  EXPECT_GT(emitted, 50);
}

// One instruction of each kind and type, over values that include the special ones (GroupMemory's).
struct OpCase {
  ScalarOp op;
  Dtype type;    // of the result
  Dtype source;  // of the operands
  std::int64_t imm = 0;
};

std::vector<OpCase> all_ops() {
  std::vector<OpCase> cases;
  const Dtype f32 = Dtype::f32, f64 = Dtype::f64, i32 = Dtype::i32, i64 = Dtype::i64;
  const Dtype boolean = Dtype::boolean;
  for (const Dtype type : {f32, f64}) {
    for (const ScalarOp op :
         {ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::div, ScalarOp::fma, ScalarOp::neg,
          ScalarOp::abs, ScalarOp::sqrt, ScalarOp::round_even, ScalarOp::floor, ScalarOp::ceil,
          ScalarOp::trunc}) {
      cases.push_back({op, type, type});
    }
    for (const int quarters : {0, 1}) {
      cases.push_back({ScalarOp::wrap_angle, type, type, quarters});
    }
    cases.push_back({ScalarOp::bitcast, type, type == f32 ? i32 : i64});
  }
  cases.push_back({ScalarOp::bitcast, i32, f32});
  cases.push_back({ScalarOp::bitcast, i64, f64});
  for (const Dtype type : {i32, i64}) {
    for (const ScalarOp op : {ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::neg}) {
      cases.push_back({op, type, type});
    }
    for (const ScalarOp op :
         {ScalarOp::shift_left, ScalarOp::shift_right, ScalarOp::shift_right_logical}) {
      for (const int distance : {0, 1, 7, 31, 63}) {
        if (type == i64 || distance < 32) cases.push_back({op, type, type, distance});
      }
    }
  }
  for (const Dtype type : {i32, i64, boolean}) {
    for (const ScalarOp op :
         {ScalarOp::bit_and, ScalarOp::bit_or, ScalarOp::bit_xor, ScalarOp::bit_not}) {
      cases.push_back({op, type, type});
    }
  }
  for (const Dtype type : {f32, f64, i32, i64, boolean}) {
    for (const ScalarOp op : {ScalarOp::eq, ScalarOp::ne, ScalarOp::lt, ScalarOp::le}) {
      cases.push_back({op, boolean, type});
    }
    cases.push_back({ScalarOp::select, type, type});
    for (const Dtype from : {f32, f64, i32, i64, boolean, Dtype::u8}) {
      const bool bounded = is_floating(from) && (type == i32 || type == i64);
      if (from != type && !bounded) cases.push_back({ScalarOp::convert, type, from});
    }
  }
  for (const Dtype from : {i32, i64, boolean, Dtype::u8}) {
    cases.push_back({ScalarOp::convert, Dtype::u8, from});
  }
  return cases;
}

Group group_of(const OpCase& it, std::int64_t length) {
  Group group;
  group.space = Shape{length};
  BodyBuilder body(group);
  std::int32_t sources[3] = {-1, -1, -1};
  for (int i = 0; i < ir::operand_count(it.op); ++i) {
    const bool condition = it.op == ScalarOp::select && i == 0;
    sources[i] = body.load(condition ? Dtype::boolean : it.source, {1});
  }
  body.store(body.emit(it.op, it.type, sources[0], sources[1], sources[2], it.imm), {1});
  return group;
}

TEST_P(EmitterTest, EveryInstructionEqualsTheInterpreterAtEveryLengthUpTo70) {
  for (const OpCase& it : all_ops()) {
    for (std::int64_t length = 1; length <= 70 && !HasFailure(); ++length) {
      EXPECT_TRUE(check(group_of(it, length), random_));
    }
    // Many elements, so that every special value meets every other.
    check(group_of(it, 20000), random_);
  }
}

// a < b ? a : b and a < b ? b : a become one instruction each; what only looks like them must not.
TEST_P(EmitterTest, ChoicesOfTheSmallerAndTheLargerEqualTheInterpreter) {
  for (const Dtype type : {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64}) {
    for (const ScalarOp order : {ScalarOp::lt, ScalarOp::le}) {
      Group group;
      group.space = Shape{20000};  // so that every special value meets every other
      BodyBuilder body(group);
      const std::int32_t a = body.load(type, {1});
      const std::int32_t b = body.load(type, {1});
      const std::int32_t zero = body.constant(type, 0.0);
      for (const std::int32_t other : {b, zero}) {
        const std::int32_t less = body.emit(order, Dtype::boolean, a, other);
        body.store(body.emit(ScalarOp::select, type, less, a, other), {1});
        body.store(body.emit(ScalarOp::select, type, less, other, a), {1});
        body.store(body.emit(ScalarOp::select, type, less, other, b), {1});
      }
      must_match(group);
    }
  }
}

TEST_P(EmitterTest, AChoiceOfTheLargerIsOneInstruction) {
  Group group;
  group.space = Shape{64};
  BodyBuilder body(group);
  const std::int32_t x = body.load(Dtype::f32, {1});
  const std::int32_t zero = body.constant(0.0F);
  const std::int32_t negative = body.emit(ScalarOp::lt, Dtype::boolean, x, zero);
  body.store(body.emit(ScalarOp::select, Dtype::f32, negative, zero, x), {1});
  std::string listing;
  ASSERT_NE(emit_group_listing(group, GetParam(), &listing), nullptr);
  EXPECT_NE(listing.find("vmaxps"), std::string::npos);
  EXPECT_EQ(listing.find("vcmpps"), std::string::npos);
}

TEST_P(EmitterTest, FloatsThatFitConvertToIntegers) {
  for (const Dtype from : {Dtype::f32, Dtype::f64}) {
    for (const Dtype to : {Dtype::i32, Dtype::i64, Dtype::u8}) {
      Group group;
      group.space = Shape{333};
      BodyBuilder body(group);
      const std::int32_t x = body.load(from, {1});
      const std::int32_t high = body.constant(from, to == Dtype::i64 ? 9e18 : 250.0);
      const std::int32_t low = body.constant(from, to == Dtype::u8    ? 0.0
                                                   : to == Dtype::i64 ? -9e18
                                                                      : -2000.0);
      const std::int32_t above = body.emit(ScalarOp::lt, Dtype::boolean, low, x);
      const std::int32_t below = body.emit(ScalarOp::lt, Dtype::boolean, x, high);
      const std::int32_t fits = body.emit(ScalarOp::bit_and, Dtype::boolean, above, below);
      const std::int32_t safe = body.emit(ScalarOp::select, from, fits, x, high);
      body.store(body.emit(ScalarOp::convert, to, safe), {1});
      must_match(group);
    }
  }
}

TEST_P(EmitterTest, ReductionsOfEveryOperationAndTypeEqualTheInterpreterAtEveryLengthUpTo70) {
  for (const GroupKind kind : {GroupKind::inner, GroupKind::outer}) {
    for (const ScalarOp op : {ScalarOp::reduce_sum, ScalarOp::reduce_product, ScalarOp::reduce_max,
                              ScalarOp::reduce_min}) {
      for (const Dtype type : {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64}) {
        for (std::int64_t length = 1; length <= 70 && !HasFailure(); ++length) {
          for (const std::int64_t other : {std::int64_t{3}, 70 - length + 1}) {
            Group group;
            group.kind = kind;
            group.space = kind == GroupKind::inner ? Shape{other, length} : Shape{length, other};
            group.reduced_axes = 1;
            BodyBuilder body(group);
            const std::int64_t columns = group.space[1];
            const std::int32_t x = body.load(type, {columns, 1});
            const bool inner = kind == GroupKind::inner;
            body.store(body.emit(op, type, x), {inner ? 1 : 0, inner ? 0 : 1});
            body.store(body.emit(ScalarOp::add, type, x, x), {columns, 1});
            must_match(group);
          }
        }
      }
    }
  }
}

Group softmax(std::int64_t rows, std::int64_t columns) {
  Group group;
  group.kind = GroupKind::inner;
  group.space = Shape{rows, columns};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  const Dtype f32 = Dtype::f32;
  const std::int32_t x = body.load(f32, {columns, 1});
  const std::int32_t centered =
      body.emit(ScalarOp::sub, f32, x, body.emit(ScalarOp::reduce_max, f32, x));
  // Long enough that the emitter keeps it for the last pass.
  std::int32_t e = centered;
  for (int i = 0; i < 6; ++i) e = body.emit(ScalarOp::fma, f32, e, centered, body.constant(0.5F));
  const std::int32_t sum = body.emit(ScalarOp::reduce_sum, f32, e);
  body.store(body.emit(ScalarOp::div, f32, e, sum), {columns, 1});
  body.store(sum, {1, 0});
  return group;
}

TEST_P(EmitterTest, GroupsOfSeveralPassesEqualTheInterpreter) {
  for (const std::int64_t columns : {1, 3, 10, 16, 17, 100, 127, 128, 129, 300, 1024, 5000}) {
    must_match(softmax(7, columns));
  }
}

// Rows go through their passes several at a time; those that are left over, one by one. Each has
// values of its own from pass to pass, a place along its axis, and an operand and a result per row.
TEST_P(EmitterTest, AnyNumberOfRowsOfSeveralPassesEqualsTheInterpreter) {
  const Dtype f32 = Dtype::f32;
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    for (std::int64_t rows = 1; rows <= 11; ++rows) {
      for (const std::int64_t columns : {2, 19, 140, 900, 2500}) {
        Group group;
        group.kind = GroupKind::inner;
        group.space = Shape{3, rows, columns};
        group.reduced_axes = 1;
        BodyBuilder body(group);
        const std::int32_t shift = body.load(f32, {0, 1, 0});
        const std::int32_t at = body.emit(ScalarOp::convert, f32,
                                          body.emit(ScalarOp::index, Dtype::i32, -1, -1, -1, 1));
        const std::int32_t x =
            body.emit(ScalarOp::add, f32, body.load(f32, {rows * columns, columns, 1}),
                      body.emit(ScalarOp::fma, f32, at, shift, body.constant(0.25F)));
        std::int32_t far = x;
        for (int i = 0; i < 6; ++i) far = body.emit(ScalarOp::fma, f32, far, x, shift);
        const std::int32_t most = body.emit(ScalarOp::reduce_max, f32, far);
        const std::int32_t scaled = body.emit(ScalarOp::div, f32, far, most);
        const std::int32_t sum = body.emit(ScalarOp::reduce_sum, f32, scaled);
        body.store(body.emit(ScalarOp::sub, f32, scaled, sum), {rows * columns, columns, 1});
        body.store(body.emit(ScalarOp::add, f32, sum, most), {rows, 1, 0});
        must_match(group);
      }
    }
  }
}

TEST_P(EmitterTest, RowsOfSeveralChunksEqualTheInterpreter) {
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    for (const std::int64_t columns : {16383, 16384, 16385, 32768, 50000, 16384 * 5 + 1}) {
      must_match(softmax(1, columns));
      must_match(softmax(3, columns));
      Group group;
      group.kind = GroupKind::inner;
      group.space = Shape{columns};
      group.reduced_axes = 1;
      BodyBuilder body(group);
      const std::int32_t x = body.load(Dtype::f32, {1});
      const std::int32_t at = body.emit(ScalarOp::index, Dtype::i32, -1, -1, -1, 0);
      const std::int32_t weighted =
          body.emit(ScalarOp::mul, Dtype::f32, x, body.emit(ScalarOp::convert, Dtype::f32, at));
      body.store(body.emit(ScalarOp::reduce_sum, Dtype::f32, weighted), {0});
      must_match(group);
    }
  }
}

TEST_P(EmitterTest, OuterGroupsOfManyRowsEqualTheInterpreterWithOneAndTwoThreads) {
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    for (const std::int64_t rows : {1, 4, 255, 256, 257, 1031, 5000}) {
      for (const std::int64_t columns : {1, 5, 16, 31, 32, 63, 64, 100, 129}) {
        Group group;
        group.kind = GroupKind::outer;
        group.space = Shape{rows, columns};
        group.reduced_axes = 1;
        BodyBuilder body(group);
        const Dtype f32 = Dtype::f32;
        const std::int32_t x = body.load(f32, {columns, 1});
        const std::int32_t shift = body.load(f32, {0, 1});
        const std::int32_t root =
            body.emit(ScalarOp::sqrt, f32, body.emit(ScalarOp::abs, f32, shift));
        const std::int32_t y = body.emit(ScalarOp::fma, f32, x, root, shift);
        const std::int32_t sum = body.emit(ScalarOp::reduce_sum, f32, y);
        const std::int32_t most = body.emit(ScalarOp::reduce_max, f32, x);
        body.store(y, {columns, 1});
        body.store(body.emit(ScalarOp::div, f32, sum, body.constant(3.0F)), {0, 1});
        body.store(most, {0, 1});
        must_match(group);
      }
    }
  }
}

// AdamW-like: three outputs over three of four inputs, at every alignment.
TEST_P(EmitterTest, OutputsMayBeTheMemoryOfInputsAtAnyAlignment) {
  Group group;
  group.space = Shape{1000};
  BodyBuilder body(group);
  const Dtype f32 = Dtype::f32;
  const std::int32_t p = body.load(f32, {1});
  const std::int32_t g = body.load(f32, {1});
  const std::int32_t m = body.load(f32, {1});
  const std::int32_t rate = body.load(f32, {0});
  const std::int32_t m1 = body.emit(ScalarOp::fma, f32, m, rate, g);
  body.store(m1, {1});
  body.store(body.emit(ScalarOp::fma, f32, m1, rate, p), {1});
  body.store(body.emit(ScalarOp::sub, f32, g, m), {1});
  const std::unique_ptr<GroupKernel> kernel = emit_group(group, GetParam());
  ASSERT_NE(kernel, nullptr);
  constexpr int kLength = 1000;
  constexpr float kGuard = 12345.0F;
  for (int shift = 0; shift < 20; ++shift) {
    std::vector<std::vector<float>> memory(4, std::vector<float>(kLength + 64, kGuard));
    for (int i = 0; i < kLength; ++i) {
      for (int k = 0; k < 3; ++k) {
        memory[static_cast<std::size_t>(k)][static_cast<std::size_t>(shift + i)] =
            static_cast<float>(i * 7 % 31 + k);
      }
    }
    memory[3][0] = 0.25F;
    std::vector<std::vector<float>> expected = memory;
    for (std::size_t i = static_cast<std::size_t>(shift);
         i < kLength + static_cast<std::size_t>(shift); ++i) {
      const float m_now = std::fma(expected[2][i], 0.25F, expected[1][i]);
      const float p_now = std::fma(m_now, 0.25F, expected[0][i]);
      expected[1][i] -= expected[2][i];
      expected[2][i] = m_now;
      expected[0][i] = p_now;
    }
    float* const at[3] = {memory[0].data() + shift, memory[1].data() + shift,
                          memory[2].data() + shift};
    void* addresses[] = {at[0], at[1], at[2], memory[3].data(), at[2], at[0], at[1]};
    run(*kernel, addresses);
    EXPECT_EQ(memory, expected) << "shift " << shift;
  }
}

// Rows that go through their passes together are addressed by offsets of 32 bits.
TEST_P(EmitterTest, RowsTooFarApartForAnOffsetAreTakenOneByOne) {
  const auto length_of = [](std::int64_t stride) {
    Group group = softmax(8, 512);
    for (ir::GroupOperand& operand : group.operands) {
      if (operand.strides[1] == 1) operand.strides[0] = stride;
    }
    std::string listing;
    EXPECT_NE(emit_group_listing(group, GetParam(), &listing), nullptr);
    return listing.size();
  };
  EXPECT_LT(length_of(std::int64_t{1} << 29), length_of(512) * 2 / 3);
}

// A row's results over its own operands, where other rows are under way with it.
TEST_P(EmitterTest, RowsOfSeveralPassesMayBeStoredOverThemselves) {
  for (std::int64_t rows = 1; rows <= 11; ++rows) {
    for (const std::int64_t columns : {5, 64, 700}) {
      Group group = softmax(rows, columns);
      BodyBuilder body(group);
      const std::int32_t scale = body.load(Dtype::f32, {1, 0});
      // The row's sum, as softmax() has it.
      const auto found = std::find_if(group.body.begin(), group.body.end(),
                                      [](const auto& it) { return it.op == ScalarOp::reduce_sum; });
      const auto sum = static_cast<std::int32_t>(found - group.body.begin());
      body.store(body.emit(ScalarOp::mul, Dtype::f32, scale, sum), {1, 0});
      ir::verify(group);
      const std::unique_ptr<GroupKernel> kernel = emit_group(group, GetParam());
      ASSERT_NE(kernel, nullptr);
      GroupMemory expected(group, random_, false);
      GroupMemory got = expected;
      // The matrix over itself, the second row result over the scale.
      const auto in_place = [](GroupMemory& memory) {
        std::vector<void*> addresses = memory.addresses();
        addresses[1] = addresses[0];
        addresses[4] = addresses[3];
        return addresses;
      };
      run(*interpret_group(group), in_place(expected).data());
      run(*kernel, in_place(got).data());
      EXPECT_EQ(GroupMemory::difference(expected, got), "") << rows << " x " << columns;
    }
  }
}

TEST_P(EmitterTest, ALargeMapGivesTheSameBitsWithOneAndTwoThreads) {
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    for (const std::int64_t length : {100000, 262144, 1000001}) {
      Group group;
      group.space = Shape{length};
      BodyBuilder body(group);
      const std::int32_t x = body.load(Dtype::f32, {1});
      const std::int32_t at = body.emit(ScalarOp::index, Dtype::i64, -1, -1, -1, 0);
      const std::int32_t low = body.emit(ScalarOp::convert, Dtype::i32, at);
      body.store(
          body.emit(ScalarOp::mul, Dtype::f32, x, body.emit(ScalarOp::convert, Dtype::f32, low)),
          {1});
      body.store(body.emit(ScalarOp::lt, Dtype::boolean, x, body.constant(0.0F)), {1});
      must_match(group);
    }
  }
}

TEST_P(EmitterTest, MoreValuesThanRegistersAreSpilledAndComeBack) {
  Group group;
  group.space = Shape{500};
  BodyBuilder body(group);
  std::vector<std::int32_t> values;
  std::vector<std::int32_t> masks;
  for (int i = 0; i < 30; ++i) {
    values.push_back(body.load(Dtype::f32, {1}));
    values.push_back(body.emit(ScalarOp::sqrt, Dtype::f32, values.back()));
    masks.push_back(body.emit(ScalarOp::lt, Dtype::boolean, values.back(),
                              body.constant(static_cast<float>(i) * 0.1F)));
  }
  std::int32_t sum = values[0];
  for (std::size_t i = values.size(); i-- > 0;) {
    sum = body.emit(ScalarOp::fma, Dtype::f32, values[i], values[values.size() - 1 - i], sum);
  }
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const std::int32_t both =
        body.emit(ScalarOp::bit_xor, Dtype::boolean, masks[i], masks[masks.size() - 1 - i]);
    sum = body.emit(ScalarOp::select, Dtype::f32, both, sum, values[i]);
  }
  body.store(sum, {1});
  must_match(group);
}

// A spill that makes room for the result of a masked instruction must not be masked itself.
TEST_P(EmitterTest, ChoicesMadeWhileAllRegistersAreTakenSpillWholeVectors) {
  Group group;
  group.space = Shape{500};
  BodyBuilder body(group);
  std::vector<std::int32_t> values;
  for (int i = 0; i < 40; ++i) values.push_back(body.load(Dtype::f32, {1}));
  std::vector<std::int32_t> chosen;
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    const std::int32_t mask = body.emit(ScalarOp::lt, Dtype::boolean, values[i], values[i + 1]);
    chosen.push_back(
        body.emit(ScalarOp::select, Dtype::f32, mask, values[i], values[values.size() - 1 - i]));
    chosen.push_back(body.emit(ScalarOp::convert, Dtype::f32, mask));
  }
  std::int32_t sum = values[0];
  for (const std::int32_t value : values) sum = body.emit(ScalarOp::add, Dtype::f32, sum, value);
  for (const std::int32_t value : chosen) {
    sum = body.emit(ScalarOp::fma, Dtype::f32, sum, body.constant(0.5F), value);
  }
  body.store(sum, {1});
  must_match(group);
}

TEST_P(EmitterTest, WhatIsNotEmittedIsLeftToTheInterpreter) {
  Group strided;
  strided.space = Shape{10};
  BodyBuilder body(strided);
  body.store(body.load(Dtype::f32, {2}), {1});
  EXPECT_EQ(emit_group(strided, GetParam()), nullptr);
  Group empty;
  empty.space = Shape{0};
  BodyBuilder nothing(empty);
  nothing.store(nothing.load(Dtype::f32, {1}), {1});
  EXPECT_EQ(emit_group(empty, GetParam()), nullptr);
  EXPECT_NE(group_kernel(strided), nullptr);
}

// Sums over rows in f64, more than registers could hold.
Group many_sums(int count) {
  Group group;
  group.kind = GroupKind::outer;
  group.space = Shape{300, 40};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  const std::int32_t x = body.load(Dtype::f64, {40, 1});
  for (int i = 0; i < count; ++i) {
    const std::int32_t scaled =
        body.emit(ScalarOp::mul, Dtype::f64, x, body.constant(static_cast<double>(i) + 0.5));
    body.store(body.emit(ScalarOp::reduce_sum, Dtype::f64, scaled), {0, 1});
  }
  return group;
}

TEST_P(EmitterTest, MoreReductionsThanRegistersFoldInMemory) {
  must_match(many_sums(12));
  must_match(many_sums(40));
  // Passes that each read what the ones before have saved.
  Group group;
  group.kind = GroupKind::inner;
  group.space = Shape{5, 70};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  std::int32_t x = body.load(Dtype::f64, {70, 1});
  for (int i = 0; i < 30; ++i) {
    const std::int32_t fold =
        body.emit(i % 2 == 0 ? ScalarOp::reduce_sum : ScalarOp::reduce_max, Dtype::f64, x);
    x = body.emit(ScalarOp::sub, Dtype::f64, x, fold);
    body.store(fold, {1, 0});
  }
  must_match(group);
}

TEST_P(EmitterTest, AGroupThatIsNotEmittedSaysWhy) {
  const auto why = [](const Group& group) {
    const char* reason = "";
    const bool emitted = emit_group_listing(group, GetParam(), nullptr, &reason) != nullptr;
    EXPECT_EQ(emitted, std::string(reason).empty());
    return std::string(reason);
  };
  EXPECT_EQ(why(many_sums(120)), "it has too many operands and reductions");
  Group strided;
  strided.space = Shape{10};
  BodyBuilder body(strided);
  body.store(body.load(Dtype::f32, {2}), {1});
  EXPECT_EQ(why(strided), "an operand has gaps along the innermost axis");
}

TEST(GroupKernelReason, IsThereForInterpretedGroupsOnly) {
  const bool emits = group_target().emits;
  const auto kernel = group_kernel(many_sums(120));
  ASSERT_NE(kernel->interpreted_because(), nullptr);
  EXPECT_EQ(std::string(kernel->interpreted_because()),
            emits
                ? "it has too many operands and reductions"
                : "SINTER_ISA, SINTER_DISABLE, the processor or the system rules machine code out");
  EXPECT_EQ(group_kernel(softmax(5, 33))->interpreted_because() == nullptr, emits);
}

TEST_P(EmitterTest, TheListingShowsTheInstructions) {
  std::string listing;
  ASSERT_NE(emit_group_listing(softmax(4, 64), GetParam(), &listing), nullptr);
  EXPECT_NE(listing.find("vdivps"), std::string::npos);
  EXPECT_NE(listing.find("ret"), std::string::npos);
}

TEST(GroupKernelCache, EqualGroupsShareAKernelAndOtherGroupsDoNot) {
  const auto first = group_kernel(softmax(5, 33));
  EXPECT_EQ(first, group_kernel(softmax(5, 33)));
  EXPECT_NE(first, group_kernel(softmax(5, 34)));
}

TEST(GroupKernelCache, ForgetsTheLeastRecentlyUsedKernelButItStaysGood) {
  const auto group = [](std::int64_t length) {
    Group result;
    result.space = Shape{length};
    BodyBuilder body(result);
    body.store(body.load(Dtype::f32, {1}), {1});
    return result;
  };
  std::weak_ptr<const GroupKernel> forgotten = group_kernel(group(7));
  const auto held = group_kernel(group(8));
  for (std::size_t i = 0; i < limits::kGroupKernels; ++i) {
    group_kernel(group(100 + static_cast<std::int64_t>(i)));
  }
  EXPECT_TRUE(forgotten.expired());
  std::mt19937_64 random(3);
  GroupMemory memory(group(8), random);
  GroupMemory expected = memory;
  run(*held, memory.addresses().data());
  run(*interpret_group(group(8)), expected.addresses().data());
  EXPECT_EQ(GroupMemory::difference(memory, expected), "");
}

TEST(GroupTarget, FollowsTheSwitchAndTheProcessor) {
  EXPECT_FALSE(group_target_for(IsaChoice::interpreter, true, true).emits);
  EXPECT_FALSE(group_target_for(IsaChoice::automatic, false, false).emits);
  EXPECT_EQ(group_target_for(IsaChoice::automatic, true, true).isa, Isa::avx512);
  EXPECT_EQ(group_target_for(IsaChoice::automatic, true, false).isa, Isa::avx2);
  EXPECT_EQ(group_target_for(IsaChoice::avx2, true, true).isa, Isa::avx2);
  EXPECT_THROW(group_target_for(IsaChoice::avx512, true, false), Error);
  EXPECT_THROW(group_target_for(IsaChoice::avx2, false, false), Error);
}

TEST(CodeMemory, RefusesAHolderWithoutCode) {
  asmjit::CodeHolder holder;
  EXPECT_THROW(CodeMemory memory(&holder), Error);
}

TEST(FoldPartials, RefusesTypesThatAreNotReduced) {
  std::uint8_t values[2] = {};
  EXPECT_THROW(fold_partials(ScalarOp::reduce_sum, Dtype::u8, values, 2, 1, 0, 1),
               ir::InternalError);
}

}  // namespace
}  // namespace sinter::backend::cpu
