// Each CUDA kernel against the CPU's on the same numbers: the same bits, but for contractions,
// which agree within rounding and repeat their own bits.
#include <cmath>
#include <limits>

#include "backend/cuda/call.h"
#include "cuda_device.h"

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

struct Convolution {
  std::int64_t n, h, w, c, o, kh, kw, stride_h, stride_w, padding_h, padding_w, dilation_h,
      dilation_w;

  std::int64_t ho() const { return (h + 2 * padding_h - dilation_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t wo() const { return (w + 2 * padding_w - dilation_w * (kw - 1) - 1) / stride_w + 1; }
};

constexpr Convolution kConvolutions[] = {
    {2, 8, 8, 1, 8, 3, 3, 1, 1, 0, 0, 1, 1},    {2, 9, 7, 4, 5, 3, 3, 1, 1, 1, 1, 1, 1},
    {3, 8, 8, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1},  {1, 11, 9, 3, 6, 5, 3, 2, 1, 2, 0, 1, 1},
    {2, 10, 10, 8, 12, 3, 3, 2, 2, 1, 1, 1, 1}, {1, 12, 13, 5, 7, 3, 2, 1, 2, 2, 1, 2, 3},
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},    {4, 14, 14, 16, 4, 1, 1, 1, 1, 0, 0, 1, 1},
    {2, 6, 6, 2, 70, 6, 6, 1, 1, 0, 0, 1, 1},   {5, 13, 13, 6, 9, 4, 4, 3, 3, 3, 3, 1, 1},
};

template <class T>
void expect_convolutions() {
  for (const Convolution& s : kConvolutions) {
    const Shape x{s.n, s.h, s.w, s.c}, w{s.o, s.kh, s.kw, s.c}, y{s.n, s.ho(), s.wo(), s.o};
    SCOPED_TRACE(x.to_string() + " * " + w.to_string() + " -> " + y.to_string());
    const ir::Attributes window{{"stride", Integers{s.stride_h, s.stride_w}},
                                {"padding", Integers{s.padding_h, s.padding_w}},
                                {"dilation", Integers{s.dilation_h, s.dilation_w}}};
    const Value images = random_value<T>(x, 1), weights = random_value<T>(w, 2);
    const Value dy = random_value<T>(y, 3);
    expect_near_cpu<T>(ir::OpId::conv2d, window, {images, weights}, y);
    expect_near_cpu<T>(ir::OpId::conv2d_input_gradient, window, {dy, weights}, x);
    expect_near_cpu<T>(ir::OpId::conv2d_weight_gradient, window, {images, dy}, w);
  }
}

TEST(CudaConv2d, AndItsGradientsInF32) { expect_convolutions<float>(); }
TEST(CudaConv2d, AndItsGradientsInF64) { expect_convolutions<double>(); }

// An infinity reaches the results whose windows hold it and no others: nothing else is read, not
// even to be multiplied by zero.
TEST(CudaConv2d, InfinitiesStayInTheirWindows) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Convolution& s : kConvolutions) {
    const ir::Attributes window{{"stride", Integers{s.stride_h, s.stride_w}},
                                {"padding", Integers{s.padding_h, s.padding_w}},
                                {"dilation", Integers{s.dilation_h, s.dilation_w}}};
    const Shape shape{s.n, s.ho(), s.wo(), s.o};
    const std::int64_t row = s.h / 2, column = s.w / 2;
    std::vector<float> image(static_cast<std::size_t>(s.n * s.h * s.w * s.c), 0.5F);
    for (std::int64_t c = 0; c < s.c; ++c) {
      image[static_cast<std::size_t>((row * s.w + column) * s.c + c)] = infinity;
    }
    const std::vector<float> ones(static_cast<std::size_t>(s.o * s.kh * s.kw * s.c), 1.0F);
    const Value images = make_value<float>({s.n, s.h, s.w, s.c}, image);
    const Value weights = make_value<float>({s.o, s.kh, s.kw, s.c}, ones);
    const Value y =
        run_on_cuda(ir::OpId::conv2d, window, {images, weights}, {{Dtype::f32, shape}})[0];
    const auto covers = [](std::int64_t at, std::int64_t first, std::int64_t count,
                           std::int64_t dilation) {
      return at >= first && (at - first) % dilation == 0 && (at - first) / dilation < count;
    };
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const std::int64_t place = i / s.o, image_row = place / s.wo() % s.ho();
      const bool holds =
          place / s.wo() / s.ho() == 0 &&
          covers(row, image_row * s.stride_h - s.padding_h, s.kh, s.dilation_h) &&
          covers(column, place % s.wo() * s.stride_w - s.padding_w, s.kw, s.dilation_w);
      ASSERT_EQ(std::isinf(y.data<float>()[i]), holds) << shape.to_string() << " at " << i;
      ASSERT_FALSE(std::isnan(y.data<float>()[i])) << shape.to_string() << " at " << i;
    }
  }
}

