// Two-dimensional convolutions. All three ops are bilinear and each one's gradients are the other
// two, so derivatives of any order are made of them.
#include <string>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

using Numbers = std::vector<std::int64_t>;
using Gradients = std::vector<std::optional<Tensor>>;

constexpr const char* kImages = "images are NHWC: (batch, height, width, channels)";

// The attributes that all three ops have, checked.
struct Window {
  const Numbers& stride;
  const Numbers& padding;
  const Numbers& dilation;
};

Window window_of(const char* where, const ir::OpCall& call) {
  const Window window{integers_of(call, where, "stride", 2), integers_of(call, where, "padding", 2),
                      integers_of(call, where, "dilation", 2)};
  for (std::size_t i = 0; i < 2; ++i) {
    if (window.stride[i] >= 1 && window.padding[i] >= 0 && window.dilation[i] >= 1) continue;
    raise({.where = where,
           .what = "a stride, padding or dilation is out of range",
           .got = "stride " + std::to_string(window.stride[i]) + ", padding " +
                  std::to_string(window.padding[i]) + ", dilation " +
                  std::to_string(window.dilation[i]),
           .expected = "stride >= 1, padding >= 0, dilation >= 1",
           .hint = {}});
  }
  return window;
}

// Positions of the window along one axis of an image. The bounds keep the sums from overflowing.
std::int64_t output_length(const char* where, const Window& window, std::size_t axis,
                           std::int64_t image, std::int64_t kernel) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 31;
  const bool in_range = kernel >= 1 && kernel < kLongest && window.padding[axis] < kLongest &&
                        window.dilation[axis] < kLongest;
  const std::int64_t reach =
      in_range ? image + 2 * window.padding[axis] - window.dilation[axis] * (kernel - 1) - 1 : -1;
  if (reach < 0) {
    raise({.where = where,
           .what = "the kernel does not fit into the padded image",
           .got = "kernel " + std::to_string(kernel) + " with dilation " +
                  std::to_string(window.dilation[axis]) + " on length " + std::to_string(image) +
                  " with padding " + std::to_string(window.padding[axis]),
           .expected = {},
           .hint = kImages});
  }
  return reach / window.stride[axis] + 1;
}

void check_two_images(const char* where, const ir::OpCall& call, const char* first,
                      const char* first_layout, const char* second, const char* second_layout) {
  check_dtype(where, first, call.inputs[0], {Dtype::f32, Dtype::f64});
  check_same_dtype(where, call.inputs);
  check_rank(where, first, call.inputs[0], 4, first_layout, kImages);
  check_rank(where, second, call.inputs[1], 4, second_layout,
             "weights are OHWI: (output channels, height, width, input channels)");
}

// Throws unless dy has the shape that the convolution of x (N, H, W, C) with w (O, KH, KW, C)
// gives.
void check_dy(const char* where, const TensorType& dy, const Shape& expected) {
  if (dy.shape == expected) return;
  raise({.where = where,
         .what = "dy has another shape than the convolution's result",
         .got = dy.shape.to_string(),
         .expected = expected.to_string(),
         .hint = kImages});
}

std::vector<TensorType> infer_conv2d(const ir::OpCall& call) {
  check_two_images("conv2d", call, "x", "(N, H, W, C)", "the weight", "(O, KH, KW, C)");
  const Window window = window_of("conv2d", call);
  const Shape& x = call.inputs[0].shape;
  const Shape& w = call.inputs[1].shape;
  if (x[3] != w[3]) {
    raise({.where = "conv2d",
           .what = "x and the weight differ in their channels",
           .got = "x " + x.to_string() + " and weight " + w.to_string(),
           .expected = std::to_string(w[3]) + " channels in x",
           .hint = kImages});
  }
  const std::int64_t height = output_length("conv2d", window, 0, x[1], w[1]);
  const std::int64_t width = output_length("conv2d", window, 1, x[2], w[2]);
  return {{call.inputs[0].dtype, Shape({x[0], height, width, w[0]})}};
}

