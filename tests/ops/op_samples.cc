#include "ops/op_samples.h"

#include <cmath>
#include <cstring>
#include <ostream>

#include "base/half.h"
#include "ops/list.h"
#include "ops/sample_rows.h"
#include "sinter/ops.h"

namespace sinter {

namespace {

using ir::OpId;
using Numbers = std::vector<std::int64_t>;

std::int64_t number_of(Dtype dtype) { return static_cast<std::int64_t>(dtype); }

void add_fills(Rows& rows) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64, Dtype::u8}) {
    rows.add(OpId::full, std::string(name_of(dtype)), {},
             {{"shape", Numbers{2, 3}}, {"dtype", number_of(dtype)}, {"value", 7.0}});
  }
  rows.add(OpId::full, "bool", {},
           {{"shape", Numbers{}}, {"dtype", number_of(Dtype::boolean)}, {"value", 1.0}});
  rows.add(OpId::full, "empty", {},
           {{"shape", Numbers{0, 3}}, {"dtype", number_of(Dtype::f32)}, {"value", 1.5}});
  for (const Dtype dtype : {Dtype::i32, Dtype::i64}) {
    for (const std::int64_t axis : {0, 1, 2}) {
      rows.add(OpId::iota, std::string(name_of(dtype)) + " axis " + std::to_string(axis), {},
               {{"shape", Numbers{2, 3, 4}}, {"dtype", number_of(dtype)}, {"axis", axis}});
    }
  }
}

void add_casts(Rows& rows) {
  const auto to = [](Dtype dtype) { return ir::Attributes{{"dtype", number_of(dtype)}}; };
  const std::vector<double> edges = {0.0,
                                     -0.0,
                                     0.99,
                                     -0.99,
                                     1.5,
                                     -1.5,
                                     255.5,
                                     256.0,
                                     3e9,
                                     -3e9,
                                     2147483647.0,
                                     1e19,
                                     -1e19,
                                     1e300,
                                     -1e300,
                                     INFINITY,
                                     -INFINITY,
                                     NAN,
                                     9223372036854775807.0};
  const Shape shape({static_cast<std::int64_t>(edges.size())});
  for (const Dtype dtype : {Dtype::i32, Dtype::i64, Dtype::u8, Dtype::boolean}) {
    rows.add(OpId::cast, "edges to " + std::string(name_of(dtype)),
             {rows.given(Dtype::f64, shape, edges)}, to(dtype));
    rows.add(OpId::cast, "i32 to " + std::string(name_of(dtype)),
             {rows.whole({40}, -300, 300, Dtype::i32)}, to(dtype));
    rows.add(OpId::cast, "u8 to " + std::string(name_of(dtype)),
             {rows.whole({3, 7}, 0, 256, Dtype::u8)}, to(dtype));
  }
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const std::string name(name_of(dtype));
    rows.add(OpId::cast, "i64 to " + name, {rows.whole({33}, -90000, 90000, Dtype::i64)},
             to(dtype));
    rows.add(OpId::cast, "bool to " + name, {rows.whole({33}, 0, 2, Dtype::boolean)}, to(dtype));
  }
  rows.add_smooth(OpId::cast, "to f64", {rows.real({3, 5})}, to(Dtype::f64));
  rows.add(OpId::cast, "empty", {rows.real({0})}, to(Dtype::i32));
}

void add_reductions(Rows& rows) {
  for (const OpId op : {OpId::sum, OpId::product, OpId::max, OpId::min}) {
    const auto axes = [](Numbers which) { return ir::Attributes{{"axes", std::move(which)}}; };
    rows.add_smooth(op, "innermost", {rows.real({3, 4, 5}, 0.5, 1.5)}, axes({2}));
    rows.add_smooth(op, "outermost", {rows.real({5, 4}, 0.5, 1.5)}, axes({0}));
    rows.add_smooth(op, "two innermost", {rows.real({3, 2, 4}, 0.5, 1.5)}, axes({1, 2}));
    rows.add_smooth(op, "two outermost", {rows.real({3, 2, 4}, 0.5, 1.5)}, axes({0, 1}));
    rows.add_smooth(op, "all", {rows.real({4, 3}, 0.5, 1.5)}, axes({0, 1}));
    rows.add_smooth(op, "around an axis of length 1", {rows.real({3, 1, 4}, 0.5, 1.5)}, axes({2}));
    // The roundings of a product near 1 do not cancel: the tree itself is off by 3e-4 in f32.
    rows.add(op, "several chunks", {rows.real({2, 40000}, 0.9999, 1.0001)}, axes({1})).tolerance =
        op == OpId::product ? 1e-3 : 1e-5;
    rows.add(op, "several outer chunks", {rows.real({700, 3}, 0.999, 1.001)}, axes({0})).tolerance =
        1e-5;
    rows.add(op, "empty rows", {rows.real({3, 0})}, axes({1}));
    rows.add(op, "no rows", {rows.real({0, 3})}, axes({1}));
    rows.add(op, "one element", {rows.real({1})}, axes({0}));
    rows.add(op, "i64", {rows.whole({4, 9}, -4, 5, Dtype::i64)}, axes({1}));
    rows.add(op, "i32 outermost", {rows.whole({9, 4}, -4, 5, Dtype::i32)}, axes({0}));
  }
  rows.add(OpId::max, "NaN wins", {rows.given(Dtype::f64, {2, 3}, {1, NAN, 3, 4, 6, 5})},
           {{"axes", Numbers{1}}});
  rows.add_smooth(OpId::product, "one zero in a row",
                  {rows.given(Dtype::f64, {2, 3}, {0, 2, 3, 4, 0, 6})}, {{"axes", Numbers{1}}});
}

