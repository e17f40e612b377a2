#include "ir/pointwise.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/half.h"
#include "ir/evaluate.h"
#include "ir/internal_error.h"
#include "ir/pointwise_table.h"

namespace sinter::ir {
namespace {

// --- The list and the table ---

TEST(PointwiseTable, HasNoHole) {
  EXPECT_GE(kPointwiseCount, 40);
  std::set<std::string> names;
  for (const PointwiseOp& op : pointwise_ops()) {
    ASSERT_NE(op.name, nullptr);
    EXPECT_TRUE(names.insert(op.name).second) << op.name << " is there twice";
    EXPECT_FALSE(std::string(op.doc).empty()) << op.name;
    EXPECT_GE(op.arity, 1);
    EXPECT_LE(op.arity, 3);
    EXPECT_NE(op.append, nullptr) << op.name;
    EXPECT_EQ(find_pointwise_op(op.name), &op);
  }
  EXPECT_STREQ(pointwise_op(PointwiseId::multiply_add).name, "multiply_add");
  EXPECT_EQ(find_pointwise_op("expp"), nullptr);
}

std::int32_t append_on_loads(const PointwiseOp& op, BodyBuilder& builder, Dtype dtype) {
  std::array<std::int32_t, 3> inputs{};
  for (int i = 0; i < op.arity; ++i) {
    const bool mask = op.mask_first && i == 0;
    inputs[static_cast<std::size_t>(i)] = builder.load(mask ? Dtype::boolean : dtype, i);
  }
  return op.append(builder, dtype, inputs.data());
}

TEST(PointwiseTable, GivesTheResultTypeForEveryTypeThatItTakesAndRejectsTheOthers) {
  for (const PointwiseOp& op : pointwise_ops()) {
    for (int i = 0; i < kDtypeCount; ++i) {
      const Dtype dtype = static_cast<Dtype>(i);
      BodyBuilder builder;
      if (takes(op, dtype)) {
        const std::int32_t result = append_on_loads(op, builder, dtype);
        EXPECT_EQ(builder.type_of(result), result_dtype(op, dtype)) << op.name << name_of(dtype);
      } else {
        EXPECT_THROW(append_on_loads(op, builder, dtype), InternalError) << op.name;
      }
    }
  }
}

TEST(PointwiseTable, TakesTheTypesThatTheRulesName) {
  EXPECT_TRUE(dtypes_of(Accepts::floating).has(Dtype::bf16));
  EXPECT_FALSE(dtypes_of(Accepts::floating).has(Dtype::i32));
  EXPECT_TRUE(dtypes_of(Accepts::number).has(Dtype::u8));
  EXPECT_FALSE(dtypes_of(Accepts::number).has(Dtype::boolean));
  EXPECT_TRUE(dtypes_of(Accepts::integer).has(Dtype::i64));
  EXPECT_FALSE(dtypes_of(Accepts::integer).has(Dtype::f32));
  EXPECT_FALSE(dtypes_of(Accepts::boolean).has(Dtype::u8));
  EXPECT_TRUE(dtypes_of(Accepts::any).has(Dtype::boolean));
}

// Bodies must stay small enough to stream; the counts go into the test log.
TEST(PointwiseTable, KeepsTheCheapOpsCheap) {
  const auto count = [](const PointwiseOp& op, Dtype dtype) {
    BodyBuilder builder;
    append_on_loads(op, builder, dtype);
    int instructions = 0;
    for (const ScalarInst& instruction : builder.body()) {
      const bool free = instruction.op == ScalarOp::load || instruction.op == ScalarOp::constant ||
                        instruction.op == ScalarOp::bitcast;
      instructions += free ? 0 : 1;
    }
    return instructions;
  };
  for (const PointwiseOp& op : pointwise_ops()) {
    if (!takes(op, Dtype::f32)) continue;
    std::printf("%-14s f32 %3d  f64 %3d\n", op.name, count(op, Dtype::f32), count(op, Dtype::f64));
  }
  EXPECT_LE(count(pointwise_op(PointwiseId::exp), Dtype::f32), 20);
  EXPECT_LE(count(pointwise_op(PointwiseId::tanh), Dtype::f32), 22);
  EXPECT_LE(count(pointwise_op(PointwiseId::gelu), Dtype::f32), 24);
  EXPECT_LE(count(pointwise_op(PointwiseId::sigmoid), Dtype::f32), 24);
}

// --- Symbolic == real ---

template <class T>
std::vector<T> samples() {
  if constexpr (std::is_same_v<T, bool>) {
    return {false, true};
  } else if constexpr (scalar::RealInteger<T>) {
    using Limits = std::numeric_limits<T>;
    return {0, 1, -1, 2, 7, -13, 255, 256, 46341, Limits::max(), Limits::min(), Limits::max() - 1};
  } else {
    using Limits = std::numeric_limits<T>;
    return {T(0),
            T(-0.0),
            T(1),
            T(-1),
            T(0.5),
            T(-0.5),
            T(2.5),
            T(-3.7),
            T(0.1),
            T(-0.3),
            T(11),
            T(-17.25),
            T(88.6),
            T(-88.1),
            T(-95),
            T(1e-3),
            T(-1e-6),
            T(1e6),
            T(-1e9),
            T(3.2e33),
            Limits::min(),
            -Limits::min(),
            Limits::denorm_min(),
            -5 * Limits::denorm_min(),
            Limits::max(),
            Limits::lowest(),
            Limits::infinity(),
            -Limits::infinity(),
            Limits::quiet_NaN()};
  }
}

bool same_bits(Value a, Value b) {
  return a.dtype == b.dtype && (a.bits == b.bits || (is_nan(a) && is_nan(b)));
}

template <class T>
void expect_same(const PointwiseOp& op, const ScalarBody& body, std::int32_t result, T expected,
                 std::span<const Value> inputs) {
  const Value got = evaluate(body, inputs)[static_cast<std::size_t>(result)];
  const Value want = to_value(expected);
  ASSERT_TRUE(same_bits(got, want))
      << op.name << " of " << name_of(inputs[inputs.size() - 1].dtype) << std::hex << " bits "
      << inputs[0].bits << " gives " << got.bits << ", not " << want.bits;
}

template <class Op, int arity, class T>
void compare_with_real(const PointwiseOp& op) {
  if (!takes(op, dtype_of<T>)) return;
  if constexpr ((Op::accepts == Accepts::floating && !scalar::RealFloat<T>) ||
                (Op::accepts == Accepts::number && !scalar::RealNumber<T>) ||
                (Op::accepts == Accepts::boolean && !std::is_same_v<T, bool>)) {
    FAIL() << op.name << " accepts what its struct does not";
  } else {
    BodyBuilder builder;
    const std::int32_t result = append_on_loads(op, builder, dtype_of<T>);
    const auto check = [&](auto expected, auto... inputs) {
      const Value values[] = {to_value(inputs)...};
      expect_same(op, builder.body(), result, expected, values);
    };
    for (const T a : samples<T>()) {
      if constexpr (arity == 1) {
        check(Op::forward(a), a);
      } else {
        for (const T b : samples<T>()) {
          if constexpr (arity == 2) {
            check(Op::forward(a, b), a, b);
          } else if constexpr (requires { Op::mask_first; }) {
            check(Op::forward(true, a, b), true, a, b);
            check(Op::forward(false, a, b), false, a, b);
          } else {
            for (const T c : samples<T>()) check(Op::forward(a, b, c), a, b, c);
          }
        }
      }
    }
  }
}

template <class Op, int arity>
void compare_all_types(const char* name) {
  const PointwiseOp& op = *find_pointwise_op(name);
  ASSERT_EQ(op.arity, arity);
  compare_with_real<Op, arity, float>(op);
  compare_with_real<Op, arity, double>(op);
  compare_with_real<Op, arity, std::int32_t>(op);
  compare_with_real<Op, arity, std::int64_t>(op);
  compare_with_real<Op, arity, bool>(op);
}

TEST(Pointwise, TheSymbolicOpComputesTheBitsOfTheRealOne) {
#define SINTER_UNARY(Struct, function) compare_all_types<pointwise::Struct, 1>(#function);
#define SINTER_BINARY(Struct, function) compare_all_types<pointwise::Struct, 2>(#function);
#define SINTER_TERNARY(Struct, function) compare_all_types<pointwise::Struct, 3>(#function);
  SINTER_POINTWISE_OPS(SINTER_UNARY, SINTER_BINARY, SINTER_TERNARY)
#undef SINTER_UNARY
#undef SINTER_BINARY
#undef SINTER_TERNARY
}

Value evaluate_op(PointwiseId id, Dtype dtype, std::vector<Value> inputs) {
  BodyBuilder builder;
  const std::int32_t result = append_on_loads(pointwise_op(id), builder, dtype);
  return evaluate(builder.body(), inputs)[static_cast<std::size_t>(result)];
}

TEST(Pointwise, StorageTypesRoundAfterEveryOp) {
  const auto bf16 = [](float x) { return Value{Dtype::bf16, bf16_from_f32(x)}; };
  const auto f16 = [](float x) { return Value{Dtype::f16, f16_from_f32(x)}; };
  EXPECT_EQ(evaluate_op(PointwiseId::add, Dtype::bf16, {bf16(256), bf16(1)}), bf16(256));
  EXPECT_EQ(evaluate_op(PointwiseId::add, Dtype::f16, {f16(2048), f16(1)}), f16(2048));
  EXPECT_EQ(evaluate_op(PointwiseId::exp, Dtype::f16, {f16(12)}).bits, 0x7C00u);
  EXPECT_EQ(evaluate_op(PointwiseId::less, Dtype::bf16, {bf16(1), bf16(2)}), to_value(true));
}

TEST(Pointwise, BytesWrap) {
  const auto byte = [](int x) { return to_value(static_cast<std::uint8_t>(x)); };
  EXPECT_EQ(evaluate_op(PointwiseId::add, Dtype::u8, {byte(250), byte(10)}), byte(4));
  EXPECT_EQ(evaluate_op(PointwiseId::subtract, Dtype::u8, {byte(3), byte(5)}), byte(254));
  EXPECT_EQ(evaluate_op(PointwiseId::multiply, Dtype::u8, {byte(16), byte(17)}), byte(16));
  EXPECT_EQ(evaluate_op(PointwiseId::less, Dtype::u8, {byte(3), byte(200)}), to_value(true));
  EXPECT_EQ(evaluate_op(PointwiseId::where, Dtype::u8, {to_value(false), byte(1), byte(9)}),
            byte(9));
}

TEST(Pointwise, NanPassesThroughChoices) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(pointwise::Maximum::forward(nan, 1.0f)));
  EXPECT_TRUE(std::isnan(pointwise::Maximum::forward(1.0f, nan)));
  EXPECT_TRUE(std::isnan(pointwise::Minimum::forward(nan, 1.0f)));
  EXPECT_TRUE(std::isnan(pointwise::Minimum::forward(1.0f, nan)));
  EXPECT_TRUE(std::isnan(pointwise::Relu::forward(nan)));
  EXPECT_TRUE(std::isnan(pointwise::Clamp::forward(nan, 0.0f, 1.0f)));
  EXPECT_TRUE(std::isnan(pointwise::Sign::forward(nan)));
  for (const float a : samples<float>()) {
    for (const float b : samples<float>()) {
      const float larger = std::isnan(a) ? a : std::isnan(b) ? b : a < b ? b : a;
      const float smaller = std::isnan(a) ? a : std::isnan(b) ? b : b < a ? b : a;
      EXPECT_TRUE(same_bits(to_value(pointwise::Maximum::forward(a, b)), to_value(larger)))
          << a << b;
      EXPECT_TRUE(same_bits(to_value(pointwise::Minimum::forward(a, b)), to_value(smaller)));
    }
  }
  EXPECT_EQ(pointwise::Clamp::forward(5.0f, 0.0f, 1.0f), 1.0f);
  EXPECT_EQ(pointwise::Clamp::forward(-5, 0, 1), 0);
}

}  // namespace
}  // namespace sinter::ir
