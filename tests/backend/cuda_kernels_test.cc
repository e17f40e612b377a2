// Each CUDA kernel against the CPU's on the same numbers: the same bits, but for contractions,
// which agree within rounding and repeat their own bits.
#include <cmath>
#include <limits>

#include "backend/cuda/call.h"
#include "convolution_case.h"
#include "cuda_device.h"
#include "pooling_case.h"

namespace sinter::backend::cuda {
namespace {

using cpu::Call;
using cpu::empty_value;
using cpu::make_value;
using cpu::OutputType;
using cpu::random_value;
using cpu::seen_as;
using cpu::Value;
using Integers = std::vector<std::int64_t>;

const Device& device() {
  static const Device only;
  return only;
}

// The results on the device, of two runs that must have the same bits.
std::vector<Value> run_on_cuda(ir::OpId op, const ir::Attributes& attributes,
                               const std::vector<Value>& inputs,
                               const std::vector<OutputType>& outputs) {
  const std::string name = kernel_name(op);
  const PreparedCall call(device(), name.c_str(), attributes, inputs, outputs);
  expect_ok(call.launch());
  std::vector<Value> results = call.results();
  expect_ok(call.launch());
  const std::vector<Value> again = call.results();
  for (std::size_t i = 0; i < results.size(); ++i) {
    cpu::expect_equal_bits(results[i], again[i], "the second run differs");
  }
  return results;
}

std::vector<Value> run_on_cpu(ir::OpId op, const ir::Attributes& attributes,
                              const std::vector<Value>& inputs,
                              const std::vector<OutputType>& outputs) {
  const Call call(op, attributes, inputs, outputs);
  return call.run(*call.prepare());
}

std::vector<Value> expect_cpu_bits(ir::OpId op, const ir::Attributes& attributes,
                                   const std::vector<Value>& inputs,
                                   const std::vector<OutputType>& outputs) {
  std::vector<Value> results = run_on_cuda(op, attributes, inputs, outputs);
  const auto want = run_on_cpu(op, attributes, inputs, outputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    cpu::expect_equal_bits(results[i], want[i], "the CPU's bits differ");
  }
  return results;
}

// ---- contractions ----

// A dense copy, which the CPU takes whatever the layout was.
Value dense(const Value& value) {
  return run_on_cpu(ir::OpId::copy, {}, {value}, {{value.dtype, value.shape()}})[0];
}

template <class T>
Value magnitudes(const Value& value) {
  std::vector<T> elements = value.elements<T>();
  for (T& element : elements) element = std::abs(element);
  return make_value<T>(value.shape(), elements);
}

// Results differ by roundings of the sum of the products' magnitudes.
template <class T>
void expect_near_cpu(ir::OpId op, const ir::Attributes& attributes,
                     const std::vector<Value>& inputs, const Shape& shape) {
  const std::vector<OutputType> outputs{{dtype_of<T>, shape}};
  const std::vector<Value> plain{dense(inputs[0]), dense(inputs[1])};
  const Value got = run_on_cuda(op, attributes, inputs, outputs)[0];
  const Value want = run_on_cpu(op, attributes, plain, outputs)[0];
  const Value size =
      run_on_cpu(op, attributes, {magnitudes<T>(plain[0]), magnitudes<T>(plain[1])}, outputs)[0];
  const double tolerance = dtype_of<T> == Dtype::f32 ? 2e-6 : 1e-14;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    ASSERT_NEAR(got.data<T>()[i], want.data<T>()[i],
                tolerance * static_cast<double>(size.data<T>()[i]))
        << shape.to_string() << " at " << i;
  }
}

template <class T>
void expect_product(const Value& a, const Value& b) {
  Shape shape = a.shape();
  shape.set(-1, b.shape().dim(-1));
  expect_near_cpu<T>(ir::OpId::matmul, {}, {a, b}, shape);
}

Value transposed(const Value& value) {
  ir::Layout layout = value.layout;
  const int rank = layout.shape.rank();
  const std::int64_t rows = layout.shape[rank - 2];
  layout.shape.set(rank - 2, layout.shape[rank - 1]);
  layout.shape.set(rank - 1, rows);
  std::swap(layout.strides[static_cast<std::size_t>(rank - 2)],
            layout.strides[static_cast<std::size_t>(rank - 1)]);
  return seen_as(value, layout);
}

template <class T>
void expect_products() {
  constexpr std::int64_t kSizes[][3] = {{1, 1, 1},    {1, 7, 1},     {7, 1, 5},     {1, 64, 33},
                                        {33, 64, 1},  {3, 5, 2},     {17, 31, 13},  {64, 64, 64},
                                        {65, 129, 7}, {70, 300, 66}, {8, 1000, 12}, {65, 517, 130}};
  for (const auto& s : kSizes) {
    const std::int64_t m = s[0], k = s[1], n = s[2];
    SCOPED_TRACE(std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n));
    const Value a = random_value<T>({m, k}, 1), b = random_value<T>({k, n}, 2);
    const Value at = transposed(random_value<T>({k, m}, 3));
    const Value bt = transposed(random_value<T>({n, k}, 4));
    expect_product<T>(a, b);
    expect_product<T>(at, b);
    expect_product<T>(a, bt);
    expect_product<T>(at, bt);
  }
}