void add_views(Rows& rows) {
  const auto shape = [](Numbers lengths) { return ir::Attributes{{"shape", std::move(lengths)}}; };
  rows.add_smooth(OpId::reshape, "merge", {rows.real({2, 3, 4})}, shape({6, 4}));
  rows.add_smooth(OpId::reshape, "split", {rows.real({12})}, shape({2, 1, 6}));
  rows.add(OpId::reshape, "empty", {rows.real({0, 4})}, shape({2, 0}));
  rows.add(OpId::reshape, "u8", {rows.whole({4, 2}, 0, 256, Dtype::u8)}, shape({8}));
  rows.add_smooth(OpId::permute, "three axes", {rows.real({2, 3, 4})},
                  {{"axes", Numbers{2, 0, 1}}});
  rows.add(OpId::permute, "i64", {rows.whole({3, 4}, -9, 9, Dtype::i64)},
           {{"axes", Numbers{1, 0}}});
  rows.add(OpId::permute, "empty", {rows.real({3, 0})}, {{"axes", Numbers{1, 0}}});
  const auto part = [](std::int64_t axis, std::int64_t begin, std::int64_t end) {
    return ir::Attributes{{"axis", axis}, {"begin", begin}, {"end", end}};
  };
  rows.add_smooth(OpId::slice, "outermost", {rows.real({5, 3})}, part(0, 1, 4));
  rows.add_smooth(OpId::slice, "innermost", {rows.real({2, 3, 5})}, part(2, 2, 4));
  rows.add(OpId::slice, "nothing", {rows.real({5, 3})}, part(0, 2, 2));
  rows.add(OpId::slice, "bool", {rows.whole({6}, 0, 2, Dtype::boolean)}, part(0, 1, 5));
  rows.add_smooth(OpId::broadcast_to, "new axis", {rows.real({3})}, shape({2, 3}));
  rows.add_smooth(OpId::broadcast_to, "inner axis", {rows.real({2, 1})}, shape({2, 4}));
  rows.add_smooth(OpId::broadcast_to, "middle and outer", {rows.real({2, 1, 3})},
                  shape({2, 2, 4, 3}));
  rows.add_smooth(OpId::broadcast_to, "scalar", {rows.real({})}, shape({2, 2}));
  rows.add(OpId::broadcast_to, "to nothing", {rows.real({1})}, shape({0}));
}

void add_moves(Rows& rows) {
  rows.add_smooth(OpId::copy, "matrix", {rows.real({3, 4})});
  rows.add(OpId::copy, "u8", {rows.whole({17}, 0, 256, Dtype::u8)});
  rows.add(OpId::copy, "empty", {rows.real({0})});
  const auto widths = [](Numbers low, Numbers high) {
    return ir::Attributes{{"low", std::move(low)}, {"high", std::move(high)}};
  };
  rows.add_smooth(OpId::pad, "both axes", {rows.real({2, 3})}, widths({1, 0}, {2, 3}));
  rows.add_smooth(OpId::pad, "nothing", {rows.real({2, 3})}, widths({0, 0}, {0, 0}));
  rows.add(OpId::pad, "empty", {rows.real({2, 0})}, widths({0, 2}, {1, 1}));
  rows.add(OpId::pad, "i32", {rows.whole({2, 2, 2}, -9, 9, Dtype::i32)},
           widths({1, 0, 1}, {0, 1, 0}));
  rows.add_smooth(OpId::pack, "gaps", {rows.real({2, 3}), rows.real({}), rows.real({4})},
                  {{"offsets", Numbers{1, 8, 9}}, {"elements", std::int64_t{16}}});
  rows.add(OpId::pack, "i64 and an empty one",
           {rows.whole({2}, 0, 9, Dtype::i64), rows.whole({0}, 0, 9, Dtype::i64)},
           {{"offsets", Numbers{0, 2}}, {"elements", std::int64_t{3}}});
}

