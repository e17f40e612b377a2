// The largest element of each window of an image, and its gradients of any order.
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

// The windows' number along both axes of an (H, W) image, after checking the attributes.
Shape pooled(const char* where, const ir::OpCall& call, const Shape& images, std::int64_t height,
             std::int64_t width) {
  const Numbers& kernel = integers_of(call, where, "kernel", 2);
  const Numbers& stride = integers_of(call, where, "stride", 2);
  const Numbers& padding = integers_of(call, where, "padding", 2);
  const Numbers size = {height, width};
  Numbers windows;
  for (std::size_t i = 0; i < 2; ++i) {
    const bool in_range = kernel[i] >= 1 && kernel[i] <= 255 && stride[i] >= 1 && padding[i] >= 0;
    if (!in_range || kernel[0] * kernel[1] > 255) {
      raise({.where = where,
             .what = "a kernel, stride or padding is out of range",
             .got = "kernel " + std::to_string(kernel[i]) + ", stride " +
                    std::to_string(stride[i]) + ", padding " + std::to_string(padding[i]),
             .expected = "kernel, stride >= 1, padding >= 0, at most 255 elements in a window",
             .hint = {}});
    }
    // With more padding than half the kernel a window could lie in it entirely.
    if (2 * padding[i] > kernel[i]) {
      raise({.where = where,
             .what = "more padding than half the kernel",
             .got = "padding " + std::to_string(padding[i]) + " for kernel " +
                    std::to_string(kernel[i]),
             .expected = "at most " + std::to_string(kernel[i] / 2),
             .hint = {}});
    }
    if (size[i] + 2 * padding[i] < kernel[i]) {
      raise({.where = where,
             .what = "the window does not fit into the padded image",
             .got = "kernel " + std::to_string(kernel[i]) + " on length " +
                    std::to_string(size[i]) + " with padding " + std::to_string(padding[i]),
             .expected = {},
             .hint = kImages});
    }
    windows.push_back((size[i] + 2 * padding[i] - kernel[i]) / stride[i] + 1);
  }
  return Shape({images[0], windows[0], windows[1], images[3]});
}

void check_images(const char* where, const char* name, const TensorType& type) {
  check_dtype(where, name, type, {Dtype::f32, Dtype::f64});
  check_rank(where, name, type, 4, "(N, H, W, C)", kImages);
}

void check_pooled(const char* where, const char* name, const TensorType& type,
                  const Shape& expected) {
  if (type.shape == expected) return;
  raise({.where = where,
         .what = std::string(name) + " has another shape than the pooled images",
         .got = type.shape.to_string(),
         .expected = expected.to_string(),
         .hint = kImages});
}

std::vector<TensorType> infer_pool(const ir::OpCall& call) {
  const TensorType& x = call.inputs[0];
  check_images("max_pool2d", "x", x);
  const Shape shape = pooled("max_pool2d", call, x.shape, x.shape[1], x.shape[2]);
  return {{x.dtype, shape}, {Dtype::u8, shape}};
}

std::vector<TensorType> infer_gradient(const ir::OpCall& call) {
  constexpr const char* kName = "max_pool2d_gradient";
  const TensorType& dy = call.inputs[0];
  check_images(kName, "dy", dy);
  check_dtype(kName, "the index", call.inputs[1], {Dtype::u8});
  const Numbers& size = integers_of(call, kName, "size", 2);
  const Shape expected = pooled(kName, call, dy.shape, size[0], size[1]);
  check_pooled(kName, "dy", dy, expected);
  check_pooled(kName, "the index", call.inputs[1], expected);
  return {{dy.dtype, Shape({dy.shape[0], size[0], size[1], dy.shape[3]})}};
}

std::vector<TensorType> infer_gather(const ir::OpCall& call) {
  constexpr const char* kName = "max_pool2d_gather";
  const TensorType& x = call.inputs[0];
  check_images(kName, "x", x);
  check_dtype(kName, "the index", call.inputs[1], {Dtype::u8});
  const Shape shape = pooled(kName, call, x.shape, x.shape[1], x.shape[2]);
  check_pooled(kName, "the index", call.inputs[1], shape);
  return {{x.dtype, shape}};
}

