// What follows on a contraction block by block has the bits of the contraction followed by the
// group, with any number of threads; and what cannot be cut into blocks is not taken.
#include "backend/cpu/kernels/epilogue.h"

#include <functional>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/machine_code.h"
#include "base/half.h"
#include "convolution_case.h"
#include "ir/symbolic.h"
#include "kernel_run.h"

namespace sinter::backend::cpu {
namespace {

using ir::ScalarOp;

// A group on a contraction's result of a shape, and what it reads and writes beside that.
struct Following {
  ir::Group group;
  std::vector<Value> inputs;
  std::vector<OutputType> outputs;
};

class FollowingBuilder {
 public:
  explicit FollowingBuilder(const Shape& result) {
    following_.group.space = result;
    following_.group.operands.push_back({Dtype::f32, false, ir::row_major_strides(result)});
  }

  std::int32_t result() { return body_.load(Dtype::f32, 0); }
  // An operand that lies along the last axis alone.
  std::int32_t along_last(unsigned seed) {
    std::vector<std::int64_t> strides(rank(), 0);
    strides.back() = 1;
    return input(random_value<float>({space()[space().rank() - 1]}, seed), strides);
  }
  std::int32_t dense(unsigned seed) {
    return input(random_value<float>(space(), seed), ir::row_major_strides(space()));
  }
  // One of each row.
  std::int32_t along_rows(unsigned seed) {
    return input(random_value<float>({space().elements() / space()[space().rank() - 1]}, seed),
                 row_strides());
  }
  std::int32_t add(ScalarOp op, std::int32_t a, std::int32_t b, Dtype type = Dtype::f32) {
    return body_.append({op, type, a, b, -1, 0});
  }
  ir::BodyBuilder& body() { return body_; }

  void store(std::int32_t value) { add_store(value, space(), ir::row_major_strides(space())); }
  void store_of_rows(std::int32_t value) {
    std::vector<std::int64_t> lengths = space().to_vector();
    lengths.back() = 1;
    add_store(value, Shape(lengths), row_strides());
  }
  void store_of_columns(std::int32_t value) {
    std::vector<std::int64_t> strides(rank(), 0);
    strides.back() = 1;
    add_store(value, {space()[space().rank() - 1]}, strides);
  }

  Following take(ir::GroupKind kind = ir::GroupKind::map, int reduced_axes = 0) {
    following_.group.kind = kind;
    following_.group.reduced_axes = reduced_axes;
    following_.group.body = body_.body();
    for (const auto& [value, operand] : stores_) {
      const auto place = static_cast<std::int64_t>(following_.group.operands.size());
      following_.group.body.push_back({ScalarOp::store, operand.dtype, value, -1, -1, place});
      following_.group.operands.push_back(operand);
    }
    ir::verify(following_.group);
    return std::move(following_);
  }

 private:
  const Shape& space() const { return following_.group.space; }
  std::size_t rank() const { return static_cast<std::size_t>(space().rank()); }
  std::vector<std::int64_t> row_strides() const {
    std::vector<std::int64_t> strides = ir::row_major_strides(space());
    for (std::int64_t& stride : strides) stride /= space()[space().rank() - 1];
    strides.back() = 0;
    return strides;
  }
  std::int32_t input(Value value, std::vector<std::int64_t> strides) {
    const auto place = static_cast<int>(following_.group.operands.size());
    following_.group.operands.push_back({value.dtype, false, std::move(strides)});
    following_.inputs.push_back(std::move(value));
    return body_.load(Dtype::f32, place);
  }
  void add_store(std::int32_t value, const Shape& shape, std::vector<std::int64_t> strides) {
    const Dtype dtype = body_.type_of(value);
    following_.outputs.push_back({dtype, shape});
    stores_.push_back({value, {dtype, true, std::move(strides)}});
  }