std::vector<TensorType> infer_input_gradient(const ir::OpCall& call) {
  constexpr const char* kName = "conv2d_input_gradient";
  check_two_images(kName, call, "dy", "(N, HO, WO, O)", "the weight", "(O, KH, KW, C)");
  const Window window = window_of(kName, call);
  const Numbers& size = integers_of(call, kName, "size", 2);
  const Shape& dy = call.inputs[0].shape;
  const Shape& w = call.inputs[1].shape;
  check_dy(kName, call.inputs[0],
           Shape({dy[0], output_length(kName, window, 0, size[0], w[1]),
                  output_length(kName, window, 1, size[1], w[2]), w[0]}));
  return {{call.inputs[0].dtype, Shape({dy[0], size[0], size[1], w[3]})}};
}

std::vector<TensorType> infer_weight_gradient(const ir::OpCall& call) {
  constexpr const char* kName = "conv2d_weight_gradient";
  check_two_images(kName, call, "x", "(N, H, W, C)", "dy", "(N, HO, WO, O)");
  const Window window = window_of(kName, call);
  const Numbers& kernel = integers_of(call, kName, "kernel", 2);
  const Shape& x = call.inputs[0].shape;
  const Shape& dy = call.inputs[1].shape;
  check_dy(kName, call.inputs[1],
           Shape({x[0], output_length(kName, window, 0, x[1], kernel[0]),
                  output_length(kName, window, 1, x[2], kernel[1]), dy[3]}));
  return {{call.inputs[0].dtype, Shape({dy[3], kernel[0], kernel[1], x[3]})}};
}

// The window's attributes, and one more.
ir::Attributes with(const ir::Attributes& attributes, const char* name, Numbers values) {
  return {{"stride", attributes.integers("stride")},
          {"padding", attributes.integers("padding")},
          {"dilation", attributes.integers("dilation")},
          {name, std::move(values)}};
}

Tensor convolve(const Tensor& x, const Tensor& w, const ir::Attributes& attributes) {
  const Tensor inputs[] = {x, w};
  return apply_one(kConv2d, inputs,
                   {{"stride", attributes.integers("stride")},
                    {"padding", attributes.integers("padding")},
                    {"dilation", attributes.integers("dilation")}},
                   {});
}

// For an x of shape (N, H, W, C).
Tensor input_gradient(const Tensor& dy, const Tensor& w, const Shape& x,
                      const ir::Attributes& attributes) {
  const Tensor inputs[] = {dy, w};
  return apply_one(kConv2dInputGradient, inputs, with(attributes, "size", {x[1], x[2]}), {});
}

// For a w of shape (O, KH, KW, C).
Tensor weight_gradient(const Tensor& x, const Tensor& dy, const Shape& w,
                       const ir::Attributes& attributes) {
  const Tensor inputs[] = {x, dy};
  return apply_one(kConv2dWeightGradient, inputs, with(attributes, "kernel", {w[1], w[2]}), {});
}

Gradients conv2d_gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor& w = call.inputs[1];
  const Tensor& dy = *call.dy[0];
  Gradients gradients(2);
  if (is_needed(call, 0)) gradients[0] = input_gradient(dy, w, x.shape(), call.attributes);
  if (is_needed(call, 1)) gradients[1] = weight_gradient(x, dy, w.shape(), call.attributes);
  return gradients;
}

// <g, input_gradient(dy, w)> = <conv2d(g, w), dy> = <weight_gradient(g, dy), w>.
Gradients input_gradient_gradient(const ir::GradientCall& call) {
  const Tensor& dy = call.inputs[0];
  const Tensor& w = call.inputs[1];
  const Tensor& g = *call.dy[0];
  Gradients gradients(2);
  if (is_needed(call, 0)) gradients[0] = convolve(g, w, call.attributes);
  if (is_needed(call, 1)) gradients[1] = weight_gradient(g, dy, w.shape(), call.attributes);
  return gradients;
}

