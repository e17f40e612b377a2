// copy, pad, pack, gather and segment_sum.
#include <algorithm>
#include <cmath>
#include <string>

#include "ir/internal_error.h"
#include "kernel_run.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

// Elements that are all different, as far as the type can count.
template <class T>
Value counted(const Shape& shape) {
  std::vector<T> elements(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<T>(i + 1);
  return make_value<T>(shape, elements);
}

// The multi-index of element `number`, row-major.
std::vector<std::int64_t> position_of(const Shape& shape, std::int64_t number) {
  std::vector<std::int64_t> position(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    position[static_cast<std::size_t>(axis)] = number % shape[axis];
    number /= shape[axis];
  }
  return position;
}

template <class T>
void expect_copied(const Value& x) {
  SCOPED_TRACE(x.shape().to_string());
  const Call call(ir::OpId::copy, {}, {x}, {{x.dtype, x.shape()}});
  ASSERT_TRUE(call.accepts(0));
  const Value y = run_kernel(ir::OpId::copy, {}, {x}, {{x.dtype, x.shape()}})[0];
  for (std::int64_t i = 0; i < x.shape().elements(); ++i) {
    std::int64_t at = x.layout.offset;
    const auto position = position_of(x.shape(), i);
    for (std::size_t axis = 0; axis < position.size(); ++axis) {
      at += position[axis] * x.layout.strides[axis];
    }
    ASSERT_EQ(y.data<T>()[i], x.data<T>()[at]) << "element " << i;
  }
}

// The axes of a dense value in another order.
Value permuted(const Value& value, const std::vector<int>& order) {
  ir::Layout layout = value.layout;
  for (std::size_t i = 0; i < order.size(); ++i) {
    layout.shape.set(static_cast<int>(i), value.layout.shape[order[i]]);
    layout.strides[i] = value.layout.strides[static_cast<std::size_t>(order[i])];
  }
  return seen_as(value, layout);
}

template <class T>
void expect_copies() {
  expect_copied<T>(counted<T>({}));
  expect_copied<T>(counted<T>({100000}));
  expect_copied<T>(permuted(counted<T>({300, 217}), {1, 0}));
  expect_copied<T>(permuted(counted<T>({3, 1, 65}), {2, 1, 0}));
  expect_copied<T>(permuted(counted<T>({4, 9, 11, 5}), {0, 3, 1, 2}));  // NHWC -> NCHW
  expect_copied<T>(permuted(counted<T>({4, 5, 9, 11}), {0, 2, 3, 1}));  // and back
  expect_copied<T>(permuted(counted<T>({7, 33, 40}), {1, 0, 2}));
  expect_copied<T>(permuted(counted<T>({2, 3, 4, 5, 6}), {4, 1, 3, 0, 2}));
  const Value flat = counted<T>({5000});
  expect_copied<T>(seen_as(flat, {.shape = {40, 50}, .offset = 7, .strides = {0, 1}}));
  expect_copied<T>(seen_as(flat, {.shape = {50, 40}, .offset = 7, .strides = {1, 0}}));
  expect_copied<T>(seen_as(flat, {.shape = {9, 13}, .offset = 3, .strides = {200, 3}}));
  expect_copied<T>(seen_as(flat, {.shape = {1000}, .offset = 1, .strides = {4}}));
  expect_copied<T>(seen_as(flat, {.shape = {3, 70, 5}, .offset = 4999, .strides = {0, 0, 0}}));
  expect_copied<T>(counted<T>({3, 0, 2}));
}

TEST(Copy, MakesAnyLayoutDenseInElementsOfEverySize) {
  expect_copies<std::uint8_t>();
  expect_copies<float>();
  expect_copies<std::int64_t>();
}

TEST(Copy, TakesTwoByteElements) {
  Value x = empty_value(Dtype::bf16, {70, 90});
  for (int i = 0; i < 6300; ++i) x.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(i);
  expect_copied<std::uint16_t>(permuted(x, {1, 0}));
}

TEST(Copy, KeepsTheBitsOfNaN) {
  Value x = empty_value(Dtype::f32, {2, 2});
  for (std::uint32_t i = 0; i < 4; ++i) x.data<std::uint32_t>()[i] = 0x7F800001U + i;
  expect_copied<std::uint32_t>(permuted(x, {1, 0}));
}

void expect_padded(const Shape& shape, const std::vector<std::int64_t>& low,
                   const std::vector<std::int64_t>& high) {
  SCOPED_TRACE(shape.to_string());
  const Value x = counted<float>(shape);
  Shape wide = shape;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    wide.set(axis, low[i] + shape[axis] + high[i]);
  }
  std::vector<float> want(static_cast<std::size_t>(wide.elements()), 0.0F);
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    const auto position = position_of(shape, i);
    std::int64_t at = 0;
    for (std::size_t axis = 0; axis < position.size(); ++axis) {
      at = at * wide[static_cast<int>(axis)] + position[axis] + low[axis];
    }
    want[static_cast<std::size_t>(at)] = x.data<float>()[i];
  }
  const Value y =
      run_kernel(ir::OpId::pad, {{"low", low}, {"high", high}}, {x}, {{Dtype::f32, wide}})[0];
  EXPECT_EQ(y.elements<float>(), want);
}

