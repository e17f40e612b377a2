#include "ir/symbolic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "ir/evaluate.h"
#include "ir/internal_error.h"
#include "ir/math.h"

namespace sinter::ir {
namespace {

TEST(BodyBuilder, GivesEqualInstructionsOnePosition) {
  BodyBuilder builder;
  const auto x = builder.value<float>(builder.load(Dtype::f32, 0));
  const auto y = builder.value<float>(builder.load(Dtype::f32, 1));
  const std::int32_t first = builder.position(x * y + x);
  const std::size_t size = builder.body().size();
  EXPECT_EQ(builder.position(x * y + x), first);
  EXPECT_EQ(builder.body().size(), size);
  EXPECT_NE(builder.position(y * x + x), first) << "operands in another order are another value";
  EXPECT_EQ(builder.load(Dtype::f32, 1), builder.position(y));
}

TEST(BodyBuilder, DoesNotMergeStores) {
  BodyBuilder builder;
  const std::int32_t x = builder.load(Dtype::f32, 0);
  const ScalarInst store = {ScalarOp::store, Dtype::f32, x, -1, -1, 1};
  EXPECT_NE(builder.append(store), builder.append(store));
}

TEST(BodyBuilder, KeepsFindingInstructionsWhenItGrows) {
  BodyBuilder builder;
  std::vector<std::int32_t> positions;
  for (int i = 0; i < 1000; ++i) positions.push_back(builder.constant(static_cast<double>(i)));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(builder.constant(static_cast<double>(i)), positions[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(builder.body().size(), 1000u);
}

TEST(BodyBuilder, KeepsConstantsApartThatAreEqualButNotTheSame) {
  BodyBuilder builder;
  EXPECT_NE(builder.constant(0.0f), builder.constant(-0.0f));
  EXPECT_NE(builder.constant(1.0f), builder.constant(1.0));
  EXPECT_NE(builder.constant(std::int32_t{1}), builder.constant(std::int64_t{1}));
}

TEST(Sym, FoldsOnlyWhatIsAllLiterals) {
  BodyBuilder builder;
  using S = Sym<float>;
  const S folded = fma(S(3), S(0.25), S(1)) / S(7) - sqrt(S(2));
  ASSERT_TRUE(folded.is_literal());
  EXPECT_EQ(folded.literal(), std::fma(3.0f, 0.25f, 1.0f) / 7.0f - std::sqrt(2.0f));
  EXPECT_TRUE(builder.body().empty());
  const S x = builder.value<float>(builder.load(Dtype::f32, 0));
  EXPECT_FALSE((x * S(1)).is_literal());
  EXPECT_FALSE((x * S(0)).is_literal()) << "0 * NaN is NaN";
  EXPECT_FALSE((x - x).is_literal());
}

TEST(Sym, FoldsConstantsOfTheBodyToo) {
  BodyBuilder builder;
  const auto two = builder.value<double>(builder.constant(2.0));
  EXPECT_TRUE(two.is_literal());
  EXPECT_EQ((two * two).literal(), 4.0);
}

TEST(Sym, FoldsIntegersAsTheyWrap) {
  using S = Sym<std::int32_t>;
  const std::int32_t top = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ((S(top) + S(1)).literal(), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ((S(top) * S(top)).literal(), 1);
  EXPECT_EQ(shift_right(S(-8), 1).literal(), -4);
  EXPECT_EQ(shift_right_logical(S(-8), 1).literal(), 0x7FFFFFFC);
  EXPECT_EQ(shift_left(S(3), 31).literal(), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ((~S(0) ^ S(5)).literal(), -6);
  EXPECT_EQ(bits(Sym<float>(1.0f)).literal(), 0x3F800000);
  EXPECT_EQ(from_bits(Sym<std::int64_t>(0x3FF0000000000000)).literal(), 1.0);
}

TEST(Sym, ChoosesAtOnceByALiteralMask) {
  BodyBuilder builder;
  const auto x = builder.value<float>(builder.load(Dtype::f32, 0));
  const auto y = builder.value<float>(builder.load(Dtype::f32, 1));
  EXPECT_EQ(builder.position(select(Sym<bool>(true), x, y)), builder.position(x));
  EXPECT_EQ(builder.position(select(Sym<float>(1) < Sym<float>(0), x, y)), builder.position(y));
  EXPECT_EQ(builder.body().size(), 2u);
}

TEST(Sym, DecidesAndAndOrByALiteralMask) {
  BodyBuilder builder;
  using M = Sym<bool>;
  const M m = builder.value<bool>(builder.load(Dtype::boolean, 0));
  for (const bool literal : {false, true}) {
    for (const M& both : {m & M(literal), M(literal) & m}) {
      EXPECT_EQ(both.is_literal(), !literal);
      EXPECT_EQ(builder.position(both), builder.position(literal ? m : M(false)));
    }
    for (const M& either : {m | M(literal), M(literal) | m}) {
      EXPECT_EQ(either.is_literal(), literal);
      EXPECT_EQ(builder.position(either), builder.position(literal ? M(true) : m));
    }
  }
}

TEST(Sym, SelectsMasksByBitOperations) {
  for (int combination = 0; combination < 8; ++combination) {
    const bool m = combination & 1, a = combination & 2, b = combination & 4;
    BodyBuilder builder;
    const auto mask = [&](int i) { return builder.value<bool>(builder.load(Dtype::boolean, i)); };
    const std::int32_t result = builder.position(select(mask(0), mask(1), mask(2)));
    for (const ScalarInst& instruction : builder.body()) {
      EXPECT_NE(instruction.op, ScalarOp::select);
    }
    const Value inputs[] = {to_value(m), to_value(a), to_value(b)};
    const std::vector<Value> values = evaluate(builder.body(), inputs);
    EXPECT_EQ(from_value<bool>(values[static_cast<std::size_t>(result)]), m ? a : b);
  }
}

TEST(Scalar, ConvertsWithoutUndefinedBehaviour) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::int32_t low = std::numeric_limits<std::int32_t>::min();
  EXPECT_EQ(scalar::convert<std::int32_t>(nan), low);
  EXPECT_EQ(scalar::convert<std::int32_t>(2147483648.0f), low);
  EXPECT_EQ(scalar::convert<std::int32_t>(-2147483648.0f), low);
  EXPECT_EQ(scalar::convert<std::int32_t>(2147483647.0), 2147483647);
  EXPECT_EQ(scalar::convert<std::int32_t>(2147483648.0), low);
  EXPECT_EQ(scalar::convert<std::int32_t>(-1.9f), -1);
  EXPECT_EQ(scalar::convert<std::int64_t>(9223372036854775808.0),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(scalar::convert<float>(std::int32_t{16777217}), 16777216.0f);
  EXPECT_EQ(scalar::convert<std::int32_t>(std::int64_t{0x100000005}), 5);
  EXPECT_TRUE(scalar::convert<bool>(nan));
  EXPECT_FALSE(scalar::convert<bool>(-0.0f));
}

TEST(Scalar, NamesEveryInstruction) {
  EXPECT_EQ(name_of(ScalarOp::load), "load");
  EXPECT_EQ(name_of(ScalarOp::reduce_max), "reduce_max");
  EXPECT_EQ(name_of(ScalarOp::store), "store");
  EXPECT_EQ(operand_count(ScalarOp::fma), 3);
  EXPECT_EQ(operand_count(ScalarOp::shift_left), 1);
  EXPECT_EQ(operand_count(ScalarOp::constant), 0);
}

TEST(Evaluate, ReadsLoadsIndicesAndConstants) {
  BodyBuilder builder;
  const std::int32_t row = builder.append({ScalarOp::index, Dtype::i64, -1, -1, -1, 1});
  const auto sum = builder.value<std::int64_t>(row) + Sym<std::int64_t>(-3);
  const std::int32_t result = builder.position(sum);
  const std::int64_t indices[] = {5, 40};
  const std::vector<Value> values = evaluate(builder.body(), {}, indices);
  EXPECT_EQ(from_value<std::int64_t>(values[static_cast<std::size_t>(result)]), 37);
}

TEST(Evaluate, RejectsWhatBreaksARule) {
  const Value one[] = {to_value(1.0f)};
  const ScalarInst load = {ScalarOp::load, Dtype::f32, -1, -1, -1, 0};
  const auto rejects = [&](const ScalarBody& body) {
    EXPECT_THROW(evaluate(body, one), InternalError);
  };
  rejects({{ScalarOp::load, Dtype::f64, -1, -1, -1, 0}});
  rejects({{ScalarOp::load, Dtype::f32, -1, -1, -1, 1}});
  rejects({{ScalarOp::index, Dtype::i64, -1, -1, -1, 0}});
  rejects({load, {ScalarOp::neg, Dtype::f32, 1, -1, -1, 0}});
  rejects({load, {ScalarOp::neg, Dtype::f32, -1, -1, -1, 0}});
  rejects({load, {ScalarOp::neg, Dtype::f64, 0, -1, -1, 0}});
  rejects({load, {ScalarOp::bit_not, Dtype::f32, 0, -1, -1, 0}});
  rejects({load, {ScalarOp::bitcast, Dtype::i64, 0, -1, -1, 0}});
  rejects({load, {ScalarOp::select, Dtype::f32, 0, 0, 0, 0}});
  rejects({load, {ScalarOp::reduce_sum, Dtype::f32, 0, -1, -1, 0}});
  rejects({load, {ScalarOp::convert, Dtype::u8, 0, -1, -1, 0}});
  rejects({load, {ScalarOp::store, Dtype::f64, 0, -1, -1, 1}});
  EXPECT_THROW(from_value<double>(one[0]), InternalError);
}

}  // namespace
}  // namespace sinter::ir
