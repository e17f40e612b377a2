// What fused groups cost, against counts by hand, and how costs add up.
#include "ir/cost.h"

#include <gtest/gtest.h>

namespace sinter::ir {
namespace {

Cost work_of(const Group& group) {
  verify(group);
  Cost cost;
  add_group_work(group, cost);
  return cost;
}

// The work of these amounts alone: no flops, bytes or kernels.
Cost work(double vector_32, double vector_64) {
  Cost cost;
  cost.add(Unit::vector_32, vector_32);
  cost.add(Unit::vector_64, vector_64);
  return cost;
}

TEST(GroupCost, EachValueCountsAsOftenAsItDiffers) {
  // y = (x + row) * (-row) + scale * scale over (4, 6): the row's product once a column, the
  // scalar's once.
  const Group group = parse_group(
      "group map 4 6 reduced 0\n"
      "operand 0 in f32 6 1\n"
      "operand 1 in f32 0 1\n"
      "operand 2 in f32 0 0\n"
      "operand 3 out f32 6 1\n"
      "%0 = load f32 @0\n"
      "%1 = load f32 @1\n"
      "%2 = load f32 @2\n"
      "%3 = add f32 %0 %1\n"
      "%4 = neg f32 %1\n"
      "%5 = mul f32 %3 %4\n"
      "%6 = mul f32 %2 %2\n"
      "%7 = add f32 %5 %6\n"
      "%8 = store f32 %7 @3\n");
  EXPECT_EQ(work_of(group), work(3 * 24 + 6 + 1, 0));
}

TEST(GroupCost, ConstantsIndicesAndBitcastsAreFree) {
  const Group group = parse_group(
      "group map 5 reduced 0\n"
      "operand 0 out i32 1\n"
      "%0 = index i32 axis 0\n"
      "%1 = constant f32 0x1p+1\n"
      "%2 = bitcast i32 %1\n"
      "%3 = add i32 %0 %2\n"
      "%4 = store i32 %3 @0\n");
  EXPECT_EQ(work_of(group), work(5, 0));
}

TEST(GroupCost, WideNumbersAreTheirOwnUnit) {
  // A conversion to or from 64 bits and a comparison of such numbers work on 64 bits; bf16 is
  // widened and rounded in 32.
  const Group group = parse_group(
      "group map 8 reduced 0\n"
      "operand 0 in bf16 1\n"
      "operand 1 in f64 1\n"
      "operand 2 out bf16 1\n"
      "%0 = load bf16 @0\n"
      "%1 = convert f32 %0\n"
      "%2 = load f64 @1\n"
      "%3 = convert f64 %1\n"
      "%4 = lt bool %3 %2\n"
      "%5 = mul f32 %1 %1\n"
      "%6 = select f32 %4 %1 %5\n"
      "%7 = convert bf16 %6\n"
      "%8 = store bf16 %7 @2\n");
  EXPECT_EQ(work_of(group), work(4 * 8, 2 * 8));
}

TEST(GroupCost, ReductionsFoldEachElementAndGiveOneValueARow) {
  // x / sum(x) over rows of (3, 10), and 1 + the sum once a row.
  const Group inner = parse_group(
      "group inner 3 10 reduced 1\n"
      "operand 0 in f32 10 1\n"
      "operand 1 out f32 10 1\n"
      "%0 = load f32 @0\n"
      "%1 = reduce_sum f32 %0\n"
      "%2 = constant f32 0x1p+0\n"
      "%3 = add f32 %1 %2\n"
      "%4 = div f32 %0 %3\n"
      "%5 = store f32 %4 @1\n");
  EXPECT_EQ(work_of(inner), work(30 + 3 + 30, 0));
  const Group outer = parse_group(
      "group outer 7 5 reduced 1\n"
      "operand 0 in f64 5 1\n"
      "operand 1 out f64 0 1\n"
      "%0 = load f64 @0\n"
      "%1 = mul f64 %0 %0\n"
      "%2 = reduce_sum f64 %1\n"
      "%3 = sqrt f64 %2\n"
      "%4 = store f64 %3 @1\n");
  EXPECT_EQ(work_of(outer), work(0, 35 + 35 + 5));
}

TEST(Cost, AddsUp) {
  Cost one{.flops = 1, .bytes = 2, .kernels = 3};
  one.add(Unit::contraction_bf16, 4);
  Cost sum;
  sum.add(one);
  sum.add(one, 2);
  EXPECT_EQ(sum.flops, 3);
  EXPECT_EQ(sum.bytes, 6);
  EXPECT_EQ(sum.kernels, 9);
  EXPECT_EQ(sum.on(Unit::contraction_bf16), 12);
  EXPECT_EQ(sum.on(Unit::contraction_f16), 0);
}

TEST(Cost, UnitsFollowTypes) {
  EXPECT_EQ(contraction_unit(Dtype::f32), Unit::contraction_f32);
  EXPECT_EQ(contraction_unit(Dtype::f64), Unit::contraction_f64);
  EXPECT_EQ(contraction_unit(Dtype::bf16), Unit::contraction_bf16);
  EXPECT_EQ(contraction_unit(Dtype::f16), Unit::contraction_f16);
  for (const Dtype dtype : {Dtype::f32, Dtype::i32, Dtype::u8, Dtype::boolean, Dtype::bf16}) {
    EXPECT_EQ(vector_unit(dtype), Unit::vector_32);
  }
  EXPECT_EQ(vector_unit(Dtype::f64), Unit::vector_64);
  EXPECT_EQ(vector_unit(Dtype::i64), Unit::vector_64);
}

}  // namespace
}  // namespace sinter::ir