TEST(Pad, PutsZerosAroundAnyAxis) {
  expect_padded({5}, {2}, {3});
  expect_padded({}, {}, {});
  expect_padded({4, 5}, {0, 0}, {0, 0});
  expect_padded({4, 5}, {1, 0}, {0, 0});
  expect_padded({2, 7, 6, 3}, {0, 1, 2, 0}, {0, 3, 1, 0});
  expect_padded({3, 1, 4}, {1, 1, 1}, {0, 2, 5});
  expect_padded({2, 0, 3}, {0, 2, 1}, {1, 2, 0});
  expect_padded({200, 90, 3}, {1, 1, 0}, {1, 1, 0});
  expect_padded({2, 3}, {0, 0}, {0, 0});
}

TEST(Pack, PutsInputsAtTheirOffsetsAndZerosInTheGaps) {
  const Value a = counted<float>({3}), b = counted<float>({0}), c = counted<float>({100, 300});
  const Value d = counted<float>({});
  const Value y = run_kernel(
      ir::OpId::pack,
      {{"offsets", std::vector<std::int64_t>{2, 16, 16, 30020}}, {"elements", std::int64_t{30100}}},
      {a, b, c, d}, {{Dtype::f32, {30100}}})[0];
  std::vector<float> want(30100, 0.0F);
  for (std::size_t i = 0; i < 3; ++i) want[2 + i] = a.data<float>()[i];
  for (std::size_t i = 0; i < 30000; ++i) want[16 + i] = c.data<float>()[i];
  want[30020] = 1;
  EXPECT_EQ(y.elements<float>(), want);
}

TEST(Pack, OfEmptyInputsGivesZerosOnly) {
  const Value y = run_kernel(
      ir::OpId::pack, {{"offsets", std::vector<std::int64_t>{0}}, {"elements", std::int64_t{16}}},
      {empty_value(Dtype::i64, {0, 3})}, {{Dtype::i64, {16}}})[0];
  EXPECT_EQ(y.elements<std::int64_t>(), std::vector<std::int64_t>(16, 0));
}

template <class T, class Id>
void expect_gathered(const Shape& table, std::int64_t count) {
  const Value x = counted<T>(table);
  std::vector<Id> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<Id>(i * 7919 % table[0]));
  Shape result({count});
  std::int64_t width = 1;
  std::vector<std::int64_t> lengths{count};
  for (int axis = 1; axis < table.rank(); ++axis) {
    lengths.push_back(table[axis]);
    width *= table[axis];
  }
  const Value y = run_kernel(ir::OpId::gather, {}, {x, make_value<Id>({count}, ids)},
                             {{x.dtype, Shape(lengths)}})[0];
  for (std::int64_t i = 0; i < count * width; ++i) {
    const std::int64_t from = ids[static_cast<std::size_t>(i / width)] * width + i % width;
    ASSERT_EQ(y.data<T>()[i], x.data<T>()[from]);
  }
}

TEST(Gather, TakesRowsOfAnyTypeAndWidth) {
  expect_gathered<float, std::int32_t>({50, 17}, 3000);
  expect_gathered<double, std::int64_t>({9, 2, 3}, 100);
  expect_gathered<std::uint8_t, std::int64_t>({31}, 77);
  expect_gathered<float, std::int32_t>({5, 0}, 4);
  expect_gathered<float, std::int32_t>({5, 3}, 0);
}

