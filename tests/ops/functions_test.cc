// What rows of samples cannot say of the composed functions: gradients at edges, and errors.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "error_message.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;
constexpr float kInf = std::numeric_limits<float>::infinity();

Tensor row(const Floats& values) {
  return tensor(values, Shape({static_cast<std::int64_t>(values.size())}));
}

// The gradient of sum(f(x)) at x, called directly and compiled.
template <class F>
Floats gradient_at(const Tensor& x, F f) {
  const auto step = [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    const Tensor watched = watch(in[0]);
    return gradients(sum(f(watched)), std::vector<Tensor>{watched});
  };
  const Tensor found = step({x})[0];
  const Floats direct = found.to_vector<float>();
  CompiledFunction compiled(step);
  const Tensor found_again = compiled.call({x})[0];
  const Floats again = found_again.to_vector<float>();
  for (std::size_t i = 0; i < direct.size(); ++i) {
    EXPECT_TRUE(direct[i] == again[i] || (std::isnan(direct[i]) && std::isnan(again[i])));
  }
  return direct;
}

void expect_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
  }
}

TEST(Norm, HasTheGradientZeroAtZero) {
  const Tensor zeros_and_not = tensor(Floats{0, 0, 3, 4}, {2, 2});
  for (const double p : {1.0, 2.0, std::numeric_limits<double>::infinity()}) {
    const Floats dx =
        gradient_at(zeros_and_not, [&](const Tensor& x) { return norm(x, {1}, false, p); });
    EXPECT_EQ(dx[0], 0) << p;
    EXPECT_EQ(dx[1], 0) << p;
  }
  const Floats dx = gradient_at(zeros_and_not, [](const Tensor& x) { return norm(x, {1}); });
  EXPECT_FLOAT_EQ(dx[2], 0.6f);
  EXPECT_FLOAT_EQ(dx[3], 0.8f);
  // A floor under the length, and the second derivative, are finite too.
  EXPECT_EQ(gradient_at(row({0, 0}), [](const Tensor& x) { return maximum(norm(x), 1e-10); }),
            (Floats{0, 0}));
  const Floats second = gradient_at(row({0, 0}), [](const Tensor& x) {
    return square(gradients(norm(x), std::vector<Tensor>{x})[0]);
  });
  EXPECT_EQ(second, (Floats{0, 0}));
}

TEST(Norm, NeitherOverflowsNorLosesTinyVectors) {
  for (const float size : {1e-30f, 1e-20f, 1.0f, 1e20f, 5e37f}) {
    const Tensor x = row({3 * size, -4 * size});
    EXPECT_FLOAT_EQ(norm(x).item<float>(), 5 * size);
    const Floats dx = gradient_at(x, [](const Tensor& v) { return norm(v); });
    EXPECT_NEAR(dx[0], 0.6f, 1e-6f) << size;
    EXPECT_NEAR(dx[1], -0.8f, 1e-6f) << size;
  }
  EXPECT_TRUE(std::isnan(norm(row({1, NAN})).item<float>()));
  EXPECT_EQ(norm(row({1, -kInf})).item<float>(), kInf);
}

TEST(Norm, RefusesOtherOrdersAndDtypes) {
  expect_says(message_of([] {
                norm(row({1, 2}), {}, false, 3);
              }),
              {"norm: ", "3", "1, 2 or infinity"});
  expect_says(message_of([] { norm(zeros({2}, Dtype::i32)); }),
              {"norm: ", "i32(2,)", "f32 or f64"});
  expect_says(message_of([] { norm(row({1, 2}), {1}); }), {"no such axis"});
}

TEST(LogSumExp, HasAGradientBesideMaskedElements) {
  const Tensor x = tensor(Floats{-kInf, 0, -kInf, -kInf}, {2, 2});
  EXPECT_EQ(gradient_at(x, [](const Tensor& v) { return logsumexp(v, {1}); }),
            (Floats{0, 1, 0, 0}));
}

TEST(Var, OfOneElementIsNanUnlessBiased) {
  EXPECT_TRUE(std::isnan(var(row({3})).item<float>()));
  EXPECT_EQ(var(row({3}), {}, 0).item<float>(), 0);
  EXPECT_EQ(var(row({1e6f, 1e6f + 1, 1e6f + 2})).item<float>(), 1);
  EXPECT_EQ(var(full({1000}, 99999.9)).item<float>(), 0);
}

