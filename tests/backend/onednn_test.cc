// oneDNN's kernels against sums in f64, over shapes and layouts in which one release or another was
// wrong: lengths of 1, gaps between rows, few channels, strides. The kernels must
// be right here with every oneDNN that is supported; what mends each fault is in
// backend/cpu/vendor/onednn.cc.
#include <algorithm>
#include <cmath>

#include "convolution_case.h"
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

// Whether the kernel of `op` gives in f32 what the loops give in f64: numbers that f32 holds
// exactly, few enough that their sums are exact too.
bool agrees_with_loops(const ConvolutionCase& s, ir::OpId op) {
  const Shape inputs[2] = {op == ir::OpId::conv_input_gradient ? s.y() : s.x(),
                           op == ir::OpId::conv_weight_gradient ? s.y() : s.w()};
  const Shape output = op == ir::OpId::conv                  ? s.y()
                       : op == ir::OpId::conv_input_gradient ? s.x()
                                                             : s.w();
  const ir::Attributes attributes = s.attributes(op);
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

void expect_agreement(const ConvolutionCase& s) {
  for (const ir::OpId op : kConvolutions) {
    EXPECT_TRUE(agrees_with_loops(s, op)) << s.to_string() << ", " << static_cast<int>(op);
  }
}

TEST(OneDnn, ConvolvesImagesOfAllSizesForwardAndBackward) {
  for (const std::int64_t c : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17}) {
    for (const std::int64_t o : {1, 8, 17}) {
      for (const std::int64_t side : {9, 12, 32}) {
        for (const std::int64_t kernel : {1, 3}) {
          for (const std::int64_t stride : {1, 2, 3}) {
            const std::int64_t padding = kernel / 2;
            expect_agreement({2,
                              {side, 12},
                              c,
                              o,
                              {kernel, kernel},
                              {stride, stride},
                              {padding, padding},
                              {1, 1}});
          }
        }
      }
    }
  }
}

// Images with one and three axes whose lengths and numbers repeat.
ConvolutionCase of_rank(std::size_t rank, std::int64_t side, std::int64_t c, std::int64_t o,
                        std::int64_t kernel, std::int64_t stride, const Numbers& padding,
                        std::int64_t dilation, std::int64_t groups) {
  const auto all = [&](std::int64_t number) { return Numbers(rank, number); };
  ConvolutionCase s{2, all(side), c, o, all(kernel), all(stride), {}, all(dilation), groups};
  for (const std::int64_t number : padding) s.padding.insert(s.padding.end(), rank, number);
  return s;
}

TEST(OneDnn, ConvolvesImagesOfOneAndThreeAxes) {
  for (const std::size_t rank : {1u, 3u}) {
    const std::int64_t side = rank == 1 ? 33 : 7;
    for (const std::int64_t c : {1, 3, 8, 15, 16, 17}) {
      for (const std::int64_t o : {1, 8, 17}) {
        for (const std::int64_t kernel : {1, 2, 3}) {
          for (const std::int64_t stride : {1, 2, 3}) {
            expect_agreement(of_rank(rank, side, c, o, kernel, stride, {kernel / 2}, 1, 1));
          }
        }
      }
    }
  }
}

TEST(OneDnn, ConvolvesGroups) {
  for (const std::size_t rank : {1u, 2u, 3u}) {
    const std::int64_t side = rank == 1 ? 33 : rank == 2 ? 11 : 6;
    for (const std::int64_t groups : {2, 3, 16, 17}) {
      for (const std::int64_t c : {1, 3, 8, 16}) {
        for (const std::int64_t o : {1, 2, 8, 17}) {
          if (groups * std::max(c, o) > 64) continue;
          for (const std::int64_t kernel : {1, 3}) {
            for (const std::int64_t stride : {1, 2}) {
              expect_agreement(of_rank(rank, side, groups * c, groups * o, kernel, stride,
                                       {kernel / 2}, 1, groups));
            }
          }
        }
      }
    }
  }
}

TEST(OneDnn, ConvolvesWithPaddingThatDiffersAndWithHoles) {
  for (const std::size_t rank : {1u, 2u, 3u}) {
    const std::int64_t side = rank == 1 ? 33 : rank == 2 ? 11 : 5;
    for (const std::int64_t c : {1, 3, 16}) {
      for (const std::int64_t o : {1, 8, 16}) {
        for (const std::int64_t kernel : {1, 3}) {
          for (const std::int64_t stride : {1, 2}) {
            for (const std::int64_t dilation : {1, 2}) {
              for (const Numbers& padding : {Numbers{2, 0}, Numbers{1, 3}}) {
                expect_agreement(of_rank(rank, side, c, o, kernel, stride, padding, dilation, 1));
                if (c == o) {  // depthwise
                  expect_agreement(of_rank(rank, side, c, o, kernel, stride, padding, dilation, c));
                }
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