std::string error_of(ir::OpId op, const ir::Attributes& attributes,
                     const std::vector<Value>& inputs, const OutputType& output) {
  const Call call(op, attributes, inputs, {output});
  try {
    call.run(*call.prepare());
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Gather, NamesTheFirstIdOutsideTheTable) {
  std::vector<std::int64_t> ids(5000, 1);
  ids[1234] = 4;
  ids[4000] = -1;
  const std::string text = error_of(
      ir::OpId::gather, {}, {counted<float>({4, 64}), make_value<std::int64_t>({5000}, ids)},
      {Dtype::f32, {5000, 64}});
  EXPECT_NE(text.find("position 1234"), std::string::npos) << text;
  EXPECT_NE(text.find("got 4"), std::string::npos) << text;
  const std::string below =
      error_of(ir::OpId::gather, {}, {counted<float>({4, 0}), make_value<std::int32_t>({1}, {-1})},
               {Dtype::f32, {1, 0}});
  EXPECT_NE(below.find("got -1"), std::string::npos) << below;
}

TEST(Gather, RefusesIdsOfAnotherType) {
  const Call call(ir::OpId::gather, {}, {counted<float>({4, 2}), counted<float>({1})},
                  {{Dtype::f32, {1, 2}}});
  EXPECT_THROW(call.prepare(), ir::InternalError);
}

template <class T, class Id>
void expect_segment_sums(std::int64_t count, const Shape& row, std::int64_t segments, int skew) {
  std::vector<std::int64_t> lengths{count}, result{segments};
  for (const std::int64_t length : row) {
    lengths.push_back(length);
    result.push_back(length);
  }
  const Value x = random_value<T>(Shape(lengths), 11);
  std::mt19937 generator(5);
  std::vector<Id> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    auto id = static_cast<std::int64_t>(generator()) % segments;
    for (int again = 0; again < skew; ++again) {
      id = std::min(id, static_cast<std::int64_t>(generator()) % segments);
    }
    ids.push_back(static_cast<Id>(id));
  }
  const std::int64_t width = row.elements();
  std::vector<T> want(static_cast<std::size_t>(segments * width), T{0});
  for (std::int64_t i = 0; i < count * width; ++i) {
    const std::int64_t to = ids[static_cast<std::size_t>(i / width)] * width + i % width;
    want[static_cast<std::size_t>(to)] += x.data<T>()[i];
  }
  const Value y = run_kernel(ir::OpId::segment_sum, {{"segments", segments}},
                             {x, make_value<Id>({count}, ids)}, {{x.dtype, Shape(result)}})[0];
  expect_equal_bits(y, make_value<T>(Shape(result), want), "not the left fold");
}

TEST(SegmentSum, IsTheLeftFoldOfEachSegmentToTheBit) {
  expect_segment_sums<float, std::int32_t>(3000, {17}, 50, 0);
  expect_segment_sums<float, std::int64_t>(4000, {64}, 1000, 5);
  expect_segment_sums<double, std::int64_t>(500, {3, 7}, 900, 0);
  expect_segment_sums<float, std::int32_t>(2000, {}, 7, 0);
  expect_segment_sums<float, std::int32_t>(300, {1500}, 1, 0);
  expect_segment_sums<float, std::int32_t>(0, {5}, 3, 0);
  expect_segment_sums<float, std::int32_t>(9, {0}, 3, 0);
}

TEST(SegmentSum, StartsFromPositiveZero) {
  const Value y =
      run_kernel(ir::OpId::segment_sum, {{"segments", std::int64_t{2}}},
                 {make_value<float>({1, 1}, {-0.0F}), make_value<std::int32_t>({1}, {1})},
                 {{Dtype::f32, {2, 1}}})[0];
  EXPECT_FALSE(std::signbit(y.data<float>()[0]));
  EXPECT_FALSE(std::signbit(y.data<float>()[1]));
}

TEST(SegmentSum, NamesTheFirstIdThatIsNoSegment) {
  const Value x = counted<float>({4, 3});
  for (const std::int32_t wrong : {-1, 2}) {
    const std::string text =
        error_of(ir::OpId::segment_sum, {{"segments", std::int64_t{2}}},
                 {x, make_value<std::int32_t>({4}, {0, 1, wrong, 7})}, {Dtype::f32, {2, 3}});
    EXPECT_NE(text.find("position 2"), std::string::npos) << text;
    EXPECT_NE(text.find("got " + std::to_string(wrong)), std::string::npos) << text;
  }
}

TEST(SegmentSum, RefusesOtherTypes) {
  const ir::Attributes attributes{{"segments", std::int64_t{2}}};
  const Value ids = make_value<std::int32_t>({4}, {0, 1, 0, 1});
  const Call bytes(ir::OpId::segment_sum, attributes, {counted<std::uint8_t>({4}), ids},
                   {{Dtype::u8, {2}}});
  EXPECT_THROW(bytes.prepare(), ir::InternalError);
  const Call floats(ir::OpId::segment_sum, attributes, {counted<float>({4}), counted<float>({4})},
                    {{Dtype::f32, {2}}});
  EXPECT_THROW(floats.prepare(), ir::InternalError);
}

}  // namespace
}  // namespace sinter::backend::cpu
