// Every error that an op or its user function raises.
#include <gtest/gtest.h>

#include <string>

#include "ir/graph.h"
#include "ir/internal_error.h"
#include "ops/list.h"
#include "sinter/ops.h"
#include "sinter/random.h"

namespace sinter {
namespace {

using ir::OpId;
using ir::TensorType;
using Numbers = std::vector<std::int64_t>;

std::vector<TensorType> infer(OpId op, const std::vector<TensorType>& types,
                              const ir::Attributes& attributes = {}) {
  const ir::Op& found = ir::find(op_list(), op);
  return ir::infer(found, {types, ir::completed(found, attributes), {}});
}

// The message starts with the op's name and holds all `parts`.
void expect_message(const std::string& message, const std::string& where,
                    const std::vector<std::string>& parts) {
  EXPECT_EQ(message.rfind(where + ": ", 0), 0u) << message;
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
  }
}

void refuses(OpId op, const std::vector<TensorType>& types, const ir::Attributes& attributes,
             const std::vector<std::string>& parts) {
  try {
    infer(op, types, attributes);
    ADD_FAILURE() << ir::find(op_list(), op).name << " accepted the call";
  } catch (const Error& error) {
    expect_message(error.what(), ir::find(op_list(), op).name, parts);
  }
}

template <class Call>
void throws(const std::string& where, const std::vector<std::string>& parts, Call call) {
  try {
    call();
    ADD_FAILURE() << where << " accepted the call";
  } catch (const Error& error) {
    expect_message(error.what(), where, parts);
  }
}

TensorType f32(const Shape& shape) { return {Dtype::f32, shape}; }
TensorType f64(const Shape& shape) { return {Dtype::f64, shape}; }
TensorType i32(const Shape& shape) { return {Dtype::i32, shape}; }
TensorType i64(const Shape& shape) { return {Dtype::i64, shape}; }
TensorType u8(const Shape& shape) { return {Dtype::u8, shape}; }
TensorType mask(const Shape& shape) { return {Dtype::boolean, shape}; }

Tensor make(const Shape& shape, Dtype dtype = Dtype::f32) {
  return filled(shape, dtype, [&](std::byte* memory) {
    const auto bytes = static_cast<std::size_t>(shape.elements()) * size_of(dtype);
    for (std::size_t i = 0; i < bytes; ++i) memory[i] = std::byte{0};
  });
}

std::int64_t number_of(Dtype dtype) { return static_cast<std::int64_t>(dtype); }

TEST(Pointwise, NamesTheDtypesThatDiffer) {
  refuses(OpId::add, {f32({2}), i32({2})}, {},
          {"the dtypes differ", "got f32(2,) and i32(2,)", "cast()"});
}

TEST(Pointwise, RefusesDtypesThatTheOpDoesNotTake) {
  refuses(OpId::exp, {i32({2})}, {}, {"i32(2,)", "f32, f64"});
  refuses(OpId::add, {mask({2}), mask({2})}, {}, {"not bool"});
  refuses(OpId::logical_and, {f32({2}), f32({2})}, {}, {"expected bool"});
}

TEST(Pointwise, CallsAScalarAScalar) {
  refuses(OpId::exp, {i32({})}, {}, {"got i32 scalar"});
  refuses(OpId::add, {f32({}), f64({})}, {}, {"f32 scalar and f64 scalar"});
}

TEST(Pointwise, RefusesShapesThatDoNotBroadcast) {
  refuses(OpId::multiply, {f32({2, 3}), f32({2})}, {}, {"(2, 3) and (2,)"});
}

TEST(Pointwise, RefusesAConditionThatIsNotBoolean) {
  refuses(OpId::where, {f32({2}), f32({2}), f32({2})}, {}, {"the condition", "bool"});
  refuses(OpId::where, {mask({2}), f32({2}), f64({2})}, {}, {"the dtypes differ"});
}

TEST(Pointwise, BroadcastsAllThreeInputs) {
  const auto types = infer(OpId::where, {mask({3, 1, 1}), u8({4, 1}), u8({5})});
  EXPECT_EQ(types.at(0), u8({3, 4, 5}));
  EXPECT_EQ(infer(OpId::less, {i64({2}), i64({})}).at(0), mask({2}));
}

TEST(Numbers, BesideTensorsMustFitTheDtype) {
  throws("add", {"0.5 for i32", "a whole number"}, [] { add(make({2}, Dtype::i32), 0.5); });
  throws("multiply", {"300 for u8"}, [] { multiply(make({2}, Dtype::u8), 300.0); });
  throws("equal", {"2 for bool", "0 or 1"}, [] { equal(make({2}, Dtype::boolean), 2.0); });
  throws("add", {"for i64"}, [] { add(make({2}, Dtype::i64), 9223372036854775808.0); });
  throws("full", {"-1 for u8"}, [] { full({2}, -1, Dtype::u8); });
}

TEST(Iota, CountsInIntegersAlongAnAxisThatExists) {
  throws("iota", {"f32(2,)", "i32 or i64"}, [] { iota({2}, 0, Dtype::f32); });
  throws("iota", {"no such axis"}, [] { iota({2}, 1); });
  refuses(OpId::iota, {},
          {{"shape", Numbers{(std::int64_t{1} << 31) + 1}},
           {"dtype", number_of(Dtype::i32)},
           {"axis", std::int64_t{0}}},
          {"too long", "use i64"});
}

TEST(Reductions, RefuseAxesThatDoNotExistOrRepeat) {
  throws("sum", {"no such axis", "2"}, [] { sum(make({2, 3}), {2}); });
  throws("max", {"twice"}, [] { max(make({2, 3}), {0, -2}); });
  throws("mean", {"twice"}, [] { mean(make({2, 3}), {1, 1}); });
}

TEST(Reductions, RefuseDtypesWithoutArithmetic) {
  throws("sum", {"bool(2,)", "cast()"}, [] { sum(make({2}, Dtype::boolean)); });
  throws("min", {"u8(1,)"}, [] { min(make({1}, Dtype::u8)); });
  throws("mean", {"i32(2,)", "f32, f64, bf16 or f16"}, [] { mean(make({2}, Dtype::i32)); });
}

TEST(Reductions, NodesFoldInnermostOrOutermostAxesOnly) {
  EXPECT_THROW(infer(OpId::sum, {f32({2, 3, 4})}, {{"axes", Numbers{1}}}), ir::InternalError);
  EXPECT_THROW(infer(OpId::sum, {f32({2, 3, 4})}, {{"axes", Numbers{0, 2}}}), ir::InternalError);
  EXPECT_THROW(infer(OpId::sum, {f32({2, 3})}, {{"axes", Numbers{1, 0}}}), ir::InternalError);
  EXPECT_THROW(infer(OpId::sum, {f32({2, 3})}, {{"axes", Numbers{2}}}), ir::InternalError);
  EXPECT_EQ(infer(OpId::sum, {f32({2, 1, 4})}, {{"axes", Numbers{0, 1}}}).at(0), f32({1, 1, 4}));
  EXPECT_EQ(infer(OpId::sum, {f32({2, 3, 1})}, {{"axes", Numbers{1}}}).at(0), f32({2, 1, 1}));
}

TEST(Views, RefuseShapesWithOtherElements) {
  throws("reshape", {"f32(2, 3)", "(4,)", "6 elements"}, [] { reshape(make({2, 3}), {4}); });
  throws("reshape", {"more than one"}, [] { reshape(make({2, 3}), {-1, -1}); });
  throws("reshape", {"no length fits"}, [] { reshape(make({2, 3}), {4, -1}); });
  throws("reshape", {"no length fits"}, [] { reshape(make({0, 3}), {0, -1}); });
}

TEST(Views, RefuseAxesThatAreNoPermutation) {
  throws("permute", {"{0, 0}", "each axis once"}, [] { permute(make({2, 3}), {0, 0}); });
  throws("permute", {"{0}"}, [] { permute(make({2, 3}), {0}); });
  throws("permute", {"no such axis"}, [] { permute(make({2, 3}), {0, 2}); });
  throws("transpose", {"f32(3,)"}, [] { transpose(make({3})); });
}

TEST(Views, RefuseSlicesThatLeaveTheAxis) {
  throws("slice", {"1 to 4 of axis 1", "<= 3"}, [] { slice(make({2, 3}), 1, 1, 4); });
  throws("slice", {"2 to 1"}, [] { slice(make({2, 3}), 1, 2, 1); });
  throws("slice", {"-1 to 2"}, [] { slice(make({2, 3}), 1, -4, 2); });
  throws("slice", {"no such axis"}, [] { slice(make({2, 3}), 2, 0, 1); });
  EXPECT_THROW(
      infer(OpId::slice, {f32({2})},
            {{"axis", std::int64_t{1}}, {"begin", std::int64_t{0}}, {"end", std::int64_t{1}}}),
      ir::InternalError);
}

TEST(Views, RefuseShapesThatDoNotBroadcast) {
  throws("broadcast_to", {"f32(2,) to (3,)"}, [] { broadcast_to(make({2}), {3}); });
  throws("broadcast_to", {"f32(1, 2) to (2,)"}, [] { broadcast_to(make({1, 2}), {2}); });
}

TEST(Pad, WantsAWidthForEachAxisAndNoneNegative) {
  throws("pad", {"1 and 2 widths", "2 each"}, [] { pad(make({2, 3}), {1}, {1, 1}); });
  throws("pad", {"negative", "axis 1", "slice()"}, [] { pad(make({2, 3}), {0, -1}, {0, 0}); });
}

TEST(Pack, WantsAscendingPlacesOfOneDtypeThatFit) {
  throws("pack", {"0 inputs"}, [] { pack({}, {}, 3); });
  throws("pack", {"1 inputs and 2 offsets"}, [] { pack({make({2})}, {0, 2}, 4); });
  throws("pack", {"overlaps", "offset 1", "2 or more"}, [] {
    pack({make({2}), make({2})}, {0, 1}, 4);
  });
  throws("pack", {"overlaps", "offset -1"}, [] { pack({make({2})}, {-1}, 4); });
  throws("pack", {"do not fit", "3 elements", "4 or more"}, [] {
    pack({make({2}), make({2})}, {0, 2}, 3);
  });
  throws("pack", {"the dtypes differ"}, [] {
    pack({make({2}), make({2}, Dtype::i32)}, {0, 2}, 4);
  });
}

TEST(Matmul, RefusesMatricesThatDoNotFit) {
  refuses(OpId::matmul, {f32({2, 3}), f32({2, 3})}, {}, {"contracted", "f32(2, 3) and f32(2, 3)"});
  refuses(OpId::matmul, {f32({2, 2, 3}), f32({3, 3, 4})}, {}, {"batch axes", "reshape()"});
  refuses(OpId::matmul, {f32({2, 2, 3}), f32({3, 4})}, {}, {"batch axes"});
  refuses(OpId::matmul, {f32({3}), f32({3})}, {}, {"batch axes"});
  refuses(OpId::matmul, {f32({2, 3}), f64({3, 4})}, {}, {"the dtypes differ"});
  refuses(OpId::matmul, {i32({2, 3}), i32({3, 4})}, {}, {"i32(2, 3)", "f32, f64, bf16 or f16"});
  throws("linear", {"f32(2, 3) and f32(4, 5)"}, [] { linear(make({2, 3}), make({4, 5})); });
  throws("linear", {"bias", "(4,)"}, [] { linear(make({2, 3}), make({4, 3}), make({3})); });
}

ir::Attributes window(Numbers stride = {1, 1}, Numbers padding = {0, 0},
                      Numbers dilation = {1, 1}) {
  return {{"stride", std::move(stride)},
          {"padding", std::move(padding)},
          {"dilation", std::move(dilation)}};
}

TEST(Conv, SaysThatImagesAreNhwc) {
  refuses(OpId::conv, {f32({1, 3, 8, 8}), f32({4, 3, 3, 3})}, window(),
          {"channels", "(1, 3, 8, 8)", "3 channels", "images are NHWC"});
  refuses(OpId::conv, {f32({8, 3}), f32({4, 3, 3, 3})}, window(),
          {"3 to 5 axes (N, spatial..., C)", "images are channels last"});
  refuses(OpId::conv, {f32({1, 8, 8, 3}), f32({4, 3})}, window(),
          {"4 axes (O, kernel..., C / groups)", "OHWI"});
}

TEST(Conv, RefusesWindowsOutOfRange) {
  const std::vector<TensorType> types = {f32({1, 4, 4, 1}), f32({1, 3, 3, 1})};
  refuses(OpId::conv, types, window({0, 1}), {"stride 0"});
  refuses(OpId::conv, types, window({1, 1}, {0, -1}), {"padding -1"});
  refuses(OpId::conv, types, window({1, 1}, {0, 0}, {1, 0}), {"dilation 0"});
  refuses(OpId::conv, types, window({1, 1}, {0, 0}, {2, 1}), {"does not fit", "on length 4"});
  refuses(OpId::conv, types, window({1, 1}, {0, 0}, {std::int64_t{1} << 62, 1}), {"does not fit"});
  refuses(OpId::conv, types, window({1, 1}, {0, 0, 0, -1}), {"padding 0 and -1"});
  refuses(OpId::conv, types, window({1, 1}, {0, std::int64_t{1} << 62}), {"does not fit"});
  refuses(OpId::conv, {f32({1, 4, 4, 1}), f32({1, 0, 3, 1})}, window(), {"kernel 0"});
  refuses(OpId::conv, {f32({1, 4, 4, 1}), f64({1, 3, 3, 1})}, window(), {"the dtypes differ"});
  refuses(OpId::conv, {u8({1, 4, 4, 1}), u8({1, 3, 3, 1})}, window(), {"u8(1, 4, 4, 1)"});
  EXPECT_THROW(infer(OpId::conv, types, window({1})), ir::InternalError);
}

TEST(Conv, RefusesGroupsThatDoNotDivideTheChannels) {
  const auto groups = [](std::int64_t count) {
    ir::Attributes attributes = window();
    attributes.add("groups", count);
    return attributes;
  };
  refuses(OpId::conv, {f32({1, 4, 4, 4}), f32({3, 3, 3, 2})}, groups(2),
          {"groups", "4 input and 3 output channels", "2 groups"});
  refuses(OpId::conv, {f32({1, 4, 4, 4}), f32({4, 3, 3, 4})}, groups(2), {"8 channels in x"});
  refuses(OpId::conv, {f32({1, 4, 4, 4}), f32({4, 3, 3, 4})}, groups(0), {"groups", "at least 1"});
  refuses(OpId::conv, {f32({1, 4, 4, 4}), f32({4, 3, 3, 4})}, groups(std::int64_t{1} << 62),
          {"too many channels"});
  EXPECT_EQ(infer(OpId::conv, {f32({1, 4, 4, 4}), f32({6, 3, 3, 2})}, groups(2)).at(0),
            f32({1, 2, 2, 6}));
}

TEST(Conv, GradientsWantTheShapeOfTheResult) {
  ir::Attributes sized = window();
  sized.add("size", Numbers{4, 4});
  refuses(OpId::conv_input_gradient, {f32({1, 3, 2, 5}), f32({5, 3, 3, 2})}, sized,
          {"dy", "(1, 3, 2, 5)", "(1, 2, 2, 5)"});
  EXPECT_EQ(infer(OpId::conv_input_gradient, {f32({1, 2, 2, 5}), f32({5, 3, 3, 2})}, sized).at(0),
            f32({1, 4, 4, 2}));
  ir::Attributes kernel = window();
  kernel.add("kernel", Numbers{3, 3});
  refuses(OpId::conv_weight_gradient, {f32({1, 4, 4, 2}), f32({2, 2, 2, 5})}, kernel,
          {"dy", "(2, 2, 2, 5)", "(1, 2, 2, 5)"});
  EXPECT_EQ(infer(OpId::conv_weight_gradient, {f32({1, 4, 4, 2}), f32({1, 2, 2, 5})}, kernel).at(0),
            f32({5, 3, 3, 2}));
}

ir::Attributes pool(Numbers kernel, Numbers stride = {1, 1}, Numbers padding = {0, 0}) {
  return {{"kernel", std::move(kernel)},
          {"stride", std::move(stride)},
          {"padding", std::move(padding)}};
}

TEST(MaxPool, RefusesWindowsOutOfRange) {
  refuses(OpId::max_pool, {f32({4, 1})}, pool({2, 2}), {"images are channels last"});
  refuses(OpId::max_pool, {i32({1, 4, 4, 1})}, pool({2, 2}), {"i32(1, 4, 4, 1)"});
  refuses(OpId::max_pool, {f32({1, 40, 40, 1})}, pool({16, 16}), {"255 elements"});
  refuses(OpId::max_pool, {f32({1, 4, 4, 1})}, pool({2, 0}), {"kernel 0"});
  refuses(OpId::max_pool, {f32({1, 4, 4, 1})}, pool({2, 2}, {1, 0}), {"stride 0"});
  refuses(OpId::max_pool, {f32({1, 4, 4, 1})}, pool({2, 2}, {1, 1}, {0, 2}), {"half the kernel"});
  refuses(OpId::max_pool, {f32({1, 4, 4, 1})}, pool({2, 5}), {"does not fit", "length 4"});
}

TEST(MaxPool, CountsTheWindowsOfPaddingThatDiffers) {
  EXPECT_EQ(infer(OpId::max_pool, {f32({1, 4, 5, 2})}, pool({2, 2}, {2, 2}, {0, 0, 0, 1})).at(0),
            f32({1, 2, 3, 2}));
  refuses(OpId::max_pool, {f32({1, 4, 4, 1})}, pool({2, 2}, {1, 1}, {0, 0, 0, 2}),
          {"half the kernel", "padding 0 and 2"});
}

TEST(MaxPool, GradientsWantTheShapeOfTheResult) {
  ir::Attributes sized = pool({2, 2});
  sized.add("size", Numbers{3, 4});
  refuses(OpId::max_pool_gradient, {f32({1, 2, 2, 1}), u8({1, 2, 3, 1})}, sized,
          {"dy", "(1, 2, 2, 1)", "(1, 2, 3, 1)"});
  refuses(OpId::max_pool_gradient, {f32({1, 2, 3, 1}), u8({1, 2, 2, 1})}, sized, {"the index"});
  refuses(OpId::max_pool_gradient, {f32({1, 2, 3, 1}), i32({1, 2, 3, 1})}, sized, {"expected u8"});
  refuses(OpId::max_pool_gather, {f32({1, 3, 4, 1}), u8({1, 3, 4, 1})}, pool({2, 2}),
          {"the index", "(1, 2, 3, 1)"});
  refuses(OpId::max_pool_gather, {f32({1, 3, 4, 1}), i32({1, 2, 3, 1})}, pool({2, 2}),
          {"expected u8"});
}

TEST(Indices, AreIntegersAndFitTheRows) {
  refuses(OpId::gather, {f32({3, 2}), f32({2})}, {}, {"ids", "i32 or i64"});
  refuses(OpId::gather, {f32({}), i32({2})}, {}, {"no rows"});
  const ir::Attributes four = {{"segments", std::int64_t{4}}};
  refuses(OpId::segment_sum, {f32({3, 2}), i32({2})}, four, {"f32(3, 2) and i32(2,)"});
  refuses(OpId::segment_sum, {f32({3, 2}), i32({3, 1})}, four, {"ids (N,)"});
  refuses(OpId::segment_sum, {i32({3}), i32({3})}, four, {"f32 or f64"});
  refuses(OpId::segment_sum, {f32({3}), u8({3})}, four, {"i32 or i64"});
  refuses(OpId::segment_sum, {f32({3}), i32({3})}, {{"segments", std::int64_t{-1}}}, {"negative"});
}

TEST(RandomNumbers, WantAPositionAndAProbability) {
  const ir::Attributes attributes = {{"shape", Numbers{2}}, {"p", 0.5}};
  refuses(OpId::bernoulli, {i32({2})}, attributes, {"the position", "got i32(2,)", "expected i64"});
  refuses(OpId::bernoulli, {i64({3})}, attributes, {"{seed, offset}", "i64(2,)"});
  refuses(OpId::uniform, {i64({3})}, {{"shape", Numbers{2}}}, {"i64(2,)", "Generator"});
  refuses(OpId::bernoulli, {i64({2})}, {{"shape", Numbers{2}}, {"p", 1.5}}, {"0 <= p <= 1"});
  Generator generator(1);
  const std::vector<std::int64_t> before = generator.state().value().to_vector<std::int64_t>();
  throws("bernoulli", {"-0.5"}, [&] { generator.bernoulli({2}, -0.5); });
  throws("dropout", {"1.0", "p < 1"}, [&] { dropout(make({2}), 1.0, generator); });
  EXPECT_EQ(generator.state().value().to_vector<std::int64_t>(), before)
      << "a refused call moved the position";
}

TEST(Softmax, WantsAFloatingTensorWithThatAxis) {
  throws("softmax", {"scalar"}, [] { softmax(make({})); });
  throws("log_softmax", {"no such axis"}, [] { log_softmax(make({2, 3}), 2); });
  refuses(OpId::softmax, {i32({3})}, {}, {"i32(3,)"});
  refuses(OpId::log_softmax, {mask({3})}, {}, {"bool(3,)"});
}

TEST(CrossEntropy, WantsOneLabelAnExample) {
  refuses(OpId::cross_entropy, {f32({2, 3}), i32({3})}, {}, {"logits (N, C) and labels (N,)"});
  refuses(OpId::cross_entropy, {f32({2, 3}), i32({2, 3})}, {}, {"class numbers"});
  refuses(OpId::cross_entropy, {f32({2, 3}), f32({2})}, {}, {"labels", "i32 or i64"});
  refuses(OpId::cross_entropy, {i32({2, 3}), i32({2})}, {}, {"logits"});
}

TEST(BatchNorm, WantsOneWeightAndBiasAChannel) {
  const ir::Attributes epsilon = {{"epsilon", 1e-5}};
  refuses(OpId::batch_norm, {f32({3}), f32({3}), f32({3})}, epsilon, {"no axes"});
  refuses(OpId::batch_norm, {f32({2, 3}), f32({2}), f32({3})}, epsilon,
          {"(3,)", "images are NHWC"});
  refuses(OpId::batch_norm, {f32({2, 3}), f32({3}), f32({3, 1})}, epsilon, {"(3,)"});
  refuses(OpId::batch_norm, {f32({2, 3}), f64({3}), f32({3})}, epsilon, {"the dtypes differ"});
  refuses(OpId::batch_norm, {i32({2, 3}), i32({3}), i32({3})}, epsilon, {"f32 or f64"});
  refuses(OpId::batch_norm, {f32({2, 3}), f32({3}), f32({3})}, {{"epsilon", -1.0}}, {"negative"});
}

// The body of a running sum: (carry, x) -> (carry + x, carry + x).
ir::Graph running_sum(const TensorType& carry, const TensorType& result) {
  ir::Graph body;
  body.add_input(carry);
  body.add_input(carry);
  ir::Node node;
  node.op = OpId::add;
  node.inputs = body.inputs;
  const auto index = body.add_node(std::move(node), {result});
  const ir::ValueId value = body.nodes[static_cast<std::size_t>(index)].results[0];
  body.outputs = {value, value};
  return body;
}

std::vector<TensorType> infer_scan(const std::vector<TensorType>& types, const ir::Graph& body,
                                   std::int64_t length) {
  const ir::Graph* const bodies[] = {&body};
  const ir::Attributes attributes = {{"length", length}, {"carries", std::int64_t{1}}};
  const ir::Op& scan = ir::find(op_list(), OpId::scan);
  return ir::infer(scan, {types, ir::completed(scan, attributes), bodies});
}

TEST(Scan, StacksTheResultsOfAllSteps) {
  const ir::Graph body = running_sum(f32({3}), f32({3}));
  const auto types = infer_scan({f32({3}), f32({5, 3})}, body, 5);
  EXPECT_EQ(types.at(0), f32({3}));
  EXPECT_EQ(types.at(1), f32({5, 3}));
}

TEST(Scan, RefusesTypesThatTheBodyDoesNotTake) {
  const ir::Graph body = running_sum(f32({3}), f32({3}));
  throws("scan", {"input 1", "f32(4, 3)", "5 steps"}, [&] {
    infer_scan({f32({3}), f32({4, 3})}, body, 5);
  });
  throws("scan", {"input 0"}, [&] { infer_scan({f32({2}), f32({5, 3})}, body, 5); });
  throws("scan", {"negative"}, [&] { infer_scan({f32({3}), f32({5, 3})}, body, -1); });
  const ir::Graph growing = running_sum(f32({3}), f32({4}));
  throws("scan", {"changes the type of carry 0"}, [&] {
    infer_scan({f32({3}), f32({5, 3})}, growing, 5);
  });
  EXPECT_THROW(infer_scan({f32({3})}, body, 5), ir::InternalError);
}

TEST(Cumsum, RefusesWhatItCannotAdd) {
  const auto along = [](std::int64_t axis) { return ir::Attributes{{"axis", axis}}; };
  refuses(OpId::cumsum, {f32({2, 3})}, along(2), {"axis"});
  refuses(OpId::cumsum, {f32({})}, along(0), {"axis"});
  refuses(OpId::cumsum, {mask({2})}, along(0), {"x", "got bool(2,)", "f32, f64, i32 or i64"});
  throws("cumsum", {"axis"}, [] { cumsum(make({2, 3}), -3); });
}

TEST(LayerNorm, RefusesShapesThatDoNotFit) {
  const ir::Attributes epsilon = {{"epsilon", 1e-5}};
  refuses(OpId::layer_norm, {f32({2, 3}), f32({2}), f32({2})}, epsilon, {"innermost", "(2, 3)"});
  refuses(OpId::layer_norm, {f32({2, 3}), f32({3}), f32({1, 3})}, epsilon, {"innermost"});
  refuses(OpId::layer_norm, {f32({2, 3}), f32({}), f32({})}, epsilon, {"innermost"});
  refuses(OpId::layer_norm, {f32({3}), f32({2, 3}), f32({2, 3})}, epsilon, {"innermost"});
  refuses(OpId::layer_norm, {f32({2, 3}), f64({3}), f32({3})}, epsilon, {"the dtypes differ"});
  refuses(OpId::layer_norm, {i32({2, 3}), f32({3}), f32({3})}, epsilon, {"x", "f32 or f64"});
  refuses(OpId::layer_norm, {f32({3}), f32({3}), f32({3})}, {{"epsilon", -1.0}}, {"negative"});
}

TEST(Infer, CountsTheInputs) {
  for (const ir::Op& op : op_list()) {
    if (op.is_variadic) continue;
    const std::vector<TensorType> nine(9, f32({2, 2}));
    EXPECT_THROW(ir::check_inputs(op, nine), ir::InternalError) << op.name;
  }
}

}  // namespace
}  // namespace sinter
