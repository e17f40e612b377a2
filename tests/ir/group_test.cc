#include "ir/group.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::ir {
namespace {

using Strides = std::vector<std::int64_t>;

ScalarInst inst(ScalarOp op, Dtype type, std::int32_t a = -1, std::int32_t b = -1,
                std::int32_t c = -1, std::int64_t imm = 0) {
  return {op, type, a, b, c, imm};
}
ScalarInst load(Dtype type, std::int64_t operand) {
  return inst(ScalarOp::load, type, -1, -1, -1, operand);
}
ScalarInst store(Dtype type, std::int32_t value, std::int64_t operand) {
  return inst(ScalarOp::store, type, value, -1, -1, operand);
}
ScalarInst float_constant(float value) {
  return inst(ScalarOp::constant, Dtype::f32, -1, -1, -1, std::bit_cast<std::int32_t>(value));
}

// Copies operand 0 to operand 1 over a space with these strides.
Group copy_group(const Shape& space, Strides in, Strides out) {
  Group group;
  group.space = space;
  group.operands = {{Dtype::f32, false, std::move(in)}, {Dtype::f32, true, std::move(out)}};
  group.body = {load(Dtype::f32, 0), store(Dtype::f32, 0, 1)};
  return group;
}

// The sum of operand 0 over the reduced axes, into operand 1.
Group sum_group(GroupKind kind, const Shape& space, int reduced, Strides in, Strides out) {
  Group group = copy_group(space, std::move(in), std::move(out));
  group.kind = kind;
  group.reduced_axes = reduced;
  group.body = {load(Dtype::f32, 0), inst(ScalarOp::reduce_sum, Dtype::f32, 0),
                store(Dtype::f32, 1, 1)};
  return group;
}

TEST(GroupCollapse, MakesAContiguousMapOneAxis) {
  const Group group = collapse(copy_group({2, 3, 4}, {12, 4, 1}, {12, 4, 1}));
  EXPECT_EQ(group.space, Shape({24}));
  EXPECT_EQ(group.operands[0].strides, Strides({1}));
  EXPECT_EQ(group.operands[1].strides, Strides({1}));
}

TEST(GroupCollapse, DropsAxesOfLengthOneEvenBetweenAxesThatMerge) {
  const Group group = collapse(copy_group({1, 3, 1, 4, 1}, {7, 4, 99, 1, 5}, {0, 4, 0, 1, 0}));
  EXPECT_EQ(group.space, Shape({12}));
  EXPECT_EQ(group.operands[0].strides, Strides({1}));
}

TEST(GroupCollapse, KeepsAxesApartThatABroadcastOperandSeparates) {
  // A bias over the innermost axis: the two outer axes still merge.
  const Group group = collapse(copy_group({2, 3, 4}, {0, 0, 1}, {12, 4, 1}));
  EXPECT_EQ(group.space, Shape({6, 4}));
  EXPECT_EQ(group.operands[0].strides, Strides({0, 1}));
  EXPECT_EQ(group.operands[1].strides, Strides({4, 1}));
}

TEST(GroupCollapse, MergesAxesThatEveryOperandBroadcastsAlongTogether) {
  const Group group = collapse(copy_group({5, 3, 4}, {1, 0, 0}, {12, 4, 1}));
  EXPECT_EQ(group.space, Shape({5, 12}));
  EXPECT_EQ(group.operands[0].strides, Strides({1, 0}));
}

TEST(GroupCollapse, KeepsTransposedAndPaddedAxes) {
  EXPECT_EQ(collapse(copy_group({3, 4}, {1, 3}, {4, 1})).space, Shape({3, 4}));
  EXPECT_EQ(collapse(copy_group({3, 4}, {5, 1}, {4, 1})).space, Shape({3, 4}));
  // A stride throughout, and a flipped tensor, do chain.
  EXPECT_EQ(collapse(copy_group({3, 4}, {8, 2}, {4, 1})).space, Shape({12}));
  const Group flipped = collapse(copy_group({3, 4}, {-4, -1}, {4, 1}));
  EXPECT_EQ(flipped.space, Shape({12}));
  EXPECT_EQ(flipped.operands[0].strides, Strides({-1}));
}

TEST(GroupCollapse, DoesNotMergeAReducedAxisWithAKeptOne) {
  const Group inner =
      collapse(sum_group(GroupKind::inner, {2, 3, 4, 5}, 2, {60, 20, 5, 1}, {3, 1, 0, 0}));
  EXPECT_EQ(inner.space, Shape({6, 20}));
  EXPECT_EQ(inner.reduced_axes, 1);
  EXPECT_EQ(inner.operands[1].strides, Strides({1, 0}));
  const Group outer =
      collapse(sum_group(GroupKind::outer, {2, 3, 4, 5}, 3, {60, 20, 5, 1}, {0, 0, 0, 1}));
  EXPECT_EQ(outer.space, Shape({24, 5}));
  EXPECT_EQ(outer.reduced_axes, 1);
  EXPECT_EQ(outer.reduced_elements(), 24);
  EXPECT_EQ(outer.kept_elements(), 5);
}

TEST(GroupCollapse, KeepsTheKindWhenAllReducedAxesHaveLengthOne) {
  const Group group = collapse(sum_group(GroupKind::inner, {3, 1}, 1, {1, 1}, {1, 0}));
  EXPECT_EQ(group.kind, GroupKind::inner);
  EXPECT_EQ(group.reduced_axes, 0);
  EXPECT_EQ(group.reduced_elements(), 1);
  EXPECT_NO_THROW(verify(group));
}

TEST(GroupCollapse, KeepsAnIndexedAxisApartAndRenumbersIt) {
  Group group = copy_group({1, 2, 3, 4}, {24, 12, 4, 1}, {24, 12, 4, 1});
  group.body.push_back(inst(ScalarOp::index, Dtype::i64, -1, -1, -1, 2));
  const Group collapsed = collapse(group);
  EXPECT_EQ(collapsed.space, Shape({2, 3, 4}));
  EXPECT_EQ(collapsed.body.back().imm, 1);
  group.body.back().imm = 0;  // an indexed axis of length 1 stays
  EXPECT_EQ(collapse(group).space, Shape({1, 24}));
  EXPECT_EQ(collapse(group).body.back().imm, 0);
}

TEST(GroupCollapse, OfAScalarHasNoAxes) {
  EXPECT_EQ(collapse(copy_group({}, {}, {})).space.rank(), 0);
  EXPECT_EQ(collapse(copy_group({1, 1}, {3, 3}, {1, 1})).space.rank(), 0);
}

// Every element's addresses, in row-major order.
std::vector<Strides> addresses(const Group& group) {
  std::vector<Strides> result;
  const std::int64_t elements = group.space.elements();
  for (std::int64_t position = 0; position < elements; ++position) {
    Strides& row = result.emplace_back(group.operands.size(), 0);
    std::int64_t rest = position;
    for (int axis = group.space.rank(); axis-- > 0;) {
      const std::int64_t coordinate = rest % group.space[axis];
      rest /= group.space[axis];
      for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] += coordinate * group.operands[i].strides[static_cast<std::size_t>(axis)];
      }
    }
  }
  return result;
}