// A fold in 16 bits would stop at 256 (bf16) or pass 65504 (f16).
TEST(SixteenBits, AreFoldedInF32AndRoundedOnce) {
  const Tensor ones = full({700, 3, 5}, 1, Dtype::bf16);
  EXPECT_EQ(sum(ones).item<float>(), 10496.0F);  // 10500
  EXPECT_EQ(sum(ones, {0, 2}).to_vector<float>(), Floats(3, 3504.0F));
  EXPECT_EQ(sum(ones, {0}).dtype(), Dtype::bf16);
  EXPECT_EQ(mean(full({300, 300}, 3, Dtype::f16)).item<float>(), 3.0F);
  EXPECT_EQ(sum(full({300, 300}, 3, Dtype::f16)).item<float>(), kInf);
  const Tensor ids = iota({1024}, 0, Dtype::i32);
  const Tensor segments =
      segment_sum(full({1024, 2}, 1, Dtype::bf16), cast(ids >= 512.0, Dtype::i32), 2);
  EXPECT_EQ(segments.dtype(), Dtype::bf16);
  EXPECT_EQ(segments.to_vector<float>(), Floats(4, 512.0F));
}

// A pixel under nine windows: its gradient is summed in f32.
TEST(SixteenBits, ArePooled) {
  const Tensor x = watch(pad(full({1, 1, 1, 1}, 2, Dtype::bf16), {0, 2, 2, 0}, {0, 2, 2, 0}));
  const Tensor y = max_pool(x, {.kernel = {3}, .stride = {1}});
  EXPECT_EQ(y.dtype(), Dtype::bf16);
  EXPECT_EQ(y.to_vector<float>(), Floats(9, 2.0F));
  const Tensor weights = full({1, 3, 3, 1}, 1.0078125, Dtype::bf16);
  const Tensor dx = gradients(sum(y * weights), std::vector<Tensor>{x})[0];
  EXPECT_EQ(dx.to_vector<float>()[12], 9.0625F);  // 9.0703125
}

TEST(ArgMax, SaysThatAnEmptyAxisHasNone) {
  expect_says(message_of([] {
                argmax(zeros({3, 0}), 1);
              }),
              {"argmax: ", "empty axis", "f32(3, 0)"});
  expect_says(message_of([] { argmin(zeros({0})); }), {"argmin: ", "empty axis"});
  expect_says(message_of([] { argmax(zeros({3}), 1); }), {"argmax: ", "no such axis"});
}

TEST(OneHot, RefusesOtherIds) {
  expect_says(message_of([] { one_hot(zeros({3}), 4); }), {"one_hot: ", "i32 or i64"});
  expect_says(message_of([] { one_hot(zeros({3}, Dtype::i32), 0); }), {"one_hot: ", "positive"});
}

TEST(SequenceMask, RefusesOtherLengths) {
  expect_says(message_of([] { sequence_mask(zeros({3}), 4); }), {"sequence_mask: ", "i32 or i64"});
  expect_says(message_of([] { sequence_mask(zeros({3}, Dtype::i32), -1); }),
              {"sequence_mask: ", "negative", "-1"});
}

TEST(Losses, SayItWhenAColumnMeetsARow) {
  const Tensor column = zeros({4, 1});
  const Tensor flat = zeros({4});
  const std::vector<std::string> parts = {"f32(4, 1) and f32(4,)", "different shapes",
                                          "reshape(target, input.shape())"};
  expect_says(message_of([&] { mse_loss(column, flat); }), parts);
  expect_says(message_of([&] { l1_loss(column, flat); }), parts);
  expect_says(message_of([&] { huber_loss(column, flat); }), parts);
  expect_says(message_of([&] { binary_cross_entropy(column, flat); }), parts);
  expect_says(message_of([&] { binary_cross_entropy_with_logits(column, flat); }), parts);
  expect_says(message_of([&] { mse_loss(zeros({4}), zeros({3})); }), {"broadcast_to()"});
  expect_says(message_of([&] { mse_loss(zeros({4}), zeros({4}, Dtype::f64)); }),
              {"mse_loss: ", "the dtypes differ"});
  expect_says(message_of([&] { huber_loss(flat, flat, 0); }), {"huber_loss: ", "positive"});
  expect_says(message_of([&] {
                binary_cross_entropy_with_logits(flat, flat, LossReduction::mean, Operand(column));
              }),
              {"larger than the logits", "f32(4, 1)"});
}