  ir::BodyBuilder body_;
  Following following_;
  std::vector<std::pair<std::int32_t, ir::GroupOperand>> stores_;
};

// The forms that networks have.
Following bias_and_relu(const Shape& shape) {
  FollowingBuilder it(shape);
  const std::int32_t sum = it.add(ScalarOp::add, it.result(), it.along_last(3));
  const std::int32_t zero = it.body().constant(0.0F);
  const std::int32_t is_negative = it.add(ScalarOp::lt, sum, zero, Dtype::boolean);
  it.store(it.body().append({ScalarOp::select, Dtype::f32, is_negative, zero, sum, 0}));
  it.store(it.add(ScalarOp::le, sum, zero, Dtype::boolean));
  return it.take();
}

Following residual(const Shape& shape) {
  FollowingBuilder it(shape);
  it.store(it.add(ScalarOp::add, it.result(), it.dense(4)));
  return it.take();
}

// As of attention's scores: a factor, and what is added for each row.
Following scale_and_mask(const Shape& shape) {
  FollowingBuilder it(shape);
  const std::int32_t factor = it.body().constant(0.125F);
  it.store(it.add(ScalarOp::add, it.add(ScalarOp::mul, it.result(), factor), it.along_rows(5)));
  return it.take();
}

Following in_bf16(const Shape& shape) {
  FollowingBuilder it(shape);
  it.store(it.body().convert(it.result(), Dtype::bf16));
  return it.take();
}

Following largest_of_rows(const Shape& shape) {
  FollowingBuilder it(shape);
  const std::int32_t sum = it.add(ScalarOp::add, it.result(), it.along_last(6));
  const std::int32_t largest = it.add(ScalarOp::reduce_max, sum, -1);
  it.store(it.add(ScalarOp::sub, sum, largest));
  it.store_of_rows(largest);
  return it.take(ir::GroupKind::inner, 1);
}

Following sums_of_columns(const Shape& shape) {
  FollowingBuilder it(shape);
  const std::int32_t product = it.add(ScalarOp::mul, it.result(), it.dense(7));
  it.store(product);
  it.store_of_columns(it.add(ScalarOp::reduce_sum, product, -1));
  return it.take(ir::GroupKind::outer, shape.rank() - 1);
}

Following numbered(const Shape& shape, int axis) {
  FollowingBuilder it(shape);
  const std::int32_t index = it.body().append({ScalarOp::index, Dtype::i32, -1, -1, -1, axis});
  it.store(it.add(ScalarOp::add, it.result(), it.body().convert(index, Dtype::f32)));
  return it.take();
}

using Form = Following (*)(const Shape&);
constexpr Form kMaps[] = {bias_and_relu, residual, scale_and_mask, in_bf16};

std::vector<void*> addresses(const std::vector<Value>& values) {
  std::vector<void*> list;
  for (const Value& value : values) list.push_back(value.buffer->data());
  return list;
}

std::vector<Value> outputs_of(const Following& following) {
  std::vector<Value> values;
  for (const OutputType& type : following.outputs) {
    values.push_back(empty_value(type.dtype, type.shape));
  }
  return values;
}

// The contraction, then the group on its result.
std::vector<Value> one_after_the_other(const Call& call, const Following& following) {
  const std::vector<Value> result = call.run(*call.prepare());
  std::vector<Value> values = outputs_of(following);
  std::vector<void*> operands{result[0].buffer->data()};
  for (void* const address : addresses(following.inputs)) operands.push_back(address);
  for (void* const address : addresses(values)) operands.push_back(address);
  const auto kernel = group_kernel(following.group);
  Buffer scratch(kernel->scratch_bytes());
  kernel->run(operands.data(), scratch.data());
  return values;
}

std::vector<Value> run_with(const PreparedKernel& kernel, const std::vector<Value>& inputs,
                            const Following& following) {
  std::vector<void*> from = addresses(inputs);
  for (void* const address : addresses(following.inputs)) from.push_back(address);
  const std::vector<Value> values = outputs_of(following);
  const std::vector<void*> to = addresses(values);
  Buffer workspace(static_cast<std::size_t>(kernel.workspace_bytes()));
  kernel.run(from.data(), to.data(), workspace.data());
  EXPECT_TRUE(workspace.guard_is_whole()) << "the workspace was overrun";
  for (const Value& value : values) EXPECT_TRUE(value.buffer->guard_is_whole());
  return values;
}

// Whether the kernel that is chosen for the call takes the group; then expects its bits.
bool takes(ir::OpId op, const ir::Attributes& attributes, const std::vector<Value>& inputs,
           const Shape& result, const Following& following) {
  const Call call(op, attributes, inputs, {{Dtype::f32, result}});
  bool taken = false;
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    const std::unique_ptr<PreparedKernel> kernel =
        prepare_kernel(*find_kernel(op), call.get(), {}, &following.group);
    if (kernel == nullptr) continue;
    taken = true;
    const std::vector<Value> expected = one_after_the_other(call, following);
    for (int run = 0; run < 2; ++run) {
      const std::vector<Value> values = run_with(*kernel, inputs, following);
      for (std::size_t i = 0; i < values.size(); ++i) {
        expect_equal_bits(values[i], expected[i], "the epilogue has other bits");
      }
    }
  }
  return taken;
}

// Images enough for several blocks, the last one shorter, and for Winograd where it suits.
const ConvolutionCase kConvolutionCases[] = {
    {37, {28, 28}, 1, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {23, {14, 14}, 32, 64, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {19, {16, 16}, 3, 20, {5, 5}, {2, 2}, {2, 2}, {1, 1}},
    {40, {9}, 8, 12, {3}, {1}, {1}, {1}},
    {16, {6, 7, 8}, 4, 8, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
    {33, {12, 12}, 16, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 16},
    {64, {8, 8}, 64, 48, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
};

TEST(Epilogue, FollowsOnConvolutionsAndTheirInputGradients) {
  int taken = 0;
  for (const ConvolutionCase& s : kConvolutionCases) {
    const Value x = random_value<float>(s.x(), 1), w = random_value<float>(s.w(), 2);
    const Value dy = random_value<float>(s.y(), 8);
    for (const Form form : kMaps) {
      SCOPED_TRACE(s.to_string());
      const ir::Attributes forward = s.attributes(ir::OpId::conv);
      taken += takes(ir::OpId::conv, forward, {x, w}, s.y(), form(s.y())) ? 1 : 0;
      const ir::Attributes gradient = s.attributes(ir::OpId::conv_input_gradient);
      taken += takes(ir::OpId::conv_input_gradient, gradient, {dy, w}, s.x(), form(s.x())) ? 1 : 0;
    }
  }
  if (may_use_onednn()) {
    EXPECT_EQ(taken, static_cast<int>(2 * std::size(kConvolutionCases) * std::size(kMaps)));
  }
}

// Small products take every form; larger ones only where their kernel goes by blocks.
TEST(Epilogue, FollowsOnSmallProducts) {
  constexpr std::int64_t kSizes[][3] = {{128, 512, 10}, {128, 10, 512}, {3, 5, 7}, {1, 64, 64}};
  for (const auto& [m, k, n] : kSizes) {
    const Value a = random_value<float>({m, k}, 1), b = random_value<float>({k, n}, 2);
    for (const Form form :
         {bias_and_relu, residual, scale_and_mask, in_bf16, largest_of_rows, sums_of_columns}) {
      EXPECT_TRUE(takes(ir::OpId::matmul, {}, {a, b}, {m, n}, form({m, n})));
    }
  }
  const Value a = random_value<float>({256, 300}, 1), b = random_value<float>({300, 256}, 2);
  takes(ir::OpId::matmul, {}, {a, b}, {256, 256}, bias_and_relu({256, 256}));
}

TEST(Epilogue, FollowsOnSmallProductsOf16Bits) {
  const Value wide_a = random_value<float>({24, 40}, 1), wide_b = random_value<float>({40, 32}, 2);
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    Value a = empty_value(dtype, {24, 40}), b = empty_value(dtype, {40, 32});
    for (const auto& [wide, narrow] : {std::pair(wide_a, a), std::pair(wide_b, b)}) {
      for (std::int64_t i = 0; i < narrow.shape().elements(); ++i) {
        const float element = wide.data<float>()[i];
        narrow.data<std::uint16_t>()[i] =
            dtype == Dtype::bf16 ? bf16_from_f32(element) : f16_from_f32(element);
      }
    }
    EXPECT_TRUE(takes(ir::OpId::matmul, {}, {a, b}, {24, 32}, bias_and_relu({24, 32})));
  }
}

TEST(Epilogue, WhatCannotBeCutByImagesIsNotTaken) {
  const ConvolutionCase& s = kConvolutionCases[0];
  const Value x = random_value<float>(s.x(), 1), w = random_value<float>(s.w(), 2);
  const ir::Attributes attributes = s.attributes(ir::OpId::conv);
  EXPECT_FALSE(takes(ir::OpId::conv, attributes, {x, w}, s.y(), sums_of_columns(s.y())));
  EXPECT_FALSE(takes(ir::OpId::conv, attributes, {x, w}, s.y(), numbered(s.y(), 0)));
  EXPECT_EQ(takes(ir::OpId::conv, attributes, {x, w}, s.y(), numbered(s.y(), 3)), may_use_onednn());
  const Value dy = random_value<float>(s.y(), 3);
  EXPECT_FALSE(takes(ir::OpId::conv_weight_gradient, s.attributes(ir::OpId::conv_weight_gradient),
                     {x, dy}, s.w(), residual(s.w())));
}

// The plan may lay an output over an operand that nobody reads later; the convolution's result must
// not go there as well.
TEST(Epilogue, AnOutputMayLieOverAnotherOperand) {
  const ConvolutionCase& s = kConvolutionCases[0];
  const std::vector<Value> inputs{random_value<float>(s.x(), 1), random_value<float>(s.w(), 2)};
  const Call call(ir::OpId::conv, s.attributes(ir::OpId::conv), inputs, {{Dtype::f32, s.y()}});
  const Following following = residual(s.y());
  const std::vector<Value> expected = one_after_the_other(call, following);
  const std::unique_ptr<PreparedKernel> kernel =
      prepare_kernel(*find_kernel(ir::OpId::conv), call.get(), {}, &following.group);
  if (kernel == nullptr) GTEST_SKIP() << "no kernel here takes what follows on a convolution";
  std::vector<void*> from = addresses(inputs);
  const std::vector<void*> to = addresses(following.inputs);
  from.push_back(to[0]);
  Buffer workspace(static_cast<std::size_t>(kernel->workspace_bytes()));
  kernel->run(from.data(), to.data(), workspace.data());
  expect_equal_bits(following.inputs[0], expected[0], "the operand was overwritten too early");
}

TEST(Epilogue, TheResultLiesInAnOutputOfItsSize) {
  const Shape shape{12, 35};
  const auto place = [&](const Following& following, bool over_an_input) {
    const std::vector<Value> values = outputs_of(following);
    std::vector<void*> from = addresses(following.inputs), to = addresses(values);
    if (over_an_input) to[0] = from[0];
    const auto epilogue = Epilogue::by_items(following.group, shape[0], 4);
    std::byte* const at = epilogue->place_in_output(8, from.data(), to.data());
    return at == nullptr ? -1 : at - static_cast<std::byte*>(to[0]);
  };
  constexpr std::ptrdiff_t kEightRows = 8 * 35 * 4;
  EXPECT_EQ(place(bias_and_relu(shape), false), kEightRows);
  EXPECT_EQ(place(residual(shape), false), kEightRows);
  EXPECT_EQ(place(residual(shape), true), -1);
  EXPECT_EQ(place(in_bf16(shape), false), -1);
  EXPECT_EQ(Epilogue::by_columns(bias_and_relu(shape).group, 12, 35, 5)
                ->place_in_output(5, nullptr, nullptr),
            nullptr);
}

TEST(Epilogue, OneImageIsLeftToAllThreadsTogether) {
  const ConvolutionCase s{1, {64, 64}, 32, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
  const Call call(ir::OpId::conv, s.attributes(ir::OpId::conv),
                  {random_value<float>(s.x(), 1), random_value<float>(s.w(), 2)},
                  {{Dtype::f32, s.y()}});
  const Threads threads(2);
  if (parallel::team_size() < 2) GTEST_SKIP() << "OpenMP gives one thread only";
  const Following following = bias_and_relu(s.y());
  EXPECT_EQ(prepare_kernel(*find_kernel(ir::OpId::conv), call.get(), {}, &following.group),
            nullptr);
}

// Cut in every way, against the whole group.
TEST(Epilogue, BlocksOfEveryLengthMakeUpTheWhole) {
  const Shape shape{12, 35};
  const Value result = random_value<float>(shape, 9);
  const auto expect_blocks = [&](const Following& following, bool by_columns) {
    std::vector<Value> expected = outputs_of(following);
    std::vector<void*> operands{result.buffer->data()};
    for (void* const address : addresses(following.inputs)) operands.push_back(address);
    for (void* const address : addresses(expected)) operands.push_back(address);
    const auto whole = group_kernel(following.group);
    Buffer scratch(whole->scratch_bytes());
    whole->run(operands.data(), scratch.data());
    const std::int64_t count = by_columns ? shape[1] : shape[0];
    for (std::int64_t length = 1; length <= count; ++length) {
      const auto epilogue = by_columns
                                ? Epilogue::by_columns(following.group, shape[0], shape[1], length)
                                : Epilogue::by_items(following.group, shape[0], length);
      ASSERT_NE(epilogue, nullptr);
      const std::vector<Value> values = outputs_of(following);
      const std::vector<void*> from = addresses(following.inputs), to = addresses(values);
      Buffer memory(static_cast<std::size_t>(epilogue->scratch_bytes()));
      for (std::int64_t first = 0; first < count; first += epilogue->block()) {
        const std::int64_t many = std::min(epilogue->block(), count - first);
        std::vector<float> block;
        for (std::int64_t row = by_columns ? 0 : first; row < (by_columns ? 12 : first + many);
             ++row) {
          const float* const line = result.data<float>() + row * shape[1];
          block.insert(block.end(), line + (by_columns ? first : 0),
                       line + (by_columns ? first + many : shape[1]));
        }
        epilogue->run(first, many, block.data(), from.data(), to.data(), memory.data());
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        expect_equal_bits(values[i], expected[i], "blocks differ from the whole");
      }
    }
  };
  for (const Form form : kMaps) {
    expect_blocks(form(shape), false);
    if (form != residual && form != in_bf16) expect_blocks(form(shape), true);
  }
  expect_blocks(largest_of_rows(shape), false);
  expect_blocks(sums_of_columns(shape), true);
  EXPECT_EQ(Epilogue::by_items(sums_of_columns(shape).group, 12, 4), nullptr);
  EXPECT_EQ(Epilogue::by_columns(largest_of_rows(shape).group, 12, 35, 4), nullptr);
  EXPECT_EQ(Epilogue::by_items(numbered(shape, 0).group, 12, 4), nullptr);
  EXPECT_EQ(Epilogue::by_columns(numbered(shape, 1).group, 12, 35, 4), nullptr);
  EXPECT_EQ(Epilogue::by_items(bias_and_relu(shape).group, 5, 2), nullptr);
}

}  // namespace
}  // namespace sinter::backend::cpu
