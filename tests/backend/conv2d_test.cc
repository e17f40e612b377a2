#include <cmath>

#include "backend/cpu/vendor/onednn.h"
#include "kernel_run.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

struct Case {
  std::int64_t n, h, w, c, o, kh, kw, stride_h, stride_w, padding_h, padding_w, dilation_h,
      dilation_w;

  std::int64_t ho() const { return (h + 2 * padding_h - (kh - 1) * dilation_h - 1) / stride_h + 1; }
  std::int64_t wo() const { return (w + 2 * padding_w - (kw - 1) * dilation_w - 1) / stride_w + 1; }
  Shape x() const { return {n, h, w, c}; }
  Shape weight() const { return {o, kh, kw, c}; }
  Shape y() const { return {n, ho(), wo(), o}; }
  ir::Attributes attributes() const {
    return {{"stride", std::vector<std::int64_t>{stride_h, stride_w}},
            {"padding", std::vector<std::int64_t>{padding_h, padding_w}},
            {"dilation", std::vector<std::int64_t>{dilation_h, dilation_w}}};
  }
};

constexpr Case kCases[] = {
    {2, 7, 7, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1},     // one channel
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},     // one of everything
    {2, 5, 8, 3, 4, 3, 2, 1, 1, 0, 1, 1, 1},     // odd sizes
    {1, 9, 7, 5, 6, 3, 3, 2, 2, 1, 1, 1, 1},     // stride 2
    {2, 8, 8, 4, 5, 3, 3, 2, 3, 0, 1, 1, 1},     // a rest that no window reaches
    {1, 11, 10, 3, 7, 3, 3, 1, 1, 2, 2, 2, 2},   // dilation
    {1, 12, 9, 17, 33, 5, 1, 1, 1, 2, 0, 1, 1},  // channels beside the vector length
    {3, 4, 4, 16, 32, 1, 1, 1, 1, 0, 0, 1, 1},   // 1 x 1
    {1, 6, 6, 16, 16, 1, 1, 2, 2, 0, 0, 1, 1},   // 1 x 1 with stride: pixels without gradient
    {2, 6, 5, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1},
    {1, 3, 3, 2, 2, 3, 3, 1, 1, 2, 2, 1, 1},  // more padding than image
};

// Calls visit(x index, w index, y index) for every product of the definition.
template <class Visit>
void for_each_product(const Case& s, Visit visit) {
  const std::int64_t ho = s.ho(), wo = s.wo();
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t i = 0; i < ho * wo; ++i) {
      for (std::int64_t k = 0; k < s.kh * s.kw; ++k) {
        const std::int64_t h = i / wo * s.stride_h - s.padding_h + k / s.kw * s.dilation_h;
        const std::int64_t w = i % wo * s.stride_w - s.padding_w + k % s.kw * s.dilation_w;
        if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
        for (std::int64_t o = 0; o < s.o; ++o) {
          for (std::int64_t c = 0; c < s.c; ++c) {
            visit(((n * s.h + h) * s.w + w) * s.c + c, (o * s.kh * s.kw + k) * s.c + c,
                  (n * ho * wo + i) * s.o + o);
          }
        }
      }
    }
  }
}

template <class T>
void expect_close(const Value& got, const std::vector<double>& want,
                  const std::vector<double>& size, const std::string& what) {
  const double tolerance = dtype_of<T> == Dtype::f32 ? 2e-6 : 1e-14;
  ASSERT_EQ(got.elements<T>().size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got.data<T>()[i]), want[i], tolerance * size[i])
        << what << " at " << i;
  }
}

