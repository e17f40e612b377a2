// oneDNN's kernels against sums in f64, over shapes and layouts in which one release or another was
// wrong: lengths of 1, gaps between rows, few channels, strides. The kernels must
// be right here with every oneDNN that is supported; what mends each fault is in
// backend/cpu/vendor/onednn.cc.
#include <cmath>

#include "kernel_run.h"

namespace sinter::backend::cpu {
namespace {

// A matrix (B..., rows, columns) in memory: transposed or not, with `gap` elements between its
// lines.
struct Storage {
  bool transposed;
  std::int64_t gap;
};
constexpr Storage kStorages[] = {{false, 0}, {false, 7}, {true, 0}, {true, 7}};

Value matrix(std::int64_t rows, std::int64_t columns, const Storage& storage, unsigned seed) {
  const std::int64_t lines = storage.transposed ? columns : rows;
  const std::int64_t stride = (storage.transposed ? rows : columns) + storage.gap;
  ir::Layout layout{.shape = {rows, columns}, .offset = 0, .strides = {stride, 1}};
  if (storage.transposed) layout.strides = {1, stride};
  return seen_as(random_value<float>({lines, stride}, seed), layout);
}

double element(const Value& value, std::int64_t i, std::int64_t j) {
  return value.data<float>()[value.layout.offset + i * value.layout.strides[0] +
                             j * value.layout.strides[1]];
}

// Whether the kernel's product is that of the definition.
bool is_product(const Value& a, const Value& b) {
  const std::int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  const Call call(ir::OpId::matmul, {}, {a, b}, {{Dtype::f32, {m, n}}});
  if (!call.accepts(0) || !call.accepts(1)) return true;  // the planner copies it
  const Value y = call.run(*call.prepare())[0];
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        sum += element(a, i, l) * element(b, l, j);
        size += std::abs(element(a, i, l) * element(b, l, j));
      }
      if (!(std::abs(y.data<float>()[i * n + j] - sum) <= 1e-6 * size)) return false;
    }
  }
  return true;
}

TEST(OneDnn, MultipliesMatricesOfAllShapesAndStorages) {
  for (const std::int64_t m : {1, 2, 16, 17, 36}) {
    for (const std::int64_t k : {1, 2, 16, 17, 36}) {
      for (const std::int64_t n : {1, 2, 16, 17, 36}) {
        for (const Storage& of_a : kStorages) {
          for (const Storage& of_b : kStorages) {
            EXPECT_TRUE(is_product(matrix(m, k, of_a, 1), matrix(k, n, of_b, 2)))
                << m << " x " << k << " x " << n << ", a "
                << (of_a.transposed ? "transposed" : "plain") << " with gaps of " << of_a.gap
                << ", b " << (of_b.transposed ? "transposed" : "plain") << " with gaps of "
                << of_b.gap;
          }
        }
      }
    }
  }
}

// ---- convolutions ----

struct Convolution {
  std::int64_t n, h, w, c, o, kernel, stride, padding;
  std::int64_t ho() const { return (h + 2 * padding - kernel) / stride + 1; }
  std::int64_t wo() const { return (w + 2 * padding - kernel) / stride + 1; }
  std::string to_string() const {
    return std::to_string(n) + "x" + std::to_string(h) + "x" + std::to_string(w) + "x" +
           std::to_string(c) + " to " + std::to_string(o) + ", kernel " + std::to_string(kernel) +
           ", stride " + std::to_string(stride) + ", padding " + std::to_string(padding);
  }
};

// Whether the kernel of `op` gives in f32 what the loops give in f64: numbers that f32 holds
// exactly, few enough that their sums are exact too.
bool agrees_with_loops(const Convolution& s, ir::OpId op) {
  const Shape x{s.n, s.h, s.w, s.c}, y{s.n, s.ho(), s.wo(), s.o};
  const Shape weight{s.o, s.kernel, s.kernel, s.c};
  ir::Attributes attributes{{"stride", std::vector<std::int64_t>{s.stride, s.stride}},
                            {"padding", std::vector<std::int64_t>{s.padding, s.padding}},
                            {"dilation", std::vector<std::int64_t>{1, 1}}};
  Shape inputs[2] = {x, weight};
  Shape output = y;
  if (op == ir::OpId::conv2d_input_gradient) {
    inputs[0] = y;
    output = x;
    attributes.add("size", std::vector<std::int64_t>{s.h, s.w});
  } else if (op == ir::OpId::conv2d_weight_gradient) {
    inputs[1] = y;
    output = weight;
    attributes.add("kernel", std::vector<std::int64_t>{s.kernel, s.kernel});
  }
  std::vector<Value> small, wide;
  for (unsigned i = 0; i < 2; ++i) {
    const auto count = static_cast<std::size_t>(inputs[i].elements());
    std::vector<float> floats(count);
    for (std::size_t j = 0; j < count; ++j) {
      floats[j] = static_cast<float>((j * 7 + j / 11 + 3 * i) % 17) - 8.0F;
    }
    small.push_back(make_value(inputs[i], floats));
    wide.push_back(make_value(inputs[i], std::vector<double>(floats.begin(), floats.end())));
  }
  const Call call(op, attributes, small, {{Dtype::f32, output}});
  const Call loops(op, attributes, wide, {{Dtype::f64, output}});
  const Value got = call.run(*call.prepare())[0];
  const Value want = loops.run(*loops.prepare())[0];
  for (std::int64_t i = 0; i < output.elements(); ++i) {
    if (static_cast<double>(got.data<float>()[i]) != want.data<double>()[i]) return false;
  }
  return true;
}

TEST(OneDnn, ConvolvesImagesOfAllSizesForwardAndBackward) {
  for (const std::int64_t c : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17}) {
    for (const std::int64_t o : {1, 8, 17}) {
      for (const std::int64_t side : {9, 12, 32}) {
        for (const std::int64_t kernel : {1, 3}) {
          for (const std::int64_t stride : {1, 2, 3}) {
            const Convolution s{2, side, 12, c, o, kernel, stride, kernel / 2};
            for (const ir::OpId op : {ir::OpId::conv2d, ir::OpId::conv2d_input_gradient,
                                      ir::OpId::conv2d_weight_gradient}) {
              EXPECT_TRUE(agrees_with_loops(s, op))
                  << s.to_string() << ", " << static_cast<int>(op);
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