TEST(GroupCollapse, NeverChangesWhichElementsMeetNorTheirOrder) {
  std::mt19937_64 random(11);
  const auto below = [&](std::uint64_t limit) {
    return static_cast<std::int64_t>(random() % limit);
  };
  for (int round = 0; round < 2000; ++round) {
    Group group;
    std::vector<std::int64_t> lengths;
    const std::int64_t rank = below(6);
    for (std::int64_t axis = 0; axis < rank; ++axis)
      lengths.push_back(below(12) == 0 ? 0 : 1 + below(4));
    group.space = Shape(lengths);
    group.kind = static_cast<GroupKind>(below(3));
    if (group.kind != GroupKind::map)
      group.reduced_axes = static_cast<int>(below(static_cast<std::uint64_t>(rank) + 1));
    for (int i = 0; i < 3; ++i) {
      Strides strides(lengths.size(), 0);
      std::int64_t step = 1;
      for (std::size_t axis = lengths.size(); axis-- > 0;) {
        if (below(4) == 0) continue;
        strides[axis] = step;
        step *= lengths[axis] + (below(6) == 0 ? 1 : 0);
      }
      group.operands.push_back({Dtype::f32, false, strides});
    }
    const Group collapsed = collapse(group);
    ASSERT_EQ(addresses(group), addresses(collapsed)) << to_text(group);
    ASSERT_EQ(group.reduced_elements(), collapsed.reduced_elements()) << to_text(group);
    ASSERT_EQ(group.kept_elements(), collapsed.kept_elements()) << to_text(group);
    ASSERT_EQ(collapsed, collapse(collapsed)) << to_text(group);
  }
}