TEST(Losses, TakeANumberAsTheTarget) {
  EXPECT_EQ(mse_loss(row({1, 3}), 1.0).item<float>(), 2);
  EXPECT_EQ(l1_loss(row({1, 3}), 0.0, LossReduction::sum).item<float>(), 4);
}

TEST(BinaryCrossEntropy, LearnsFromPredictionsThatAreSurelyWrong) {
  const Tensor target = row({1, 0, 0, 1});
  const Tensor p = row({0, 1, 0, 1});
  const Tensor losses = binary_cross_entropy(p, target, LossReduction::none);
  EXPECT_EQ(losses.to_vector<float>(), (Floats{100, 100, 0, 0}));
  const Floats dp = gradient_at(
      p, [&](const Tensor& x) { return binary_cross_entropy(x, target, LossReduction::none); });
  EXPECT_FLOAT_EQ(dp[0], -1e12f);
  EXPECT_FLOAT_EQ(dp[1], 1e12f);
  EXPECT_EQ(dp[2], 0);
  EXPECT_EQ(dp[3], 0);
}

TEST(BinaryCrossEntropy, OfLogitsKeepsSmallLossesAndTheGradientAtZero) {
  const Tensor logits = row({-20, 20, 0, 0, 1000});
  const Tensor target = row({0, 1, 1, 0, 0});
  const auto loss = [&](const Tensor& x) {
    return binary_cross_entropy_with_logits(x, target, LossReduction::none);
  };
  const Floats losses = loss(logits).to_vector<float>();
  const Floats want = {2.0611537e-9f, 2.0611537e-9f, 0.69314718f, 0.69314718f, 1000};
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_FLOAT_EQ(losses[i], want[i]);
  const Floats dx = gradient_at(logits, loss);
  const Floats slopes = {2.0611537e-9f, -2.0611537e-9f, -0.5f, 0.5f, 1};
  for (std::size_t i = 0; i < slopes.size(); ++i) EXPECT_FLOAT_EQ(dx[i], slopes[i]);
}

TEST(Concatenate, SaysWhatDoesNotFit) {
  expect_says(message_of([] { concatenate({}); }), {"concatenate: ", "nothing to join"});
  expect_says(message_of([] { concatenate({zeros({}), zeros({})}); }), {"scalars", "stack()"});
  expect_says(message_of([] {
                concatenate({zeros({2}), zeros({2}, Dtype::i32)});
              }),
              {"the dtypes differ", "f32(2,) and i32(2,)"});
  expect_says(message_of([] {
                concatenate({zeros({2, 3}), zeros({2, 4})});
              }),
              {"f32(2, 3) and f32(2, 4)", "every axis but 0"});
  expect_says(message_of([] { concatenate({zeros({2, 3}), zeros({2})}, 1); }), {"do not fit"});
  expect_says(message_of([] { concatenate({zeros({2}), zeros({2})}, 1); }), {"no such axis"});
  expect_says(message_of([] { concatenate({zeros({2}), Tensor()}); }), {"empty Tensor handle"});
  expect_says(message_of([] {
                stack({zeros({2}), zeros({3})});
              }),
              {"stack: ", "f32(2,) and f32(3,)", "concatenate()"});
  expect_says(message_of([] { stack({}); }), {"stack: ", "nothing to join"});
}

TEST(Concatenate, IsNotBookedAsGradients) {
  CompiledFunction joined([](const std::vector<Tensor>& in) {
    const Tensor whole = concatenate({in[0] * 2.0, in[1] * 3.0}, 0);
    return std::vector<Tensor>{sum(whole * whole), whole};
  });
  const std::vector<Tensor> inputs = {ones({1000}), ones({500})};
  EXPECT_EQ(joined.call(inputs)[0].item<float>(), 4000 + 4500);
  EXPECT_EQ(joined.report(inputs).memory.gradients, 0);
}

TEST(Slice, RefusesAStepBelowOne) {
  expect_says(message_of([] { slice(zeros({4}), 0, 0, 4, 0); }), {"slice: ", "step", "1 or more"});
  expect_says(message_of([] { slice(zeros({4}), 0, 0, 5, 2); }), {"the bounds leave the axis"});
}