void add_contractions(Rows& rows) {
  rows.add_smooth(OpId::matmul, "plain", {rows.real({3, 4}), rows.real({4, 5})});
  rows.add_smooth(OpId::matmul, "batched", {rows.real({2, 3, 4}), rows.real({2, 4, 2})});
  rows.add_smooth(OpId::matmul, "size 1", {rows.real({1, 1}), rows.real({1, 1})});
  rows.add(OpId::matmul, "wider", {rows.real({33, 65}), rows.real({65, 17})}).tolerance = 1e-5;
  rows.add(OpId::matmul, "nothing contracted", {rows.real({2, 0}), rows.real({0, 3})});
  rows.add(OpId::matmul, "no rows", {rows.real({0, 2}), rows.real({2, 3})});
}

struct ConvolutionCase {
  const char* what;
  Shape x;
  Shape w;
  Shape y;
  Numbers stride, padding, dilation;
  std::int64_t groups = 1;
};

// With one to three spatial axes. Depthwise: as many groups as channels.
const std::vector<ConvolutionCase>& convolution_cases() {
  static const std::vector<ConvolutionCase> cases = {
      {"plain", {2, 4, 5, 2}, {3, 3, 2, 2}, {2, 2, 4, 3}, {1, 1}, {0, 0}, {1, 1}},
      {"stride and padding", {1, 5, 6, 2}, {2, 3, 3, 2}, {1, 3, 3, 2}, {2, 2}, {1, 1}, {1, 1}},
      {"dilation", {1, 5, 5, 1}, {2, 2, 2, 1}, {1, 3, 5, 2}, {1, 1}, {0, 1}, {2, 2}},
      {"uneven stride", {1, 6, 7, 1}, {1, 2, 3, 1}, {1, 2, 3, 1}, {3, 2}, {0, 0}, {1, 1}},
      {"one pixel", {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1}, {0, 0}, {1, 1}},
      {"other padding behind",
       {1, 4, 5, 2},
       {3, 3, 2, 2},
       {1, 4, 6, 3},
       {1, 1},
       {2, 0, 0, 2},
       {1, 1}},
      {"groups", {2, 3, 4, 4}, {6, 2, 2, 2}, {2, 2, 3, 6}, {1, 1}, {0, 0}, {1, 1}, 2},
      {"groups, stride", {1, 5, 5, 6}, {3, 3, 2, 2}, {1, 3, 2, 3}, {2, 2}, {1, 0}, {1, 1}, 3},
      {"depthwise", {1, 4, 4, 3}, {3, 3, 3, 1}, {1, 4, 4, 3}, {1, 1}, {1, 1}, {1, 1}, 3},
      {"depthwise, two each", {1, 3, 5, 2}, {4, 2, 2, 1}, {1, 2, 3, 4}, {1, 2}, {0, 1}, {1, 1}, 2},
      {"1d", {2, 5, 2}, {3, 3, 2}, {2, 3, 3}, {1}, {0}, {1}},
      {"1d, last pixels not reached", {1, 8, 1}, {2, 3, 1}, {1, 2, 2}, {3}, {0}, {1}},
      {"1d, causal", {1, 5, 2}, {2, 3, 2}, {1, 5, 2}, {1}, {4, 0}, {2}},
      {"1d, groups", {1, 6, 4}, {4, 2, 2}, {1, 4, 4}, {2}, {1}, {1}, 2},
      {"3d", {1, 3, 4, 3, 2}, {2, 2, 3, 2, 2}, {1, 2, 2, 2, 2}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
      {"3d, stride, padding and dilation",
       {1, 4, 5, 3, 1},
       {2, 2, 2, 3, 1},
       {1, 3, 2, 3, 2},
       {2, 2, 1},
       {1, 0, 1, 1, 0, 1},
       {1, 2, 1}},
      {"3d, groups",
       {1, 2, 3, 2, 4},
       {2, 1, 2, 2, 2},
       {1, 2, 2, 1, 2},
       {1, 1, 1},
       {0, 0, 0},
       {1, 1, 1},
       2},
  };
  return cases;
}

Numbers inner_lengths(const Shape& shape) { return {shape.begin() + 1, shape.end() - 1}; }

void add_convolutions(Rows& rows) {
  const auto with = [](ir::Attributes attributes, const char* name, Numbers values) {
    attributes.add(name, std::move(values));
    return attributes;
  };
  for (const ConvolutionCase& each : convolution_cases()) {
    ir::Attributes attributes{
        {"stride", each.stride}, {"padding", each.padding}, {"dilation", each.dilation}};
    if (each.groups != 1) attributes.add("groups", each.groups);
    rows.add_smooth(OpId::conv, each.what, {rows.real(each.x), rows.real(each.w)}, attributes)
        .tolerance = 1e-5;
    rows.add_smooth(OpId::conv_input_gradient, each.what, {rows.real(each.y), rows.real(each.w)},
                    with(attributes, "size", inner_lengths(each.x)))
        .tolerance = 1e-5;
    rows.add_smooth(OpId::conv_weight_gradient, each.what, {rows.real(each.x), rows.real(each.y)},
                    with(attributes, "kernel", inner_lengths(each.w)))
        .tolerance = 1e-5;
  }
  rows.add(OpId::conv, "no images", {rows.real({0, 4, 4, 2}), rows.real({3, 2, 2, 2})},
           {{"stride", Numbers{1, 1}}, {"padding", Numbers{0, 0}}, {"dilation", Numbers{1, 1}}});
}

void add_pooling(Rows& rows) {
  const auto window = [](Numbers kernel, Numbers stride, Numbers padding) {
    return ir::Attributes{{"kernel", kernel}, {"stride", stride}, {"padding", padding}};
  };
  rows.add_smooth(OpId::max_pool, "plain", {rows.real({2, 4, 6, 2})},
                  window({2, 2}, {2, 2}, {0, 0}));
  rows.add_smooth(OpId::max_pool, "overlapping, padded", {rows.real({1, 5, 5, 3})},
                  window({3, 3}, {2, 2}, {1, 1}));
  rows.add(OpId::max_pool, "all negative, padded", {rows.real({1, 3, 3, 1}, -2, -1)},
           window({2, 2}, {1, 1}, {1, 1}));
  rows.add(OpId::max_pool, "ties and NaN",
           {rows.given(Dtype::f64, {1, 2, 6, 1}, {1, 1, NAN, 3, 5, 4, 1, 1, NAN, 9, 5, 5})},
           window({2, 2}, {2, 2}, {0, 0}));
  rows.add(OpId::max_pool, "no images", {rows.real({0, 4, 4, 1})}, window({2, 2}, {2, 2}, {0, 0}));
  rows.add_smooth(OpId::max_pool, "1d, other padding behind", {rows.real({2, 5, 3})},
                  window({3}, {2}, {0, 1}));
  rows.add_smooth(OpId::max_pool, "3d", {rows.real({1, 4, 3, 5, 2})},
                  window({2, 3, 2}, {1, 2, 2}, {0, 1, 1}));
  ir::Attributes sized = window({2, 2}, {1, 1}, {0, 0});
  sized.add("size", Numbers{3, 4});
  const SampleInput index = rows.whole({2, 2, 3, 2}, 0, 4, Dtype::u8);
  rows.add_smooth(OpId::max_pool_gradient, "overlapping", {rows.real({2, 2, 3, 2}), index}, sized);
  rows.add_smooth(OpId::max_pool_gather, "overlapping", {rows.real({2, 3, 4, 2}), index},
                  window({2, 2}, {1, 1}, {0, 0}));
  ir::Attributes volume = window({2, 1, 2}, {1, 1, 1}, {0, 0, 0});
  const SampleInput places = rows.whole({1, 2, 2, 2, 3}, 0, 4, Dtype::u8);
  rows.add_smooth(OpId::max_pool_gather, "3d", {rows.real({1, 3, 2, 3, 3}), places}, volume);
  volume.add("size", Numbers{3, 2, 3});
  rows.add_smooth(OpId::max_pool_gradient, "3d", {rows.real({1, 2, 2, 2, 3}), places}, volume);
}

void add_indices(Rows& rows) {
  rows.add_smooth(OpId::gather, "matrix of ids",
                  {rows.real({5, 3}), rows.whole({2, 4}, 0, 5, Dtype::i32)});
  rows.add_smooth(OpId::gather, "one id", {rows.real({5, 3}), rows.whole({}, 0, 5, Dtype::i64)});
  rows.add(OpId::gather, "u8 rows",
           {rows.whole({4, 3}, 0, 256, Dtype::u8), rows.whole({6}, 0, 4, Dtype::i64)});
  rows.add(OpId::gather, "no ids", {rows.real({5, 3}), rows.whole({0}, 0, 5, Dtype::i32)});
  const ir::Attributes four = {{"segments", std::int64_t{4}}};
  rows.add_smooth(OpId::segment_sum, "some empty",
                  {rows.real({6, 3}), rows.given(Dtype::i32, {6}, {1, 3, 1, 0, 3, 1})}, four);
  rows.add_smooth(OpId::segment_sum, "scalars",
                  {rows.real({6}), rows.given(Dtype::i64, {6}, {3, 2, 1, 0, 3, 1})}, four);
  rows.add(OpId::segment_sum, "no rows", {rows.real({0, 2}), rows.whole({0}, 0, 1, Dtype::i64)},
           four);
}

void add_cumsums(Rows& rows) {
  const auto along = [](std::int64_t axis, std::int64_t reverse) {
    return ir::Attributes{{"axis", axis}, {"reverse", reverse}};
  };
  for (const std::int64_t reverse : {0, 1}) {
    const std::string way = reverse == 0 ? "" : ", reverse";
    for (const std::int64_t axis : {0, 1, 2}) {
      rows.add_smooth(OpId::cumsum, "axis " + std::to_string(axis) + way, {rows.real({3, 4, 2})},
                      along(axis, reverse));
    }
    // Positive, as sums that cancel are nothing to measure an error by.
    rows.add(OpId::cumsum, "several chunks" + way, {rows.real({2, 700, 3}, 0, 2)},
             along(1, reverse))
        .tolerance = 1e-5;
    rows.add(OpId::cumsum, "one long row" + way, {rows.real({1025}, 0, 2)}, along(0, reverse))
        .tolerance = 1e-5;
    rows.add(OpId::cumsum, "wide" + way, {rows.real({257, 130}, 0, 2)}, along(0, reverse))
        .tolerance = 1e-5;
    rows.add(OpId::cumsum, "i32" + way, {rows.whole({3, 300}, -9, 9, Dtype::i32)},
             along(1, reverse));
    rows.add(OpId::cumsum, "i64" + way, {rows.whole({300, 3}, -9, 9, Dtype::i64)},
             along(0, reverse));
    rows.add(OpId::cumsum, "no positions" + way, {rows.real({3, 0})}, along(1, reverse));
    rows.add(OpId::cumsum, "no rows" + way, {rows.real({0, 3})}, along(1, reverse));
  }
  rows.add(OpId::cumsum, "NaN stays", {rows.given(Dtype::f64, {4}, {1, NAN, 2, INFINITY})},
           along(0, 0));
  // `reverse` may be left out.
  rows.add(OpId::cumsum, "one position", {rows.real({2, 1})}, {{"axis", std::int64_t{1}}});
}

void add_random(Rows& rows) {
  const SampleInput position = rows.given(Dtype::i64, {2}, {123456789012.0, 5.0});
  rows.add(OpId::bernoulli, "a third", {position}, {{"shape", Numbers{5, 7}}, {"p", 0.3}});
  rows.add(OpId::bernoulli, "always", {position}, {{"shape", Numbers{11}}, {"p", 1.0}});
  rows.add(OpId::bernoulli, "never", {position}, {{"shape", Numbers{11}}, {"p", 0.0}});
  rows.add(OpId::bernoulli, "nothing", {position}, {{"shape", Numbers{0}}, {"p", 0.5}});
  rows.add(OpId::uniform, "matrix", {position}, {{"shape", Numbers{5, 7}}});
  rows.add(OpId::uniform, "scalar", {position}, {{"shape", Numbers{}}});
}

void add_compositions(Rows& rows) {
  for (const OpId op : {OpId::softmax, OpId::log_softmax}) {
    rows.add_smooth(op, "matrix", {rows.real({4, 6}, -5, 5)}).tolerance = 5e-6;
    rows.add(op, "far apart", {rows.given(Dtype::f64, {2, 2}, {1000, -1000, -90, 0})});
    rows.add(op, "one class", {rows.real({3, 1})});
    rows.add(op, "no rows", {rows.real({0, 4})});
    rows.add(op, "vector", {rows.real({9})}).tolerance = 5e-6;
    rows.add(op, "rows of several chunks", {rows.real({3, 17000}, -5, 5)}).tolerance = 1e-5;
  }
  rows.add_smooth(OpId::cross_entropy, "i32 labels",
                  {rows.real({5, 4}, -3, 3), rows.whole({5}, 0, 4, Dtype::i32)});
  rows.add_smooth(OpId::cross_entropy, "i64 labels",
                  {rows.real({3, 7}, -3, 3), rows.whole({3}, 0, 7, Dtype::i64)});
  rows.add(OpId::cross_entropy, "rows of several chunks",
           {rows.real({3, 17000}, -3, 3), rows.whole({3}, 0, 17000, Dtype::i64)});
  rows.add(OpId::cross_entropy, "a label outside",
           {rows.real({3, 4}), rows.given(Dtype::i64, {3}, {0, 4, 1})});
  rows.add(OpId::cross_entropy, "a negative label",
           {rows.real({3, 4}), rows.given(Dtype::i32, {3}, {0, -1, 1})});
  rows.add_smooth(OpId::binary_cross_entropy, "matrix",
                  {rows.real({3, 4}, 0.05, 0.95), rows.real({3, 4}, 0, 1)})
      .tolerance = 5e-6;
  rows.add(OpId::binary_cross_entropy, "certain",
           {rows.given(Dtype::f64, {6}, {0, 1, 0, 1, 1e-30, 0.5}),
            rows.given(Dtype::f64, {6}, {0, 1, 1, 0, 1, 0})});
  rows.add(OpId::binary_cross_entropy, "no probability",
           {rows.given(Dtype::f64, {2}, {-0.5, 1.5}), rows.given(Dtype::f64, {2}, {1, 0})});
  rows.add(OpId::binary_cross_entropy, "empty", {rows.real({0, 2}), rows.real({0, 2})});
  const ir::Attributes epsilon = {{"epsilon", 1e-5}};
  rows.add_smooth(OpId::batch_norm, "images",
                  {rows.real({2, 3, 3, 2}), rows.real({2}, 0.5, 1.5), rows.real({2})}, epsilon)
      .tolerance = 1e-5;
  rows.add_smooth(OpId::batch_norm, "rows",
                  {rows.real({7, 3}), rows.real({3}, 0.5, 1.5), rows.real({3})}, epsilon)
      .tolerance = 1e-5;
  rows.add(OpId::batch_norm, "a large mean",
           {rows.real({64, 2}, 99, 101), rows.real({2}), rows.real({2})}, epsilon)
      .tolerance = 1e-4;
  rows.add_smooth(OpId::layer_norm, "rows",
                  {rows.real({2, 3, 5}), rows.real({5}, 0.5, 1.5), rows.real({5})}, epsilon)
      .tolerance = 1e-5;
  rows.add_smooth(OpId::layer_norm, "two axes",
                  {rows.real({2, 3, 4}), rows.real({3, 4}, 0.5, 1.5), rows.real({3, 4})}, epsilon)
      .tolerance = 1e-5;
  rows.add_smooth(OpId::layer_norm, "one row",
                  {rows.real({6}), rows.real({6}, 0.5, 1.5), rows.real({6})}, epsilon)
      .tolerance = 1e-5;
  rows.add(OpId::layer_norm, "constant rows",
           {rows.given(Dtype::f64, {2, 3}, {7, 7, 7, 0.125, 0.125, 0.125}), rows.real({3}),
            rows.real({3})},
           epsilon);
  rows.add(OpId::layer_norm, "a large mean",
           {rows.real({4, 64}, 99, 101), rows.real({64}), rows.real({64})}, epsilon)
      .tolerance = 1e-4;
  rows.add(OpId::layer_norm, "no rows", {rows.real({0, 4}), rows.real({4}), rows.real({4})},
           epsilon);
}

// Domains in which a pointwise op is smooth, and what it computes, where op_reference.cc does not
// say.
struct Domain {
  OpId op;
  double low;
  double high;
  double (*naive)(double a, double b, double c) = nullptr;
};

void add_smooth_unary(Rows& rows, const Domain& domain) {
  const auto real = [&](const Shape& shape) { return rows.real(shape, domain.low, domain.high); };
  for (const Shape& shape : {Shape{5, 7}, Shape{}, Shape{0, 3}}) {
    Sample& sample = rows.add(domain.op, shape.to_string(), {real(shape)});
    sample.is_smooth = shape.elements() > 0;
    sample.tolerance = 1e-5;
    sample.naive = domain.naive;
  }
}

void add_smooth_binary(Rows& rows, const Domain& domain) {
  const auto real = [&](const Shape& shape) { return rows.real(shape, domain.low, domain.high); };
  rows.add_smooth(domain.op, "matrices", {real({3, 4}), real({3, 4})}).tolerance = 1e-5;
  rows.add_smooth(domain.op, "broadcast", {real({2, 1, 3}), real({4, 1})}).tolerance = 1e-5;
  rows.add_smooth(domain.op, "scalar", {real({2, 3}), real({})}).tolerance = 1e-5;
  rows.add(domain.op, "empty", {real({0, 3}), real({3})});
}

void add_smooth_pointwise(Rows& rows) {
  for (const Domain& domain : std::vector<Domain>{
           {OpId::negate, -2, 2},      {OpId::abs, 0.1, 2},     {OpId::sign, -2, -0.1},
           {OpId::square, -2, 2},      {OpId::sqrt, 0.2, 4},    {OpId::rsqrt, 0.2, 4},
           {OpId::reciprocal, 0.2, 4}, {OpId::exp, -3, 3},      {OpId::expm1, -2, 2},
           {OpId::log, 0.2, 4},        {OpId::log1p, -0.7, 3},  {OpId::sin, -7, 7},
           {OpId::cos, -7, 7},         {OpId::tanh, -3, 3},     {OpId::erf, -3, 3},
           {OpId::sigmoid, -5, 5},     {OpId::softplus, -5, 5}, {OpId::relu, 0.1, 2},
           {OpId::silu, -4, 4},        {OpId::gelu, -3, 3},     {OpId::gelu_tanh, -3, 3},
           {OpId::floor, 0.1, 0.9},    {OpId::ceil, 0.1, 0.9},  {OpId::round, 0.6, 1.4},
           {OpId::trunc, 0.1, 0.9}}) {
    add_smooth_unary(rows, domain);
  }
  for (const Domain& domain : std::vector<Domain>{{OpId::add, -2, 2},
                                                  {OpId::subtract, -2, 2},
                                                  {OpId::multiply, -2, 2},
                                                  {OpId::divide, 0.3, 2},
                                                  {OpId::pow, 0.3, 2},
                                                  {OpId::maximum, -2, 2},
                                                  {OpId::minimum, -2, 2}}) {
    add_smooth_binary(rows, domain);
  }
  rows.add_smooth(OpId::where, "broadcast",
                  {rows.whole({3, 1}, 0, 2, Dtype::boolean), rows.real({3, 4}), rows.real({4})});
  rows.add(OpId::where, "u8",
           {rows.whole({9}, 0, 2, Dtype::boolean), rows.whole({9}, 0, 256, Dtype::u8),
            rows.whole({9}, 0, 256, Dtype::u8)});
  rows.add_smooth(OpId::clamp, "inside and outside",
                  {rows.real({4, 5}), rows.real({5}, -1, -0.5), rows.real({}, 0.5, 1)});
  rows.add_smooth(OpId::multiply_add, "broadcast",
                  {rows.real({3, 4}), rows.real({4}), rows.real({3, 1})});
}

void add_other_pointwise(Rows& rows) {
  for (const OpId op :
       {OpId::relu, OpId::abs, OpId::sign, OpId::floor, OpId::ceil, OpId::round, OpId::trunc}) {
    rows.add(op, "halves",
             {rows.given(Dtype::f64, {8}, {-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 1e9})});
  }
  for (const OpId op : {OpId::add, OpId::subtract, OpId::multiply, OpId::maximum, OpId::minimum}) {
    rows.add(op, "i32",
             {rows.whole({3, 4}, -99, 99, Dtype::i32), rows.whole({4}, -9, 9, Dtype::i32)});
    rows.add(op, "i64",
             {rows.whole({3, 4}, -99, 99, Dtype::i64), rows.whole({}, -9, 9, Dtype::i64)});
    rows.add(op, "u8", {rows.whole({7}, 10, 15, Dtype::u8), rows.whole({7}, 0, 9, Dtype::u8)});
  }
  for (const OpId op : {OpId::equal, OpId::not_equal, OpId::less, OpId::less_equal, OpId::greater,
                        OpId::greater_equal}) {
    const std::vector<double> left = {1, 2, 3, NAN, 0, -0.0};
    const std::vector<double> right = {2, 2, 2, 1, -0.0, NAN};
    rows.add(op, "f64", {rows.given(Dtype::f64, {6}, left), rows.given(Dtype::f64, {6}, right)});
    rows.add(op, "i32", {rows.whole({5, 4}, 0, 3, Dtype::i32), rows.whole({4}, 0, 3, Dtype::i32)});
    rows.add(op, "u8", {rows.whole({20}, 0, 3, Dtype::u8), rows.whole({20}, 0, 3, Dtype::u8)});
  }
  for (const OpId op : {OpId::logical_and, OpId::logical_or, OpId::logical_xor}) {
    rows.add(op, "all pairs",
             {rows.given(Dtype::boolean, {4}, {0, 0, 1, 1}),
              rows.given(Dtype::boolean, {4}, {0, 1, 0, 1})});
  }
  rows.add(OpId::logical_not, "both", {rows.given(Dtype::boolean, {2}, {0, 1})});
  for (const OpId op : {OpId::isnan, OpId::isfinite}) {
    rows.add(op, "all kinds", {rows.given(Dtype::f64, {5}, {0, NAN, INFINITY, -INFINITY, -3e38})});
  }
}

std::vector<Sample> make_samples() {
  Rows rows;
  add_fills(rows);
  add_casts(rows);
  add_reductions(rows);
  add_views(rows);
  add_moves(rows);
  add_contractions(rows);
  add_convolutions(rows);
  add_pooling(rows);
  add_indices(rows);
  add_cumsums(rows);
  add_random(rows);
  add_compositions(rows);
  add_smooth_pointwise(rows);
  add_other_pointwise(rows);
  std::vector<Sample> all = rows.take();
  for (Sample& sample : function_samples()) all.push_back(std::move(sample));
  return all;
}

template <class T>
Tensor fill_with(const SampleInput& input, Dtype dtype) {
  return filled(input.shape, dtype, [&](std::byte* memory) {
    for (const double value : input.values) {
      const T element = static_cast<T>(value);
      std::memcpy(memory, &element, sizeof(element));
      memory += sizeof(element);
    }
  });
}

template <class T>
std::vector<double> read_as(const Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.elements()));
  const Tensor host = to_host(tensor);
  const std::byte* memory = values.empty() ? nullptr : host.data();
  for (double& value : values) {
    T element;
    std::memcpy(&element, memory, sizeof(element));
    memory += sizeof(element);
    value = static_cast<double>(element);
  }
  return values;
}

}  // namespace