Tensor scatter(const Tensor& dy, const Tensor& index, const Shape& x,
               const ir::Attributes& attributes) {
  const Tensor inputs[] = {dy, index};
  return apply_one(kMaxPool2dGradient, inputs,
                   {{"kernel", attributes.integers("kernel")},
                    {"stride", attributes.integers("stride")},
                    {"padding", attributes.integers("padding")},
                    {"size", Numbers{x[1], x[2]}}},
                   {});
}

Gradients pool_gradient(const ir::GradientCall& call) {
  if (!call.dy[0]) return {std::nullopt};
  return {scatter(*call.dy[0], call.results[1], call.inputs[0].shape(), call.attributes)};
}

// Scattering and gathering at the same positions are each other's transposes.
Gradients gradient_gradient(const ir::GradientCall& call) {
  const Tensor inputs[] = {*call.dy[0], call.inputs[1]};
  return {apply_one(kMaxPool2dGather, inputs,
                    {{"kernel", call.attributes.integers("kernel")},
                     {"stride", call.attributes.integers("stride")},
                     {"padding", call.attributes.integers("padding")}},
                    {}),
          std::nullopt};
}

Gradients gather_gradient(const ir::GradientCall& call) {
  return {scatter(*call.dy[0], call.inputs[1], call.inputs[0].shape(), call.attributes),
          std::nullopt};
}

// A comparison for each element of each window.
ir::Cost pool_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const Numbers& kernel = call.attributes.integers("kernel");
  const double window = static_cast<double>(kernel[0] * kernel[1]);
  return {window * static_cast<double>(results[0].elements()), traffic(call, results)};
}

ir::Cost gradient_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return {static_cast<double>(call.inputs[0].elements()), traffic(call, results)};
}

}  // namespace

constinit const ir::Op kMaxPool2d = {
    .id = ir::OpId::max_pool2d,
    .name = "max_pool2d",
    .doc =
        "The largest element of each window of x (N, H, W, C), and its position in the window "
        "(row-major, u8): the first of equal ones, the first NaN before all; padding never wins. "
        "f32 or f64. Errors: another rank, more padding than half the kernel, a window larger "
        "than the padded image or of more than 255 elements.",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kFullFloats}},
    .schema = {{"kernel", Kind::integers}, {"stride", Kind::integers}, {"padding", Kind::integers}},
    .infer = infer_pool,
    .gradient = pool_gradient,
    .cost = pool_cost,
};

constinit const ir::Op kMaxPool2dGradient = {
    .id = ir::OpId::max_pool2d_gradient,
    .name = "max_pool2d_gradient",
    .doc =
        "dy summed to where each window's maximum was, in ascending order of the windows. dy (N, "
        "HO, WO, C) f32 or f64, the index u8 -> (N, H, W, C).",
    .kind = ir::OpKind::opaque,
    .inputs = {{"dy", ir::kFullFloats}, {"the index", {Dtype::u8}}},
    .schema = {{"kernel", Kind::integers},
               {"stride", Kind::integers},
               {"padding", Kind::integers},
               {"size", Kind::integers}},
    .infer = infer_gradient,
    .gradient = gradient_gradient,
    .cost = gradient_cost,
};

constinit const ir::Op kMaxPool2dGather = {
    .id = ir::OpId::max_pool2d_gather,
    .name = "max_pool2d_gather",
    .doc =
        "x (N, H, W, C) at each window's recorded position. f32 or f64, the index (N, HO, WO, C) "
        "u8 -> (N, HO, WO, C).",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kFullFloats}, {"the index", {Dtype::u8}}},
    .schema = {{"kernel", Kind::integers}, {"stride", Kind::integers}, {"padding", Kind::integers}},
    .infer = infer_gather,
    .gradient = gather_gradient,
    .cost = move_cost,
};

}  // namespace ops

Tensor max_pool2d(Operand x, const Pool2dOptions& options) {
  const Tensor tensor = ops::tensor_of("max_pool2d", x);
  return apply_one(
      ops::kMaxPool2d, {&tensor, 1},
      {{"kernel", std::vector<std::int64_t>{options.kernel.first, options.kernel.second}},
       {"stride", std::vector<std::int64_t>{options.stride.first, options.stride.second}},
       {"padding", std::vector<std::int64_t>{options.padding.first, options.padding.second}}},
      x.location());
}

}  // namespace sinter