TEST(CudaMatmul, MultipliesF32PlainAndTransposedMatrices) { expect_products<float>(); }
TEST(CudaMatmul, MultipliesF64PlainAndTransposedMatrices) { expect_products<double>(); }

template <class T>
void expect_strided_products() {
  const Value big = random_value<T>({40, 52}, 5);
  const auto part = [&](const Shape& shape, std::int64_t offset, const Integers& strides) {
    return seen_as(big, {.shape = shape, .offset = offset, .strides = strides});
  };
  expect_product<T>(part({17, 9}, 3 * 52 + 4, {52, 1}), part({9, 21}, 2, {1, 52}));
  expect_product<T>(part({17, 8}, 3 * 52 + 4, {52, 1}), part({8, 20}, 4, {52, 1}));
  expect_product<T>(part({17, 9}, 1, {52, 1}), part({9, 20}, 1, {104, 1}));
  expect_product<T>(part({17, 9}, 0, {52, 1}), part({9, 1}, 1, {52, 52}));
  expect_product<T>(part({1, 17}, 1, {1, 100}), part({17, 9}, 0, {52, 1}));
  expect_product<T>(part({1, 17}, 0, {1, 1}), part({17, 9}, 0, {52, 1}));
  expect_product<T>(part({9, 20}, 0, {104, 2}), part({20, 9}, 3, {3, 60}));
  expect_product<T>(part({5, 20}, 0, {0, 1}), part({20, 6}, 3, {1, 0}));
  expect_product<T>(part({3, 4, 8}, 0, {0, 8, 1}), part({3, 8, 12}, 0, {96, 12, 1}));
}

TEST(CudaMatmul, TakesAnyStrides) {
  expect_strided_products<float>();
  expect_strided_products<double>();
}

template <class T>
void expect_batches() {
  expect_product<T>(random_value<T>({3, 5, 7}, 1), random_value<T>({3, 7, 4}, 2));
  expect_product<T>(random_value<T>({2, 3, 5, 260}, 1), random_value<T>({2, 3, 260, 4}, 2));
  expect_product<T>(random_value<T>({2, 1, 5, 7}, 1), transposed(random_value<T>({2, 1, 4, 7}, 2)));
  // Attention: (B, T, heads, D) seen as (B, heads, T, D), times the transpose of such.
  const Value q = seen_as(random_value<T>({2, 6, 3, 8}, 3),
                          {.shape = {2, 3, 6, 8}, .offset = 0, .strides = {144, 8, 24, 1}});
  const Value k = seen_as(random_value<T>({2, 6, 3, 8}, 4),
                          {.shape = {2, 3, 8, 6}, .offset = 0, .strides = {144, 8, 1, 24}});
  expect_product<T>(q, k);
}

TEST(CudaMatmul, MultipliesBatches) {
  expect_batches<float>();
  expect_batches<double>();
}

TEST(CudaMatmul, GivesZerosOrNothingOfEmptyMatrices) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    expect_cpu_bits(ir::OpId::matmul, {}, {empty_value(dtype, {3, 0}), empty_value(dtype, {0, 4})},
                    {{dtype, {3, 4}}});
    expect_cpu_bits(ir::OpId::matmul, {}, {empty_value(dtype, {0, 3}), empty_value(dtype, {3, 4})},
                    {{dtype, {0, 4}}});
    expect_cpu_bits(ir::OpId::matmul, {},
                    {empty_value(dtype, {0, 2, 3}), empty_value(dtype, {0, 3, 4})},
                    {{dtype, {0, 2, 4}}});
  }
}

