// Convolutions of images with one to three spatial axes. All three ops are bilinear and each one's
// gradients are the other two, so derivatives of any order are made of them.
#include <string>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "ops/window_options.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

using Gradients = std::vector<std::optional<Tensor>>;

using ir::OpId;

template <OpId op>
ir::WindowSizes sizes_of(const ir::OpCall& call) {
  return ir::convolution_sizes(op, call.inputs[0].shape, call.inputs[1].shape, call.attributes);
}

template <OpId op>
std::vector<TensorType> infer(const ir::OpCall& call) {
  const char* const where = ir::convolution_name(op);
  check_same_dtype(where, call.inputs);
  const ir::WindowSizes sizes = sizes_of<op>(call);
  const Shape shape = op == OpId::conv                  ? sizes.y()
                      : op == OpId::conv_input_gradient ? sizes.x()
                                                        : sizes.w();
  return {{contraction_dtype(where, call), shape}};
}

// A product for each element of y and of the window, taps in the padding counted too.
template <OpId op>
ir::Cost cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const ir::WindowSizes sizes = sizes_of<op>(call);
  const double products = static_cast<double>(sizes.n * sizes.positions()) *
                          static_cast<double>(sizes.o * sizes.window.taps() * sizes.c_of_group());
  return contraction_cost(call, results, products);
}

// The attributes of the window alone.
ir::Attributes window_only(const ir::Attributes& attributes) {
  ir::Attributes window;
  for (const auto& [name, value] : attributes.entries()) {
    if (name != "size" && name != "kernel" && name != "dtype") window.add(name, value);
  }
  return window;
}

// The lengths of a shape between its first and its last axis.
Numbers inner_lengths(const Shape& shape) { return {shape.begin() + 1, shape.end() - 1}; }

Tensor convolve(const Tensor& x, const Tensor& w, const ir::Attributes& attributes) {
  const Tensor inputs[] = {x, w};
  return apply_one(kConv, inputs, window_only(attributes), {});
}

// For an x of shape (N, spatial..., C).
Tensor input_gradient(const Tensor& dy, const Tensor& w, const Shape& x,
                      const ir::Attributes& attributes) {
  const Tensor inputs[] = {dy, w};
  ir::Attributes sized = window_only(attributes);
  sized.add("size", inner_lengths(x));
  return apply_one(kConvInputGradient, inputs, sized, {});
}

// For a w of shape (O, kernel..., C / groups).
Tensor weight_gradient(const Tensor& x, const Tensor& dy, const Shape& w,
                       const ir::Attributes& attributes) {
  const Tensor inputs[] = {x, dy};
  ir::Attributes sized = window_only(attributes);
  sized.add("kernel", inner_lengths(w));
  return apply_one(kConvWeightGradient, inputs, sized, {});
}

Gradients conv_gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor& w = call.inputs[1];
  const Tensor dy = cast(*call.dy[0], call.inputs[0].dtype());
  Gradients gradients(2);
  if (is_needed(call, 0)) gradients[0] = input_gradient(dy, w, x.shape(), call.attributes);
  if (is_needed(call, 1)) gradients[1] = weight_gradient(x, dy, w.shape(), call.attributes);
  return gradients;
}

// <g, input_gradient(dy, w)> = <conv(g, w), dy> = <weight_gradient(g, dy), w>.
Gradients input_gradient_gradient(const ir::GradientCall& call) {
  const Tensor& dy = call.inputs[0];
  const Tensor& w = call.inputs[1];
  const Tensor g = cast(*call.dy[0], call.inputs[0].dtype());
  Gradients gradients(2);
  if (is_needed(call, 0)) gradients[0] = convolve(g, w, call.attributes);
  if (is_needed(call, 1)) gradients[1] = weight_gradient(g, dy, w.shape(), call.attributes);
  return gradients;
}

// <g, weight_gradient(x, dy)> = <input_gradient(dy, g), x> = <conv(x, g), dy>.
Gradients weight_gradient_gradient(const ir::GradientCall& call) {
  const Tensor& x = call.inputs[0];
  const Tensor& dy = call.inputs[1];
  const Tensor g = cast(*call.dy[0], call.inputs[0].dtype());
  Gradients gradients(2);
  if (is_needed(call, 0)) gradients[0] = input_gradient(dy, g, x.shape(), call.attributes);
  if (is_needed(call, 1)) gradients[1] = convolve(x, g, call.attributes);
  return gradients;
}

}  // namespace

