#include <cmath>

#include "backend/cpu/vendor/onednn.h"
#include "convolution_case.h"
#include "ir/internal_error.h"
#include "kernel_run.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

const std::vector<ConvolutionCase> kCases = {
    {2, {7, 7}, 1, 3, {3, 3}, {1, 1}, {1, 1}, {1, 1}},     // one channel
    {1, {1, 1}, 1, 1, {1, 1}, {1, 1}, {0, 0}, {1, 1}},     // one of everything
    {2, {5, 8}, 3, 4, {3, 2}, {1, 1}, {0, 1}, {1, 1}},     // odd sizes
    {1, {9, 7}, 5, 6, {3, 3}, {2, 2}, {1, 1}, {1, 1}},     // stride 2
    {2, {8, 8}, 4, 5, {3, 3}, {2, 3}, {0, 1}, {1, 1}},     // a rest that no window reaches
    {1, {11, 10}, 3, 7, {3, 3}, {1, 1}, {2, 2}, {2, 2}},   // dilation
    {1, {12, 9}, 17, 33, {5, 1}, {1, 1}, {2, 0}, {1, 1}},  // channels beside the vector length
    {3, {4, 4}, 16, 32, {1, 1}, {1, 1}, {0, 0}, {1, 1}},   // 1 x 1
    {1,
     {6, 6},
     16,
     16,
     {1, 1},
     {2, 2},
     {0, 0},
     {1, 1}},  // 1 x 1 with stride: pixels without gradient
    {2, {6, 5}, 32, 64, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {1, {3, 3}, 2, 2, {3, 3}, {1, 1}, {2, 2}, {1, 1}},        // more padding than image
    {1, {6, 5}, 3, 4, {3, 2}, {1, 1}, {2, 0, 0, 1}, {1, 1}},  // other padding behind
    {2, {7, 6}, 6, 9, {3, 3}, {2, 1}, {1, 1}, {1, 2}, 3},     // groups
    {1, {6, 6}, 32, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 2},   // as large as Winograd's, in groups
    {1, {6, 6}, 32, 32, {3, 3}, {1, 1}, {0, 1, 1, 0}, {1, 1}},
    {2, {7, 5}, 17, 17, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 17},  // depthwise
    {1, {5, 5}, 8, 16, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 8},    // depthwise, two outputs each
    {2, {9}, 3, 5, {3}, {2}, {1}, {1}},                       // one axis
    {2, {16}, 16, 8, {4}, {1}, {6, 0}, {2}, 4},
    {1, {12}, 8, 24, {1}, {3}, {0}, {1}, 2},
    {1, {4, 5, 6}, 3, 4, {3, 2, 3}, {1, 1, 1}, {1, 0, 1}, {1, 1, 1}},  // three axes
    {2, {5, 4, 5}, 4, 6, {2, 3, 2}, {2, 1, 2}, {0, 1, 0, 1, 1, 2}, {1, 1, 2}, 2},
    {1, {4, 4, 4}, 16, 16, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 16},
};

// Calls visit(x index, w index, y index) for every product of the definition.
template <class Visit>
void for_each_product(const ConvolutionCase& s, Visit visit) {
  const Shape windows(s.windows()), taps(s.kernel), image(s.image);
  const auto place = [](const Shape& shape, std::int64_t number) {
    Numbers at(static_cast<std::size_t>(shape.rank()));
    for (int i = shape.rank(); i-- > 0; number /= shape[i]) {
      at[static_cast<std::size_t>(i)] = number % shape[i];
    }
    return at;
  };
  const std::int64_t of_group = s.c / s.groups;
  for (std::int64_t i = 0; i < windows.elements(); ++i) {
    const Numbers window = place(windows, i);
    for (std::int64_t k = 0; k < taps.elements(); ++k) {
      const Numbers tap = place(taps, k);
      std::int64_t pixel = 0;
      bool inside = true;
      for (std::size_t axis = 0; axis < s.rank(); ++axis) {
        const std::int64_t at =
            window[axis] * s.stride[axis] - s.low(axis) + tap[axis] * s.dilation[axis];
        inside = inside && at >= 0 && at < s.image[axis];
        pixel = pixel * s.image[axis] + at;
      }
      for (std::int64_t n = 0; inside && n < s.n; ++n) {
        for (std::int64_t o = 0; o < s.o; ++o) {
          const std::int64_t first = o / (s.o / s.groups) * of_group;
          for (std::int64_t c = 0; c < of_group; ++c) {
            visit((n * image.elements() + pixel) * s.c + first + c,
                  (o * taps.elements() + k) * of_group + c, (n * windows.elements() + i) * s.o + o);
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
void expect_convolutions(const ConvolutionCase& s) {
  SCOPED_TRACE(s.to_string());
  const bool any_threads = dtype_of<T> == Dtype::f64;
  const Value x = random_value<T>(s.x(), 1), w = random_value<T>(s.w(), 2);
  const Value dy = random_value<T>(s.y(), 3);
  std::vector<double> want[3], size[3];
  const Shape shapes[3] = {s.y(), s.x(), s.w()};
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
  const std::vector<Value> inputs[3] = {{x, w}, {dy, w}, {x, dy}};
  for (int i = 0; i < 3; ++i) {
    const ir::OpId op = kConvolutions[i];
    const Value got =
        run_kernel(op, s.attributes(op), inputs[i], {{dtype, shapes[i]}}, any_threads)[0];
    expect_close<T>(got, want[i], size[i], i == 0 ? "y" : i == 1 ? "dx" : "dw");
  }
}

TEST(Conv, AndItsGradientsFollowTheDefinitionInF32) {
  for (const ConvolutionCase& s : kCases) expect_convolutions<float>(s);
}

TEST(Conv, AndItsGradientsFollowTheDefinitionInF64) {
  for (const ConvolutionCase& s : kCases) expect_convolutions<double>(s);
}

TEST(Conv, OfAnEmptyBatchGivesZeroGradientOfTheWeight) {
  const ConvolutionCase s{0, {5, 5}, 2, 3, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Value x = empty_value(dtype, s.x()), dy = empty_value(dtype, s.y());
    const Value w = empty_value(dtype, s.w());
    run_kernel(ir::OpId::conv, s.attributes(ir::OpId::conv), {x, w}, {{dtype, s.y()}});
    const ir::OpId op = ir::OpId::conv_weight_gradient;
    const Value dw = run_kernel(op, s.attributes(op), {x, dy}, {{dtype, s.w()}})[0];
    for (const unsigned char byte : dw.elements<unsigned char>()) ASSERT_EQ(byte, 0);
  }
}

TEST(Conv, WithoutInputChannelsGivesZeros) {
  const ConvolutionCase s{1, {5, 5}, 0, 3, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
  const Value y = run_kernel(ir::OpId::conv, s.attributes(ir::OpId::conv),
                             {empty_value(Dtype::f32, s.x()), empty_value(Dtype::f32, s.w())},
                             {{Dtype::f32, s.y()}})[0];
  EXPECT_EQ(y.elements<float>(), std::vector<float>(75, 0.0F));
}

TEST(Conv, OfBytesIsAnError) {
  const ConvolutionCase& s = kCases[0];
  const Call call(ir::OpId::conv, s.attributes(ir::OpId::conv),
                  {empty_value(Dtype::u8, s.x()), empty_value(Dtype::u8, s.w())},
                  {{Dtype::u8, s.y()}});
  EXPECT_THROW(call.prepare(), ir::InternalError);
}

TEST(OneDnn, WhatItDoesNotHaveIsNothingAndOtherFailuresAreErrorsThatNameTheRecipe) {
  const ConvolutionCase& s = kCases[0];
  const Call call(ir::OpId::conv, s.attributes(ir::OpId::conv),
                  {empty_value(Dtype::f32, s.x()), empty_value(Dtype::f32, s.w())},
                  {{Dtype::f32, s.y()}});
  const parallel::ForeignTeams teams(1);
  const auto failing = [](dnnl_status_t status) {
    return
        [status](const KernelCall&, onednn::Recipe&) { throw dnnl::error(status, "no such luck"); };
  };
  EXPECT_EQ(onednn::find_recipe("a test", call.get(), failing(dnnl_unimplemented)), nullptr);
  try {
    onednn::find_recipe("a test", call.get(), failing(dnnl_runtime_error));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a test"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("no such luck"), std::string::npos);
  }
}

}  // namespace
}  // namespace sinter::backend::cpu