template <class T>
void expect_convolutions(const Case& s) {
  SCOPED_TRACE(s.x().to_string() + " * " + s.weight().to_string());
  const bool any_threads = dtype_of<T> == Dtype::f64;
  const Value x = random_value<T>(s.x(), 1), w = random_value<T>(s.weight(), 2);
  const Value dy = random_value<T>(s.y(), 3);
  std::vector<double> want[3], size[3];
  const Shape shapes[3] = {s.y(), s.x(), s.weight()};
  for (int i = 0; i < 3; ++i) {
    want[i].assign(static_cast<std::size_t>(shapes[i].elements()), 0.0);
    size[i] = want[i];
  }
  const auto add = [&](int i, std::int64_t at, T a, T b) {
    const double product = static_cast<double>(a) * static_cast<double>(b);
    want[i][static_cast<std::size_t>(at)] += product;
    size[i][static_cast<std::size_t>(at)] += std::abs(product);
  };
  for_each_product(s, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) {
    add(0, iy, x.data<T>()[ix], w.data<T>()[iw]);
    add(1, ix, dy.data<T>()[iy], w.data<T>()[iw]);
    add(2, iw, dy.data<T>()[iy], x.data<T>()[ix]);
  });
  const Dtype dtype = dtype_of<T>;
  ir::Attributes attributes = s.attributes();
  expect_close<T>(
      run_kernel(ir::OpId::conv2d, attributes, {x, w}, {{dtype, s.y()}}, any_threads)[0], want[0],
      size[0], "y");
  attributes.add("size", std::vector<std::int64_t>{s.h, s.w});
  expect_close<T>(run_kernel(ir::OpId::conv2d_input_gradient, attributes, {dy, w}, {{dtype, s.x()}},
                             any_threads)[0],
                  want[1], size[1], "dx");
  attributes = s.attributes();
  attributes.add("kernel", std::vector<std::int64_t>{s.kh, s.kw});
  expect_close<T>(run_kernel(ir::OpId::conv2d_weight_gradient, attributes, {x, dy},
                             {{dtype, s.weight()}}, any_threads)[0],
                  want[2], size[2], "dw");
}

TEST(Conv2d, AndItsGradientsFollowTheDefinitionInF32) {
  for (const Case& s : kCases) expect_convolutions<float>(s);
}

TEST(Conv2d, AndItsGradientsFollowTheDefinitionInF64) {
  for (const Case& s : kCases) expect_convolutions<double>(s);
}

TEST(Conv2d, OfAnEmptyBatchGivesZeroGradientOfTheWeight) {
  const Case s{0, 5, 5, 2, 3, 3, 3, 1, 1, 1, 1, 1, 1};
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Value x = empty_value(dtype, s.x()), dy = empty_value(dtype, s.y());
    const Value w = empty_value(dtype, s.weight());
    run_kernel(ir::OpId::conv2d, s.attributes(), {x, w}, {{dtype, s.y()}});
    const Value dw = run_kernel(ir::OpId::conv2d_weight_gradient, s.attributes(), {x, dy},
                                {{dtype, s.weight()}})[0];
    for (const unsigned char byte : dw.elements<unsigned char>()) ASSERT_EQ(byte, 0);
  }
}

TEST(Conv2d, WithoutInputChannelsGivesZeros) {
  const Case s{1, 5, 5, 0, 3, 3, 3, 1, 1, 1, 1, 1, 1};
  const Value y = run_kernel(ir::OpId::conv2d, s.attributes(),
                             {empty_value(Dtype::f32, s.x()), empty_value(Dtype::f32, s.weight())},
                             {{Dtype::f32, s.y()}})[0];
  EXPECT_EQ(y.elements<float>(), std::vector<float>(75, 0.0F));
}

TEST(Conv2d, OfBytesIsAnError) {
  const Case s = kCases[0];
  const Call call(ir::OpId::conv2d, s.attributes(),
                  {empty_value(Dtype::u8, s.x()), empty_value(Dtype::u8, s.weight())},
                  {{Dtype::u8, s.y()}});
  EXPECT_THROW(call.prepare(), Error);
}

TEST(OneDnn, FailuresBecomeErrorsThatNameTheOp) {
  try {
    onednn::guarded("conv2d", [] { throw dnnl::error(dnnl_unimplemented, "no such primitive"); });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("conv2d"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("no such primitive"), std::string::npos);
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