TEST(CudaConv2d, GivesZerosWhereNothingIsSummed) {
  const ir::Attributes window{
      {"stride", Integers{1, 1}}, {"padding", Integers{0, 0}}, {"dilation", Integers{1, 1}}};
  const Value no_images = empty_value(Dtype::f32, {0, 5, 5, 3});
  const Value weights = random_value<float>({4, 3, 3, 3}, 2);
  const Value no_dy = empty_value(Dtype::f32, {0, 3, 3, 4});
  expect_cpu_bits(ir::OpId::conv2d, window, {no_images, weights}, {{Dtype::f32, {0, 3, 3, 4}}});
  expect_cpu_bits(ir::OpId::conv2d_input_gradient, window, {no_dy, weights},
                  {{Dtype::f32, {0, 5, 5, 3}}});
  expect_cpu_bits(ir::OpId::conv2d_weight_gradient, window, {no_images, no_dy},
                  {{Dtype::f32, {4, 3, 3, 3}}});
  expect_cpu_bits(ir::OpId::conv2d, window,
                  {empty_value(Dtype::f32, {2, 5, 5, 0}), empty_value(Dtype::f32, {4, 3, 3, 0})},
                  {{Dtype::f32, {2, 3, 3, 4}}});
}

// ---- pooling ----

struct Pooling {
  std::int64_t n, h, w, c, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;

  std::int64_t ho() const { return (h + 2 * padding_h - kernel_h) / stride_h + 1; }
  std::int64_t wo() const { return (w + 2 * padding_w - kernel_w) / stride_w + 1; }
};

constexpr Pooling kPoolings[] = {
    {2, 8, 8, 32, 2, 2, 2, 2, 0, 0},  {2, 9, 7, 5, 2, 2, 2, 2, 0, 0},
    {1, 8, 9, 33, 3, 3, 2, 2, 1, 1},  {2, 6, 6, 64, 3, 3, 1, 1, 1, 1},
    {1, 7, 9, 3, 2, 3, 3, 2, 0, 1},   {1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
    {3, 4, 4, 100, 1, 1, 2, 2, 0, 0}, {1, 15, 15, 2, 15, 15, 1, 1, 7, 7},
    {0, 4, 4, 4, 2, 2, 2, 2, 0, 0},   {1, 3, 3, 8, 2, 2, 1, 1, 2, 2},
    {2, 3, 4, 5, 1, 1, 1, 1, 1, 1},  // windows of padding only, one pixel outside
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
  for (const Pooling& s : kPoolings) {
    const Shape x{s.n, s.h, s.w, s.c}, y{s.n, s.ho(), s.wo(), s.c};
    SCOPED_TRACE(x.to_string() + " -> " + y.to_string());
    const ir::Attributes window{{"kernel", Integers{s.kernel_h, s.kernel_w}},
                                {"stride", Integers{s.stride_h, s.stride_w}},
                                {"padding", Integers{s.padding_h, s.padding_w}}};
    const Value index = expect_cpu_bits(ir::OpId::max_pool2d, window, {images<T>(x)},
                                        {{dtype_of<T>, y}, {Dtype::u8, y}})[1];
    Value dy = random_value<T>(y, 3);
    if (y.elements() > 0) dy.data<T>()[0] = -T{0};
    expect_cpu_bits(ir::OpId::max_pool2d_gradient, window, {dy, index}, {{dtype_of<T>, x}});
    expect_cpu_bits(ir::OpId::max_pool2d_gather, window, {random_value<T>(x, 4), index},
                    {{dtype_of<T>, y}});
  }
}

TEST(CudaMaxPool2d, HasTheBitsOfTheCpuInF32) { expect_poolings<float>(); }
TEST(CudaMaxPool2d, HasTheBitsOfTheCpuInF64) { expect_poolings<double>(); }

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
  expect_refused("conv2d", {integers, integers}, {Dtype::i32, {2, 2}}, "no attribute stride");
}

}  // namespace
}  // namespace sinter::backend::cuda