void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }

const std::vector<Sample>& op_samples() {
  static const std::vector<Sample> samples = make_samples();
  return samples;
}

bool is_contraction(const Sample& sample) {
  if (sample.function) return sample.function_contracts;
  return ir::find(op_list(), sample.op).kind == ir::OpKind::contraction;
}

double tolerance_of(const Sample& sample, Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return sample.tolerance * 1e-7;
    case Dtype::bf16:
      return sample.tolerance + 0x1p-7;
    case Dtype::f16:
      return sample.tolerance + 0x1p-10;
    default:
      return sample.tolerance;
  }
}

double stored(double value, Dtype dtype) {
  const auto narrow = static_cast<float>(value);
  if (dtype == Dtype::bf16) return f32_from_bf16(bf16_from_f32(narrow));
  if (dtype == Dtype::f16) return f32_from_f16(f16_from_f32(narrow));
  return dtype == Dtype::f32 ? static_cast<double>(narrow) : value;
}

Tensor make_tensor(const SampleInput& input, Dtype floating) {
  const Dtype dtype = input.dtype == Dtype::f64 ? floating : input.dtype;
  switch (dtype) {
    case Dtype::f32:
      return fill_with<float>(input, dtype);
    case Dtype::bf16:
    case Dtype::f16: {
      SampleInput narrow = input;
      for (double& value : narrow.values) value = stored(value, dtype);
      return cast(fill_with<float>(narrow, Dtype::f32), dtype);
    }
    case Dtype::i32:
      return fill_with<std::int32_t>(input, dtype);
    case Dtype::i64:
      return fill_with<std::int64_t>(input, dtype);
    case Dtype::u8:
    case Dtype::boolean:
      return fill_with<std::uint8_t>(input, dtype);
    default:
      return fill_with<double>(input, dtype);
  }
}

std::vector<double> elements_of(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case Dtype::f32:
      return read_as<float>(tensor);
    case Dtype::bf16:
    case Dtype::f16: {
      const std::vector<float> values = tensor.to_vector<float>();
      return {values.begin(), values.end()};
    }
    case Dtype::i32:
      return read_as<std::int32_t>(tensor);
    case Dtype::i64:
      return read_as<std::int64_t>(tensor);
    case Dtype::u8:
    case Dtype::boolean:
      return read_as<std::uint8_t>(tensor);
    default:
      return read_as<double>(tensor);
  }
}

}  // namespace sinter