TEST(GroupAnalysis, SaysWhatVariesAlongTheReducedAxes) {
  Group group = sum_group(GroupKind::inner, {3, 4}, 1, {4, 1}, {1, 0});
  group.operands.push_back({Dtype::f32, false, {1, 0}});
  group.operands.push_back({Dtype::f32, true, {4, 1}});
  group.body = {load(Dtype::f32, 0),
                load(Dtype::f32, 2),
                inst(ScalarOp::index, Dtype::i64, -1, -1, -1, 0),
                inst(ScalarOp::index, Dtype::i64, -1, -1, -1, 1),
                float_constant(2.0F),
                inst(ScalarOp::add, Dtype::f32, 1, 4),
                inst(ScalarOp::mul, Dtype::f32, 0, 5),
                inst(ScalarOp::reduce_sum, Dtype::f32, 6),
                inst(ScalarOp::sub, Dtype::f32, 7, 1),
                store(Dtype::f32, 8, 1),
                store(Dtype::f32, 8, 3)};
  EXPECT_NO_THROW(verify(group));
  EXPECT_EQ(varies_along_reduced(group),
            (std::vector<std::uint8_t>{1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(passes(group), (std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}));
  // In a map everything but constants counts as varying.
  Group map = copy_group({3}, {0}, {1});
  map.body.push_back(float_constant(1.0F));
  EXPECT_EQ(varies_along_reduced(map), (std::vector<std::uint8_t>{1, 1, 0}));
}

TEST(GroupAnalysis, TreatsReducedAxesOfLengthOneAsFixedAndOfLengthZeroAsVarying) {
  EXPECT_EQ(varies_along_reduced(sum_group(GroupKind::inner, {3, 1}, 1, {4, 1}, {1, 0}))[0], 0);
  EXPECT_EQ(varies_along_reduced(sum_group(GroupKind::inner, {3, 0}, 1, {4, 1}, {1, 0}))[0], 1);
}

TEST(GroupAnalysis, CountsPassesThroughChainsOfReductions) {
  Group group = sum_group(GroupKind::inner, {3, 4}, 1, {4, 1}, {4, 1});
  group.body = {load(Dtype::f32, 0),
                inst(ScalarOp::reduce_max, Dtype::f32, 0),
                inst(ScalarOp::sub, Dtype::f32, 0, 1),
                inst(ScalarOp::reduce_sum, Dtype::f32, 2),
                inst(ScalarOp::div, Dtype::f32, 2, 3),
                store(Dtype::f32, 4, 1)};
  EXPECT_NO_THROW(verify(group));
  EXPECT_EQ(passes(group), (std::vector<int>{0, 0, 1, 1, 2, 2}));
}

// A group that uses most of what there is.
Group rich_group() {
  Group group = sum_group(GroupKind::inner, {3, 4}, 1, {4, 1}, {1, 0});
  group.operands.push_back({Dtype::bf16, false, {-4, 0}});
  group.operands.push_back({Dtype::u8, true, {4, 1}});
  group.body = {
      load(Dtype::f32, 0),
      load(Dtype::bf16, 2),
      inst(ScalarOp::convert, Dtype::f32, 1),
      float_constant(-0.1F),
      inst(ScalarOp::fma, Dtype::f32, 0, 2, 3),
      inst(ScalarOp::bitcast, Dtype::i32, 4),
      inst(ScalarOp::shift_right_logical, Dtype::i32, 5, -1, -1, 31),
      inst(ScalarOp::index, Dtype::i32, -1, -1, -1, 1),
      inst(ScalarOp::lt, Dtype::boolean, 6, 7),
      inst(ScalarOp::bit_not, Dtype::boolean, 8),
      inst(ScalarOp::select, Dtype::i32, 9, 6, 7),
      inst(ScalarOp::convert, Dtype::u8, 10),
      store(Dtype::u8, 11, 3),
      inst(ScalarOp::reduce_min, Dtype::f32, 4),
      store(Dtype::f32, 13, 1),
  };
  return group;
}

TEST(GroupVerify, AcceptsARichGroup) { EXPECT_NO_THROW(verify(rich_group())); }

TEST(GroupVerify, RejectsEachBrokenRule) {
  struct Case {
    const char* message;
    std::function<void(Group&)> damage;
  };
  const auto at = [](Group& group, std::size_t i) -> ScalarInst& { return group.body[i]; };
  const std::vector<Case> cases = {
      {"3 reduced axes in a space of rank 2", [](Group& g) { g.reduced_axes = 3; }},
      {"-1 reduced axes", [](Group& g) { g.reduced_axes = -1; }},
      {"a map has reduced axes", [](Group& g) { g.kind = GroupKind::map; }},
      {"has 1 strides in a space of rank 2", [](Group& g) { g.operands[0].strides.pop_back(); }},
      {"stride 0 along the kept axis 0", [](Group& g) { g.operands[1].strides[0] = 0; }},
      {"no such operation", [&](Group& g) { at(g, 4).op = static_cast<ScalarOp>(200); }},
      {"no such type", [&](Group& g) { at(g, 4).type = static_cast<Dtype>(9); }},
      {"an unused operand is not -1", [&](Group& g) { at(g, 2).b = 0; }},
      {"an operand is not an earlier instruction", [&](Group& g) { at(g, 2).a = 2; }},
      {"an operand is not an earlier instruction", [&](Group& g) { at(g, 2).a = -1; }},
      {"an operand is a store", [&](Group& g) { at(g, 13).a = 12; }},
      {"there is no such group operand", [&](Group& g) { at(g, 0).imm = 4; }},
      {"there is no such group operand", [&](Group& g) { at(g, 0).imm = -1; }},
      {"loads an output operand", [&](Group& g) { at(g, 0).imm = 1; }},
      {"stores into an operand that is not an output", [&](Group& g) { at(g, 14).imm = 0; }},
      {"the type differs from the group operand's", [&](Group& g) { at(g, 0).imm = 2; }},
      {"a second store into the same output", [](Group& g) { g.body.push_back(g.body.back()); }},
      {"output operand 1 is never stored", [](Group& g) { g.body.pop_back(); }},
      {"there is no such axis", [&](Group& g) { at(g, 7).imm = 2; }},
      {"there is no such axis", [&](Group& g) { at(g, 7).imm = -1; }},
      {"an index is i32 or i64", [&](Group& g) { at(g, 7).type = Dtype::f32; }},
      {"too long for an i32 index", [](Group& g) { g.space.set(1, std::int64_t{1} << 31); }},
      {"an unused imm is not 0", [&](Group& g) { at(g, 4).imm = 1; }},
      {"below the number of bits", [&](Group& g) { at(g, 6).imm = 32; }},
      {"below the number of bits", [&](Group& g) { at(g, 6).imm = -1; }},
      {"a boolean is not 0 or 1",
       [](Group& g) { g.body.push_back(inst(ScalarOp::constant, Dtype::boolean, -1, -1, -1, 2)); }},
      {"not sign-extended", [&](Group& g) { at(g, 3).imm = 0xbf800000; }},
      {"a constant is f32, f64, i32, i64 or bool",
       [](Group& g) { g.body.push_back(inst(ScalarOp::constant, Dtype::u8, -1, -1, -1, 2)); }},
      {"not f32 or f64", [&](Group& g) { at(g, 4).type = Dtype::i32; }},
      {"not f32, f64, i32 or i64", [&](Group& g) { at(g, 13).type = Dtype::boolean; }},
      {"an operand has another type", [&](Group& g) { at(g, 4).type = Dtype::f64; }},
      {"a comparison is a bool", [&](Group& g) { at(g, 8).type = Dtype::i32; }},
      {"compares different types", [&](Group& g) { at(g, 8).a = 4; }},
      {"compares u8, bf16 or f16",
       [](Group& g) { g.body.push_back(inst(ScalarOp::eq, Dtype::boolean, 1, 1)); }},
      {"not i32, i64 or bool", [&](Group& g) { at(g, 9).type = Dtype::f32; }},
      {"not i32 or i64", [&](Group& g) { at(g, 6).type = Dtype::f32; }},
      {"the condition is not a bool", [&](Group& g) { at(g, 10).a = 7; }},
      {"the branches have other types", [&](Group& g) { at(g, 10).b = 4; }},
      {"the type is u8, bf16 or f16",
       [](Group& g) { g.body.push_back(inst(ScalarOp::select, Dtype::bf16, 9, 1, 1)); }},
      {"not f32 and i32 or f64 and i64", [&](Group& g) { at(g, 5).type = Dtype::i64; }},
      {"bf16 and f16 convert to f32 only", [&](Group& g) { at(g, 2).type = Dtype::f64; }},
      {"bf16 and f16 convert from f32 only",
       [](Group& g) { g.body.push_back(inst(ScalarOp::convert, Dtype::f16, 7)); }},
      {"stores a value that varies along the reduced axes",
       [](Group& g) { g.operands[3].strides[1] = 0; }},
  };
  for (const Case& broken : cases) {
    Group group = rich_group();
    broken.damage(group);
    try {
      verify(group);
      ADD_FAILURE() << "accepted what should fail with: " << broken.message;
    } catch (const InternalError& error) {
      EXPECT_NE(std::string(error.what()).find(broken.message), std::string::npos)
          << error.what() << "\nexpected: " << broken.message;
    }
  }
}

TEST(GroupVerify, RejectsAReductionInAMap) {
  Group group = copy_group({3}, {1}, {1});
  group.body.push_back(inst(ScalarOp::reduce_sum, Dtype::f32, 0));
  EXPECT_THROW(verify(group), InternalError);
}

TEST(GroupVerify, LetsAnOuterGroupUseAReductionOnlyInRowValues) {
  Group group = sum_group(GroupKind::outer, {3, 4}, 1, {4, 1}, {0, 1});
  EXPECT_NO_THROW(verify(group));
  Group scaled = group;  // a row value of a reduction
  scaled.body = {load(Dtype::f32, 0), inst(ScalarOp::reduce_sum, Dtype::f32, 0),
                 inst(ScalarOp::mul, Dtype::f32, 1, 1), store(Dtype::f32, 2, 1)};
  EXPECT_NO_THROW(verify(scaled));
  Group mixed = scaled;  // not with a value that varies
  mixed.body[2].b = 0;
  mixed.operands[1].strides = {4, 1};
  EXPECT_THROW(verify(mixed), InternalError);
  Group spread = group;  // nor stored at every point
  spread.operands[1].strides = {4, 1};
  EXPECT_THROW(verify(spread), InternalError);
  Group twice = group;  // nor reduced again
  twice.body = {load(Dtype::f32, 0), inst(ScalarOp::reduce_sum, Dtype::f32, 0),
                inst(ScalarOp::reduce_sum, Dtype::f32, 1), store(Dtype::f32, 2, 1)};
  EXPECT_THROW(verify(twice), InternalError);
  twice.kind = GroupKind::inner;  // which an inner group may
  twice.operands[1].strides = {1, 0};
  EXPECT_NO_THROW(verify(twice));
}

TEST(GroupText, ReadsAsWritten) {
  const Group group = rich_group();
  EXPECT_EQ(parse_group(to_text(group)), group) << to_text(group);
  const Group scalar = copy_group({}, {}, {});
  EXPECT_EQ(parse_group(to_text(scalar)), scalar);
  EXPECT_EQ(to_text(sum_group(GroupKind::outer, {3, 4}, 1, {4, 1}, {0, 1})),
            "group outer 3 4 reduced 1\n"
            "operand 0 in f32 4 1\n"
            "operand 1 out f32 0 1\n"
            "%0 = load f32 @0\n"
            "%1 = reduce_sum f32 %0\n"
            "%2 = store f32 %1 @1\n");
}

TEST(GroupText, KeepsTheBitsOfEveryConstant) {
  Group group;
  const auto add = [&](Dtype type, std::int64_t imm) {
    group.body.push_back(inst(ScalarOp::constant, type, -1, -1, -1, imm));
  };
  // Zeros, denormals, the largest, infinities, quiet and signalling NaNs of both signs.
  for (const std::uint32_t bits :
       {0u, 0x80000000u, 1u, 0x807fffffu, 0x3dcccccdu, 0x7f7fffffu, 0x7f800000u, 0xff800000u,
        0x7fc00000u, 0xffc00001u, 0x7f800001u, 0xff812345u}) {
    add(Dtype::f32, static_cast<std::int32_t>(bits));
  }
  for (const unsigned long long bits :
       {0ull, 1ull << 63, 1ull, 0x3fb999999999999aull, 0x7fefffffffffffffull, 0x7ff0000000000000ull,
        0xfff0000000000000ull, 0x7ff8000000000000ull, 0xfff8000000000123ull,
        0x7ff0000000000001ull}) {
    add(Dtype::f64, static_cast<std::int64_t>(bits));
  }
  add(Dtype::i32, std::numeric_limits<std::int32_t>::min());
  add(Dtype::i64, std::numeric_limits<std::int64_t>::min());
  add(Dtype::i64, std::numeric_limits<std::int64_t>::max());
  add(Dtype::boolean, 1);
  EXPECT_EQ(parse_group(to_text(group)), group) << to_text(group);
}

TEST(GroupText, NamesTheLineOfAMistake) {
  struct Case {
    const char* from;
    const char* to;
    const char* message;
  };
  const Case cases[] = {
      {"group inner", "grope inner", "line 1: another word"},
      {"inner 3 4", "sideways 3 4", "line 1: unknown kind"},
      {"inner 3 4", "inner 3 x", "line 1: not an integer"},
      {"inner 3 4", "inner 3 -4", "line 1: shape: negative length"},
      {"inner 3 4", "inner 1 1 1 1 1 1 1 3 4", "line 1: too many axes"},
      {"reduced 1", "reduced 99", "line 1: number out of range"},
      {"operand 1 out", "operand 2 out", "line 3: another word"},
      {"operand 1 out f32", "operand 1 out f31", "line 3: unknown type"},
      {"operand 1 out", "operand 1 inout", "line 3: another word"},
      {"%1 = reduce_sum", "%7 = reduce_sum", "line 5: another word"},
      {"reduce_sum", "reduce_some", "line 5: unknown instruction"},
      {"reduce_sum f32 %0", "reduce_sum f32 0", "line 5: not a value"},
      {"reduce_sum f32 %0", "reduce_sum f32", "line 5: not a value"},
      {"reduce_sum f32 %0", "reduce_sum f32 %9", "not an earlier instruction"},
      {"reduce_sum f32 %0", "reduce_sum f32 %-1", "line 5: number out of range"},
      {"reduce_sum f32 %0", "reduce_sum f32 %0 %0", "line 5: more than the instruction reads"},
      {"store f32 %1 @1", "store f32 %1 1", "line 6: another word"},
      {"load f32 @0", "load f32 @00", "line 4: not written as to_text writes it"},
      {"load f32 @0", "constant f32 0.5", "line 4: not a constant of this type"},
      {"load f32 @0", "constant f32 0x1p+999", "line 4: not a constant of this type"},
      {"load f32 @0", "constant f32 0x1.0000001p+0", "line 4: not written as to_text writes it"},
      {"load f32 @0", "constant f32 nan:3f800000", "line 4: not written as to_text writes it"},
      {"load f32 @0", "constant f32 nan:7fc0000g", "line 4: not a constant of this type"},
      {"load f32 @0", "constant f64 1.5", "line 4: not a constant of this type"},
      {"operand 0 in f32 4 1\n", "operand 0 in f32 4 1\n\n", "line 3: another word"},
      {"operand 0 in f32 4 1\n", "operand 0 in f32 4 1 \n", "line 2: not written as to_text"},
      {"%2 = store f32 %1 @1\n", "%2 = store f32 %1 @1\noperand 2 in f32 1 1\n",
       "line 7: an operand after an instruction"},
      {"@1\n", "@1", "line 6: the last line has no end"},
  };
  const std::string text = to_text(sum_group(GroupKind::inner, {3, 4}, 1, {4, 1}, {1, 0}));
  ASSERT_NO_THROW(parse_group(text));
  for (const Case& broken : cases) {
    std::string damaged = text;
    const std::size_t at = damaged.rfind(broken.from);
    ASSERT_NE(at, std::string::npos) << broken.from;
    damaged.replace(at, std::string(broken.from).size(), broken.to);
    try {
      parse_group(damaged);
      ADD_FAILURE() << "accepted:\n" << damaged;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(broken.message), std::string::npos)
          << error.what() << "\nexpected: " << broken.message;
    }
  }
  EXPECT_THROW(parse_group(""), Error);
}

TEST(GroupText, NeverAcceptsADamagedTextAsAnotherSpellingNorCrashes) {
  const std::string text = to_text(rich_group());
  std::mt19937_64 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = text;
    const std::size_t at = random() % damaged.size();
    switch (random() % 3) {
      case 0:
        damaged[at] = static_cast<char>(random());
        break;
      case 1:
        damaged.erase(at, 1 + random() % 8);
        break;
      default:
        damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 12));
    }
    try {
      const Group group = parse_group(damaged);
      ASSERT_EQ(to_text(group), damaged);
      ASSERT_NO_THROW(verify(group));
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace sinter::ir