// <g, weight_gradient(x, dy)> = <input_gradient(dy, g), x> = <conv2d(x, g), dy>.
Gradients weight_gradient_gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor& dy = call.inputs[1];
  const Tensor& g = *call.dy[0];
  Gradients gradients(2);
  if (is_needed(call, 0)) gradients[0] = input_gradient(dy, g, x.shape(), call.attributes);
  if (is_needed(call, 1)) gradients[1] = convolve(x, g, call.attributes);
  return gradients;
}

// A multiplication and an addition for each element of the result and of the window, taps in the
// padding counted too.
ir::Cost conv2d_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const Shape& w = call.inputs[1].shape;
  const double taps = static_cast<double>(w[1] * w[2] * w[3]);
  return {2 * taps * static_cast<double>(results[0].elements()), traffic(call, results)};
}

ir::Cost input_gradient_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const Shape& w = call.inputs[1].shape;
  const double taps = static_cast<double>(w[1] * w[2] * w[3]);
  return {2 * taps * static_cast<double>(call.inputs[0].elements()), traffic(call, results)};
}

ir::Cost weight_gradient_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const Shape& w = results[0].shape;
  const double taps = static_cast<double>(w[1] * w[2] * w[3]);
  return {2 * taps * static_cast<double>(call.inputs[1].elements()), traffic(call, results)};
}

}  // namespace

constinit const ir::Op kConv2d = {
    .id = ir::OpId::conv2d,
    .name = "conv2d",
    .doc =
        "Cross-correlation of x (N, H, W, C) with weight (O, KH, KW, C) -> (N, HO, WO, O), HO = "
        "(H + 2 padding - dilation (KH - 1) - 1) / stride + 1. f32 or f64. Errors: other ranks, "
        "channels that differ, a stride or dilation below 1, negative padding, a window larger "
        "than the padded image.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"x", ir::kFullFloats}, {"the weight", ir::kFullFloats}},
    .schema = {{"stride", Kind::integers},
               {"padding", Kind::integers},
               {"dilation", Kind::integers}},
    .infer = infer_conv2d,
    .gradient = conv2d_gradient,
    .cost = conv2d_cost,
};

constinit const ir::Op kConv2dInputGradient = {
    .id = ir::OpId::conv2d_input_gradient,
    .name = "conv2d_input_gradient",
    .doc =
        "conv2d's gradient with respect to x, from dy (N, HO, WO, O) and the weight. `size` is "
        "x's (H, W). f32 or f64.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"dy", ir::kFullFloats}, {"the weight", ir::kFullFloats}},
    .schema = {{"stride", Kind::integers},
               {"padding", Kind::integers},
               {"dilation", Kind::integers},
               {"size", Kind::integers}},
    .infer = infer_input_gradient,
    .gradient = input_gradient_gradient,
    .cost = input_gradient_cost,
};

constinit const ir::Op kConv2dWeightGradient = {
    .id = ir::OpId::conv2d_weight_gradient,
    .name = "conv2d_weight_gradient",
    .doc =
        "conv2d's gradient with respect to the weight, from x and dy (N, HO, WO, O). `kernel` is "
        "the weight's (KH, KW). f32 or f64.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"x", ir::kFullFloats}, {"dy", ir::kFullFloats}},
    .schema = {{"stride", Kind::integers},
               {"padding", Kind::integers},
               {"dilation", Kind::integers},
               {"kernel", Kind::integers}},
    .infer = infer_weight_gradient,
    .gradient = weight_gradient_gradient,
    .cost = weight_gradient_cost,
};

}  // namespace ops

Tensor conv2d(Operand x, Operand weight, const Conv2dOptions& options) {
  const Tensor inputs[] = {ops::tensor_of("conv2d", x), ops::tensor_of("conv2d", weight)};
  return apply_one(
      ops::kConv2d, inputs,
      {{"stride", std::vector<std::int64_t>{options.stride.first, options.stride.second}},
       {"padding", std::vector<std::int64_t>{options.padding.first, options.padding.second}},
       {"dilation", std::vector<std::int64_t>{options.dilation.first, options.dilation.second}}},
      x.location());
}

}  // namespace sinter
