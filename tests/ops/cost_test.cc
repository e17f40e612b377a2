// What ops cost, against counts by hand.
#include "ir/cost.h"

#include <gtest/gtest.h>

#include <vector>

#include "ops/list.h"

namespace sinter {
namespace {

using ir::OpId;
using ir::TensorType;
using Integers = std::vector<std::int64_t>;

Cost cost(OpId id, const std::vector<TensorType>& inputs, const ir::Attributes& attributes = {}) {
  const ir::Op& op = ir::find(op_list(), id);
  const ir::Attributes completed = ir::completed(op, attributes);
  const ir::OpCall call{inputs, completed};
  return ir::cost_of(op, call, ir::infer(op, call));
}

Cost expected(double flops, double bytes) { return {.flops = flops, .bytes = bytes}; }
Cost expected(double flops, double bytes, Unit unit) {
  Cost cost = expected(flops, bytes);
  cost.add(unit, flops);
  return cost;
}

TEST(OpCost, AMatrixProductIsTwoFlopsAProductInTheUnitOfItsOperands) {
  const Shape a{5, 2, 3}, b{5, 3, 7};
  const double flops = 2.0 * 5 * 2 * 3 * 7;
  const double elements = 5 * (2 * 3 + 3 * 7 + 2 * 7);
  EXPECT_EQ(cost(OpId::matmul, {{Dtype::f32, a}, {Dtype::f32, b}}),
            expected(flops, 4 * elements, Unit::contraction_f32));
  EXPECT_EQ(cost(OpId::matmul, {{Dtype::f64, a}, {Dtype::f64, b}}),
            expected(flops, 8 * elements, Unit::contraction_f64));
  EXPECT_EQ(cost(OpId::matmul, {{Dtype::bf16, a}, {Dtype::bf16, b}}),
            expected(flops, 2 * elements, Unit::contraction_bf16));
  EXPECT_EQ(cost(OpId::matmul, {{Dtype::f16, a}, {Dtype::f16, b}}),
            expected(flops, 2 * elements, Unit::contraction_f16));
  // The sum kept in f32.
  EXPECT_EQ(cost(OpId::matmul, {{Dtype::bf16, a}, {Dtype::bf16, b}},
                 {{"dtype", static_cast<std::int64_t>(Dtype::f32)}}),
            expected(flops, 2 * elements + 2 * 5 * 2 * 7, Unit::contraction_bf16));
}

TEST(OpCost, AConvolutionAndItsGradientsDoTheSameProducts) {
  // (2, 6, 5, 4) with 8 filters of 3x3 in two groups, padded by one: (2, 6, 5, 8).
  const ir::Attributes window{{"stride", Integers{1, 1}},
                              {"padding", Integers{1, 1}},
                              {"dilation", Integers{1, 1}},
                              {"groups", std::int64_t{2}}};
  ir::Attributes with_size = window, with_kernel = window;
  with_size.add("size", Integers{6, 5});
  with_kernel.add("kernel", Integers{3, 3});
  const double flops = 2.0 * (2 * 6 * 5) * 8 * (3 * 3 * 2);
  const double elements = 2 * 6 * 5 * 4 + 8 * 3 * 3 * 2 + 2 * 6 * 5 * 8;
  for (const auto& [dtype, unit, size] : {std::tuple{Dtype::f32, Unit::contraction_f32, 4},
                                          {Dtype::bf16, Unit::contraction_bf16, 2}}) {
    const TensorType x{dtype, Shape{2, 6, 5, 4}}, w{dtype, Shape{8, 3, 3, 2}};
    const TensorType dy{dtype, Shape{2, 6, 5, 8}};
    const Cost all = expected(flops, size * elements, unit);
    EXPECT_EQ(cost(OpId::conv, {x, w}, window), all);
    EXPECT_EQ(cost(OpId::conv_input_gradient, {dy, w}, with_size), all);
    EXPECT_EQ(cost(OpId::conv_weight_gradient, {x, dy}, with_kernel), all);
  }
}

TEST(OpCost, PartsOfGroupsCountElementsAndLeaveTheirWorkToTheGroup) {
  for (const auto& [dtype, size] : {std::pair{Dtype::f32, 4}, {Dtype::bf16, 2}, {Dtype::f64, 8}}) {
    const TensorType x{dtype, Shape{3, 10}};
    EXPECT_EQ(cost(OpId::exp, {x}), expected(30, 2 * 30 * size));
    EXPECT_EQ(cost(OpId::sum, {x}, {{"axes", Integers{1}}}), expected(30, (30 + 3) * size));
  }
}

TEST(OpCost, KernelsOfTheirOwnWorkOnVectors) {
  const TensorType x{Dtype::f32, Shape{3, 10}}, ids{Dtype::i64, Shape{3}};
  EXPECT_EQ(cost(OpId::cumsum, {x}, {{"axis", std::int64_t{1}}}),
            expected(30, 2 * 120, Unit::vector_32));
  EXPECT_EQ(cost(OpId::cumsum, {{Dtype::f64, Shape{3, 10}}}, {{"axis", std::int64_t{1}}}),
            expected(30, 2 * 240, Unit::vector_64));
  EXPECT_EQ(cost(OpId::segment_sum, {x, ids}, {{"segments", std::int64_t{4}}}),
            expected(30, 120 + 24 + 160, Unit::vector_32));
  // Rows that are read and written, not the table.
  EXPECT_EQ(cost(OpId::gather, {{Dtype::bf16, Shape{1000, 8}}, ids}),
            expected(0, 2 * 3 * 8 * 2 + 24));
  const TensorType position{Dtype::i64, Shape{2}};
  EXPECT_EQ(cost(OpId::uniform, {position}, {{"shape", Integers{4, 4}}}),
            expected(25 * 16, 16 + 64, Unit::vector_32));
}

TEST(OpCost, ACompositeHasNoneButItsParts) {
  for (const ir::Op& op : op_list()) {
    if (op.kind == ir::OpKind::composite) {
      EXPECT_EQ(op.cost, nullptr) << op.name;
    }
    if (op.kind == ir::OpKind::contraction) {
      EXPECT_NE(op.cost, nullptr) << op.name;
    }
  }
}

}  // namespace
}  // namespace sinter