TEST(AvgPool, RefusesWindowsThatDoNotFit) {
  expect_says(message_of([] { avg_pool2d(zeros({2, 3})); }), {"avg_pool2d: ", "(N, H, W, C)"});
  expect_says(message_of([] { avg_pool2d(zeros({1, 1, 4, 1})); }), {"does not fit", "NHWC"});
  expect_says(message_of([] {
                avg_pool2d(zeros({1, 4, 4, 1}), {.padding = {2, 0}});
              }),
              {"half the kernel", "at most 1"});
  expect_says(message_of([] {
                avg_pool2d(zeros({1, 4, 4, 1}), {.stride = {0, 1}});
              }),
              {"out of range"});
  expect_says(message_of([] { avg_pool2d(zeros({1, 4, 4, 1}, Dtype::i32)); }), {"f32 or f64"});
}

TEST(Windows, TakeOneNumberForAllAxesOrOneForEach) {
  const auto expect_equal = [](const Tensor& a, const Tensor& b) {
    EXPECT_EQ(a.shape(), b.shape());
    EXPECT_EQ(a.to_vector<float>(), b.to_vector<float>());
  };
  const Tensor x = cast(iota({2, 6, 6, 2}, 1), Dtype::f32) * cast(iota({2}, 0), Dtype::f32);
  const Tensor w = ones({2, 3, 3, 2});
  expect_equal(conv(x, w, {.stride = {2}, .padding = {1}, .dilation = {2}}),
               conv2d(x, w, {.stride = {2, 2}, .padding = {1, 1, 1, 1}, .dilation = {2, 2}}));
  expect_equal(conv_transpose(x, w, {.stride = {2}, .output_padding = {1}}),
               conv_transpose(x, w, {.stride = {2, 2}, .output_padding = {1, 1}}));
  expect_equal(max_pool(x, {.kernel = {3}}),
               max_pool2d(x, {.kernel = {3, 3}, .stride = {3, 3}, .padding = {0, 0}}));
  expect_equal(avg_pool(x, {.kernel = {3}}), avg_pool2d(x, {.kernel = {3, 3}, .stride = {3, 3}}));
}

TEST(Windows, RefuseOtherNumbersOfThemAndOtherImages) {
  const Tensor image = zeros({1, 4, 4, 2}), w = zeros({2, 3, 3, 2});
  expect_says(message_of([&] {
                conv(image, w, {.stride = {1, 1, 1}});
              }),
              {"conv", "stride", "got 3 numbers", "1 or 2", "NHWC", "functions_test.cc"});
  expect_says(message_of([&] {
                max_pool(image, {.padding = {0, 0, 0}});
              }),
              {"max_pool", "padding", "got 3 numbers"});
  expect_says(message_of([&] { conv(zeros({4, 2}), w); }), {"conv", "3 to 5 axes", "(4, 2)"});
  expect_says(message_of([&] {
                conv2d(zeros({1, 4, 2}), zeros({2, 3, 2}));
              }),
              {"conv2d", "4 axes (N, H, W, C)", "functions_test.cc"});
  expect_says(message_of([&] { max_pool2d(zeros({1, 4, 2})); }), {"max_pool2d", "(N, H, W, C)"});
}

TEST(ConvTranspose, RefusesWhatNoImageHas) {
  const Tensor x = zeros({1, 4, 4, 2}), w = zeros({2, 3, 3, 2});
  expect_says(message_of([&] { conv_transpose(x, w, {.output_padding = {1}}); }),
              {"conv_transpose", "output padding 1", "functions_test.cc"});
  expect_says(message_of([&] { conv_transpose(x, w, {.padding = {3}}); }),
              {"no image has these windows", "padding 3"});
  expect_says(message_of([&] { conv_transpose(zeros({1, 4, 4, 3}), w); }), {"channels"});
  expect_says(message_of([&] { conv_transpose(x, zeros({2, 3, 2})); }), {"the weight", "4 axes"});
}

TEST(AvgPool, ReadsItsImageOnceWhereWindowsTouch) {
  CompiledFunction pool(
      [](const std::vector<Tensor>& in) { return std::vector<Tensor>{avg_pool2d(in[0])}; });
  EXPECT_EQ(pool.report({ones({2, 8, 8, 4})}).kernels, 2);  // one for each axis
}

}  // namespace
}  // namespace sinter