constinit const ir::Op kConv = {
    .id = OpId::conv,
    .name = ir::convolution_name(OpId::conv),
    .doc =
        "Cross-correlation of x (N, spatial..., C), one to three spatial axes, with weight (O, "
        "kernel..., C / groups) -> (N, windows..., O), windows = (length + padding before and "
        "behind - dilation (kernel - 1) - 1) / stride + 1. Floating, bf16 and f16 added up in f32. "
        "Errors: other ranks, "
        "channels that differ or do not divide into the groups, a stride or dilation below 1, "
        "negative padding, a window larger than the padded image.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"x", ir::kFloats}, {"the weight", ir::kFloats}},
    .schema = {{"stride", Kind::integers},
               {"padding", Kind::integers},
               {"dilation", Kind::integers},
               {"groups", Kind::integer, 1},
               {"dtype", Kind::integer, kAsInputs}},
    .infer = infer<OpId::conv>,
    .gradient = conv_gradient,
    .cost = cost<OpId::conv>,
    .axes = ir::AxisRule::image,
};

constinit const ir::Op kConvInputGradient = {
    .id = OpId::conv_input_gradient,
    .name = ir::convolution_name(OpId::conv_input_gradient),
    .doc =
        "conv's gradient with respect to x, from dy (N, windows..., O) and the weight; by itself a "
        "transposed convolution. `size` has the lengths of x's spatial axes. Types as conv.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"dy", ir::kFloats}, {"the weight", ir::kFloats}},
    .schema = {{"stride", Kind::integers},
               {"padding", Kind::integers},
               {"dilation", Kind::integers},
               {"groups", Kind::integer, 1},
               {"size", Kind::integers},
               {"dtype", Kind::integer, kAsInputs}},
    .infer = infer<OpId::conv_input_gradient>,
    .gradient = input_gradient_gradient,
    .cost = cost<OpId::conv_input_gradient>,
    .axes = ir::AxisRule::image,
};

constinit const ir::Op kConvWeightGradient = {
    .id = OpId::conv_weight_gradient,
    .name = ir::convolution_name(OpId::conv_weight_gradient),
    .doc =
        "conv's gradient with respect to the weight, from x and dy (N, windows..., O). `kernel` "
        "has the lengths of the weight's inner axes. Types as conv.",
    .kind = ir::OpKind::contraction,
    .precision = ir::Precision::low,
    .inputs = {{"x", ir::kFloats}, {"dy", ir::kFloats}},
    .schema = {{"stride", Kind::integers},
               {"padding", Kind::integers},
               {"dilation", Kind::integers},
               {"groups", Kind::integer, 1},
               {"kernel", Kind::integers},
               {"dtype", Kind::integer, kAsInputs}},
    .infer = infer<OpId::conv_weight_gradient>,
    .gradient = weight_gradient_gradient,
    .cost = cost<OpId::conv_weight_gradient>,
};

namespace {

Tensor convolution(const char* where, const Tensor& x, const Tensor& w, const ConvOptions& options,
                   SourceLocation location) {
  const Tensor inputs[] = {x, w};
  const ir::Attributes attributes = located(location, [&] {
    const int rank = ir::rank_of_images(where, x.shape());
    return ir::convolution_attributes(convolution_window(where, options, rank));
  });
  return apply_one(kConv, inputs, attributes, location);
}

// The attributes of the input gradient that a transposed convolution is.
ir::Attributes transposed(const char* where, const Shape& x, const Shape& w,
                          const ConvTransposeOptions& options) {
  const int rank = ir::rank_of_images(where, x);
  const ConvOptions forward{options.stride, options.padding, options.dilation, options.groups};
  ir::Attributes attributes = ir::convolution_attributes(convolution_window(where, forward, rank));
  const ir::Window window = ir::window_of(where, attributes, rank);
  const Numbers more = for_each_axis(where, "output_padding", options.output_padding, rank);
  attributes.add("size", ir::transposed_image(where, window, x, w, more));
  return attributes;
}

}  // namespace

}  // namespace ops

Tensor conv(Operand x, Operand weight, const ConvOptions& options) {
  const Tensor image = ops::tensor_of("conv", x);
  return ops::convolution("conv", image, ops::tensor_of("conv", weight), options, x.location());
}

Tensor conv2d(Operand x, Operand weight, const ConvOptions& options) {
  const Tensor image = ops::tensor_of("conv2d", x);
  located(x.location(), [&] { ops::check_is_nhwc("conv2d", image); });
  return ops::convolution("conv2d", image, ops::tensor_of("conv2d", weight), options, x.location());
}

Tensor conv_transpose(Operand x, Operand weight, const ConvTransposeOptions& options) {
  const Tensor inputs[] = {ops::tensor_of("conv_transpose", x),
                           ops::tensor_of("conv_transpose", weight)};
  const ir::Attributes attributes = located(x.location(), [&] {
    return ops::transposed("conv_transpose", inputs[0].shape(), inputs[1].shape(), options);
  });
  return apply_one(ops::kConvInputGradient, inputs, attributes, x.location());
}

}  // namespace sinter