TEST(CudaMatmul, LetsNaNAndInfinityThrough) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Value a = make_value<float>({2, 2}, {infinity, 0, 1, 2});
  const Value b = make_value<float>({2, 1}, {0, 1});
  const Value y = run_on_cuda(ir::OpId::matmul, {}, {a, b}, {{Dtype::f32, {2, 1}}})[0];
  EXPECT_TRUE(std::isnan(y.data<float>()[0]));
  EXPECT_EQ(y.data<float>()[1], 2.0F);
}

const std::vector<ConvolutionCase> kConvolutionCases = {
    {2, {8, 8}, 1, 8, {3, 3}, {1, 1}, {0, 0}, {1, 1}},
    {2, {9, 7}, 4, 5, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {3, {8, 8}, 32, 64, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {1, {11, 9}, 3, 6, {5, 3}, {2, 1}, {2, 0}, {1, 1}},
    {2, {10, 10}, 8, 12, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
    {1, {12, 13}, 5, 7, {3, 2}, {1, 2}, {2, 1}, {2, 3}},
    {1, {1, 1}, 1, 1, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {4, {14, 14}, 16, 4, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {2, {6, 6}, 2, 70, {6, 6}, {1, 1}, {0, 0}, {1, 1}},
    {5, {13, 13}, 6, 9, {4, 4}, {3, 3}, {3, 3}, {1, 1}},
    {1, {6, 5}, 4, 6, {3, 2}, {1, 1}, {2, 0, 0, 1}, {1, 1}},  // other padding behind
    {2, {7, 6}, 6, 9, {3, 3}, {2, 1}, {1, 1}, {1, 2}, 3},     // groups
    {1, {6, 6}, 16, 8, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 2},    // of whole vectors
    {3, {12, 12}, 8, 12, {2, 2}, {1, 1}, {0, 0}, {1, 1}, 4},  // whose gradients are cut into slices
    {2, {7, 5}, 9, 9, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 9},     // depthwise
    {2, {9}, 3, 5, {3}, {2}, {1}, {1}},                       // one axis
    {2, {16}, 16, 8, {4}, {1}, {6, 0}, {2}, 2},
    {1, {4, 5, 6}, 3, 4, {3, 2, 3}, {1, 1, 1}, {1, 0, 1}, {1, 1, 1}},  // three axes
    {2, {5, 4, 5}, 8, 8, {2, 3, 2}, {2, 1, 2}, {0, 1, 0, 1, 1, 2}, {1, 1, 2}, 2},
};

template <class T>
void expect_convolutions() {
  for (const ConvolutionCase& s : kConvolutionCases) {
    SCOPED_TRACE(s.to_string());
    const Value images = random_value<T>(s.x(), 1), weights = random_value<T>(s.w(), 2);
    const Value dy = random_value<T>(s.y(), 3);
    const std::vector<Value> inputs[3] = {{images, weights}, {dy, weights}, {images, dy}};
    const Shape outputs[3] = {s.y(), s.x(), s.w()};
    for (int i = 0; i < 3; ++i) {
      const ir::OpId op = kConvolutions[i];
      expect_near_cpu<T>(op, s.attributes(op), inputs[i], outputs[i]);
    }
  }
}

TEST(CudaConv, AndItsGradientsInF32) { expect_convolutions<float>(); }
TEST(CudaConv, AndItsGradientsInF64) { expect_convolutions<double>(); }

// An infinity reaches the results whose windows hold it and no others: nothing else is read, not
// even to be multiplied by zero.
TEST(CudaConv, InfinitiesStayInTheirWindows) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const ConvolutionCase& s : kConvolutionCases) {
    std::vector<float> image(static_cast<std::size_t>(s.x().elements()), 0.5F);
    const Shape windows(s.windows());
    std::int64_t pixel = 0;
    for (const std::int64_t length : s.image) pixel = pixel * length + length / 2;
    for (std::int64_t c = 0; c < s.c; ++c)
      image[static_cast<std::size_t>(pixel * s.c + c)] = infinity;
    const Value images = make_value<float>(s.x(), image);
    const Value weights = make_value<float>(
        s.w(), std::vector<float>(static_cast<std::size_t>(s.w().elements()), 1.0F));
    const Value y = run_on_cuda(ir::OpId::conv, s.attributes(ir::OpId::conv), {images, weights},
                                {{Dtype::f32, s.y()}})[0];
    for (std::int64_t i = 0; i < s.y().elements(); ++i) {
      std::int64_t place = i / s.o;
      bool holds = true;
      for (std::size_t axis = s.rank(); axis-- > 0;) {
        const std::int64_t count = windows[static_cast<int>(axis)];
        const std::int64_t from_first =
            s.image[axis] / 2 - place % count * s.stride[axis] + s.low(axis);
        holds = holds && from_first >= 0 && from_first % s.dilation[axis] == 0 &&
                from_first / s.dilation[axis] < s.kernel[axis];
        place /= count;
      }
      holds = holds && place == 0;
      ASSERT_EQ(std::isinf(y.data<float>()[i]), holds) << s.to_string() << " at " << i;
      ASSERT_FALSE(std::isnan(y.data<float>()[i])) << s.to_string() << " at " << i;
    }
  }
}

TEST(CudaConv, GivesZerosWhereNothingIsSummed) {
  const ConvolutionCase no_images{0, {5, 5}, 3, 4, {3, 3}, {1, 1}, {0, 0}, {1, 1}};
  const ConvolutionCase no_channels{2, {5, 5}, 0, 4, {3, 3}, {1, 1}, {0, 0}, {1, 1}};
  for (const ConvolutionCase& s : {no_images, no_channels}) {
    const Value images = random_value<float>(s.x(), 1), weights = random_value<float>(s.w(), 2);
    const Value dy = random_value<float>(s.y(), 3);
    const std::vector<Value> inputs[3] = {{images, weights}, {dy, weights}, {images, dy}};
    const Shape outputs[3] = {s.y(), s.x(), s.w()};
    for (int i = 0; i < 3; ++i) {
      const ir::OpId op = kConvolutions[i];
      expect_cpu_bits(op, s.attributes(op), inputs[i], {{Dtype::f32, outputs[i]}});
    }
  }
}

// ---- pooling ----

const std::vector<PoolingCase> kPoolings = {
    {2, {8, 8}, 32, {2, 2}, {2, 2}, {0, 0}},
    {2, {9, 7}, 5, {2, 2}, {2, 2}, {0, 0}},
    {1, {8, 9}, 33, {3, 3}, {2, 2}, {1, 1}},
    {2, {6, 6}, 64, {3, 3}, {1, 1}, {1, 1}},
    {1, {7, 9}, 3, {2, 3}, {3, 2}, {0, 1}},
    {1, {1, 1}, 1, {1, 1}, {1, 1}, {0, 0}},
    {3, {4, 4}, 100, {1, 1}, {2, 2}, {0, 0}},
    {1, {15, 15}, 2, {15, 15}, {1, 1}, {7, 7}},
    {0, {4, 4}, 4, {2, 2}, {2, 2}, {0, 0}},
    {1, {3, 3}, 8, {2, 2}, {1, 1}, {1, 1}},
    {2, {0, 4}, 5, {2, 2}, {2, 2}, {1, 1}},        // windows of padding only
    {1, {5, 6}, 3, {2, 3}, {2, 2}, {1, 0, 0, 1}},  // other padding behind
    {2, {9}, 5, {3}, {2}, {1}},                    // one axis
    {1, {16}, 8, {4}, {4}, {0, 2}},
    {1, {4, 5, 6}, 3, {2, 3, 2}, {2, 1, 2}, {0, 1, 1}},  // three axes
    {2, {3, 4, 3}, 8, {3, 2, 1}, {1, 2, 1}, {1, 0, 0, 0, 1, 0}},
};

// Values with many ties, some NaNs and zeros of both signs.
template <class T>
Value images(const Shape& shape) {
  std::mt19937 generator(7);
  std::vector<T> elements(static_cast<std::size_t>(shape.elements()));
  for (T& element : elements) {
    const unsigned bits = generator() % 16;
    element = bits == 15  ? std::numeric_limits<T>::quiet_NaN()
              : bits == 7 ? -T{0}
                          : static_cast<T>(bits % 4) - T{2};
  }
  return make_value<T>(shape, elements);
}

template <class T>
void expect_poolings() {
  for (const PoolingCase& s : kPoolings) {
    const Shape x = s.x(), y = s.y();
    SCOPED_TRACE(x.to_string() + " -> " + y.to_string());
    const Value index = expect_cpu_bits(ir::OpId::max_pool, s.attributes(), {images<T>(x)},
                                        {{dtype_of<T>, y}, {Dtype::u8, y}})[1];
    Value dy = random_value<T>(y, 3);
    if (y.elements() > 0) dy.data<T>()[0] = -T{0};
    expect_cpu_bits(ir::OpId::max_pool_gradient, s.sized_attributes(), {dy, index},
                    {{dtype_of<T>, x}});
    expect_cpu_bits(ir::OpId::max_pool_gather, s.attributes(), {random_value<T>(x, 4), index},
                    {{dtype_of<T>, y}});
  }
}

TEST(CudaMaxPool, HasTheBitsOfTheCpuInF32) { expect_poolings<float>(); }
TEST(CudaMaxPool, HasTheBitsOfTheCpuInF64) { expect_poolings<double>(); }

// ---- moves ----

// Elements that are all different, as far as the type can count.
Value counted(Dtype dtype, const Shape& shape) {
  Value value = empty_value(dtype, shape);
  const std::size_t size = size_of(dtype);
  for (std::size_t i = 0; i < value.buffer->size() / size; ++i) {
    std::memcpy(value.buffer->data() + i * size, &i, size);
  }
  return value;
}

constexpr Dtype kSizes[] = {Dtype::u8, Dtype::bf16, Dtype::f32, Dtype::i64};

void expect_copied(Dtype dtype, const Shape& memory, const Shape& shape, const Integers& strides,
                   std::int64_t offset = 0) {
  const Value x =
      seen_as(counted(dtype, memory), {.shape = shape, .offset = offset, .strides = strides});
  SCOPED_TRACE(shape.to_string());
  const TableCall call("copy", {}, {x}, {{dtype, shape}});
  std::int32_t accepted = 0;
  expect_ok(api().accepts(call.get(), 0, &accepted));
  EXPECT_EQ(accepted, 1);
  expect_cpu_bits(ir::OpId::copy, {}, {x}, {{dtype, shape}});
}

TEST(CudaCopy, MakesAnyLayoutDenseInElementsOfEverySize) {
  for (const Dtype dtype : kSizes) {
    expect_copied(dtype, {}, {}, {});
    expect_copied(dtype, {5001}, {5001}, {1});
    expect_copied(dtype, {5001}, {4096}, {1}, 3);
    expect_copied(dtype, {300, 217}, {217, 300}, {1, 217});
    expect_copied(dtype, {3, 1, 65}, {65, 1, 3}, {1, 65, 65});
    expect_copied(dtype, {4, 9, 11, 5}, {4, 5, 9, 11}, {495, 1, 55, 5});  // NHWC -> NCHW
    expect_copied(dtype, {4, 5, 9, 11}, {4, 9, 11, 5}, {495, 11, 1, 99});
    expect_copied(dtype, {7, 33, 40}, {33, 7, 40}, {40, 1320, 1});
    expect_copied(dtype, {2, 3, 4, 5, 6}, {6, 3, 5, 2, 4}, {1, 120, 6, 360, 30});
    expect_copied(dtype, {5000}, {40, 50}, {0, 1}, 7);
    expect_copied(dtype, {5000}, {50, 40}, {1, 0}, 7);
    expect_copied(dtype, {5000}, {9, 13}, {200, 3}, 3);
    expect_copied(dtype, {5000}, {1000}, {4}, 1);
    expect_copied(dtype, {5000}, {3, 70, 5}, {0, 0, 0}, 4999);
    expect_copied(dtype, {3, 0, 2}, {3, 0, 2}, {2, 2, 1});
  }
}

TEST(CudaPad, PutsZerosAroundAnyAxis) {
  struct Case {
    Shape shape;
    Integers low, high;
  };
  const Case cases[] = {{{5}, {2}, {3}},
                        {{}, {}, {}},
                        {{4, 5}, {0, 0}, {0, 0}},
                        {{4, 5}, {1, 0}, {0, 0}},
                        {{2, 7, 6, 3}, {0, 1, 2, 0}, {0, 3, 1, 0}},
                        {{2, 7, 6, 16}, {0, 1, 2, 0}, {0, 3, 1, 0}},
                        {{3, 1, 4}, {1, 1, 1}, {0, 2, 5}},
                        {{2, 0, 3}, {0, 2, 1}, {1, 2, 0}},
                        {{20, 90, 3}, {1, 1, 0}, {1, 1, 0}}};
  for (const Dtype dtype : kSizes) {
    for (const Case& c : cases) {
      SCOPED_TRACE(c.shape.to_string());
      Shape wide = c.shape;
      for (int axis = 0; axis < wide.rank(); ++axis) {
        const auto i = static_cast<std::size_t>(axis);
        wide.set(axis, c.low[i] + c.shape[axis] + c.high[i]);
      }
      expect_cpu_bits(ir::OpId::pad, {{"low", c.low}, {"high", c.high}}, {counted(dtype, c.shape)},
                      {{dtype, wide}});
    }
  }
}

TEST(CudaPack, PutsInputsAtTheirOffsetsAndZerosInTheGaps) {
  for (const Dtype dtype : kSizes) {
    const Value a = counted(dtype, {3}), b = counted(dtype, {0}), c = counted(dtype, {10, 300});
    const Value d = counted(dtype, {});
    expect_cpu_bits(ir::OpId::pack,
                    {{"offsets", Integers{2, 16, 16, 3020}}, {"elements", std::int64_t{3100}}},
                    {a, b, c, d}, {{dtype, {3100}}});
    expect_cpu_bits(ir::OpId::pack, {{"offsets", Integers{0}}, {"elements", std::int64_t{16}}}, {b},
                    {{dtype, {16}}});
    // More parts than one launch takes, aligned as parameters are.
    Integers offsets;
    std::vector<Value> parts;
    for (std::int64_t i = 0; i < 150; ++i) {
      offsets.push_back(i * 64);
      parts.push_back(counted(dtype, {i % 65}));
    }
    expect_cpu_bits(ir::OpId::pack,
                    {{"offsets", offsets}, {"elements", std::int64_t{150 * 64 + 64}}}, parts,
                    {{dtype, {150 * 64 + 64}}});
  }
}

// ---- indices ----

template <class Id>
Value ids_of(std::int64_t count, std::int64_t limit) {
  std::vector<Id> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    // Some are much more frequent than others.
    ids.push_back(static_cast<Id>(i % 3 == 0 ? limit / 2 : i * 7919 % limit));
  }
  return make_value<Id>({count}, ids);
}

template <class Id>
void expect_gathered() {
  const Shape tables[] = {{50, 17}, {9, 2, 8}, {31}, {5, 0}, {300, 64}};
  for (const Dtype dtype : kSizes) {
    for (const Shape& table : tables) {
      for (const std::int64_t count : {0, 1, 777}) {
        SCOPED_TRACE(table.to_string());
        Integers lengths = table.to_vector();
        lengths[0] = count;
        expect_cpu_bits(ir::OpId::gather, {}, {counted(dtype, table), ids_of<Id>(count, table[0])},
                        {{dtype, Shape(lengths)}});
      }
    }
  }
}

TEST(CudaGather, TakesRowsOfAnyTypeAndWidth) {
  expect_gathered<std::int32_t>();
  expect_gathered<std::int64_t>();
}

template <class T, class Id>
void expect_segments() {
  struct Case {
    std::int64_t rows, width, segments;
  };
  for (const Case& c : {Case{5000, 7, 300}, Case{1, 1, 1}, Case{0, 3, 4}, Case{9, 0, 4},
                        Case{40, 33, 70000 / 50}, Case{2049, 1, 256}, Case{6000, 2, 70000}}) {
    SCOPED_TRACE(c.rows);
    Value x = random_value<T>({c.rows, c.width}, 5);
    if (c.rows * c.width > 0) x.data<T>()[0] = -T{0};
    expect_cpu_bits(ir::OpId::segment_sum, {{"segments", c.segments}},
                    {x, ids_of<Id>(c.rows, c.segments)}, {{dtype_of<T>, {c.segments, c.width}}});
  }
  expect_cpu_bits(ir::OpId::segment_sum, {{"segments", std::int64_t{0}}},
                  {random_value<T>({0, 3}, 5), ids_of<Id>(0, 1)}, {{dtype_of<T>, {0, 3}}});
}

TEST(CudaSegmentSum, HasTheBitsOfTheCpu) {
  expect_segments<float, std::int32_t>();
  expect_segments<float, std::int64_t>();
  expect_segments<double, std::int64_t>();
}

// ---- running sums ----

template <class T>
void expect_running_sums(const Value& x) {
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    for (const std::int64_t reverse : {0, 1}) {
      SCOPED_TRACE(x.shape().to_string());
      expect_cpu_bits(ir::OpId::cumsum, {{"axis", std::int64_t{axis}}, {"reverse", reverse}}, {x},
                      {{dtype_of<T>, x.shape()}});
    }
  }
}

TEST(CudaCumsum, HasTheBitsOfTheCpu) {
  for (const Shape& shape :
       {Shape{1}, Shape{256}, Shape{257}, Shape{1500}, Shape{2, 600}, Shape{600, 5},
        Shape{3, 300, 7}, Shape{2, 1, 3}, Shape{0, 3}, Shape{3, 0}}) {
    expect_running_sums<float>(random_value<float>(shape, 5));
    expect_running_sums<double>(random_value<double>(shape, 6));
  }
  expect_running_sums<std::int64_t>(
      make_value<std::int64_t>({300}, Integers(300, std::numeric_limits<std::int64_t>::max() / 3)));
  expect_running_sums<std::int32_t>(make_value<std::int32_t>(
      {300, 2}, std::vector<std::int32_t>(600, std::numeric_limits<std::int32_t>::max() / 3)));
}

// ---- random numbers ----

TEST(CudaRandom, HasTheBitsOfTheCpu) {
  const Integers seeds[] = {{1, 0}, {-5, 1LL << 33}, {123456789012345, -3}};
  for (const Integers& seed : seeds) {
    const Value position = make_value<std::int64_t>({2}, seed);
    for (const std::int64_t count : {0, 1, 7, 8, 9, 1000, 4099}) {
      const ir::Attributes shape{{"shape", Integers{count}}};
      expect_cpu_bits(ir::OpId::uniform, shape, {position}, {{Dtype::f32, {count}}});
      for (const double p : {0.0, 0.1, 0.5, 1.0}) {
        expect_cpu_bits(ir::OpId::bernoulli, {{"shape", Integers{count}}, {"p", p}}, {position},
                        {{Dtype::boolean, {count}}});
      }
    }
  }
}

// ---- refusals ----

void expect_refused(const char* op, const std::vector<Value>& inputs, const OutputType& output,
                    const std::string& what) {
  const TableCall call(op, {}, inputs, {output});
  SinterCudaKernel* kernel = nullptr;
  EXPECT_EQ(api().prepare_kernel(device().get(), call.get(), &kernel), kSinterCudaBadCall);
  EXPECT_EQ(kernel, nullptr);
  EXPECT_NE(std::string(api().last_error()).find(what), std::string::npos) << api().last_error();
}

TEST(CudaKernels, RefuseWhatTheyHaveNoCodeFor) {
  const Value integers = empty_value(Dtype::i32, {2, 2});
  expect_refused("matmul", {integers, integers}, {Dtype::i32, {2, 2}}, "matmul: no kernel for i32");
  expect_refused("segment_sum", {integers, empty_value(Dtype::i32, {2})}, {Dtype::i32, {2, 2}},
                 "segment_sum: no kernel for i32");
  expect_refused("gather", {integers, empty_value(Dtype::f32, {2})}, {Dtype::i32, {2, 2}},
                 "gather: no kernel for f32");
  expect_refused("sort", {integers}, {Dtype::i32, {2, 2}}, "no CUDA kernel of this name");
  const Value images = empty_value(Dtype::f32, {1, 2, 2, 1});
  expect_refused("conv", {images, images}, {Dtype::f32, {1, 1, 1, 1}}, "no attribute stride");
}

}  // namespace
}  // namespace sinter::backend::cuda
