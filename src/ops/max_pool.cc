// The largest element of each window of an image with one to three spatial axes, and its gradients
// of any order.
#include <algorithm>
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

constexpr std::int64_t kMaxTaps = 255;

void check_pooled(const char* where, const char* name, const TensorType& type,
                  const Shape& expected) {
  if (type.shape == expected) return;
  raise({.where = where,
         .what = std::string(name) + " has another shape than the pooled images",
         .got = type.shape.to_string(),
         .expected = expected.to_string(),
         .hint = ir::layout_of_images(expected.rank() - 2)});
}

// The lengths of a call whose first input is images or, of a gradient, the pooled ones. Places in a
// window are u8.
ir::WindowSizes sizes_of(const char* where, const ir::OpCall& call) {
  const ir::WindowSizes sizes = ir::pooling_sizes(where, call.inputs[0].shape, call.attributes);
  std::int64_t taps = 1;
  for (const ir::WindowAxis& axis : sizes.window.axes) {
    taps = std::min(taps, kMaxTaps + 1) * std::min(axis.kernel, kMaxTaps + 1);
  }
  if (taps <= kMaxTaps) return sizes;
  raise({.where = where,
         .what = "the window is too large",
         .got = "kernel " + Shape(call.attributes.integers("kernel")).to_string(),
         .expected = "at most 255 elements",
         .hint = {}});
}

void check_index(const char* where, const TensorType& index, const Shape& expected) {
  check_pooled(where, "the index", index, expected);
}

std::vector<TensorType> infer_pool(const ir::OpCall& call) {
  const TensorType& x = call.inputs[0];
  const Shape y = sizes_of("max_pool", call).y();
  return {{x.dtype, y}, {Dtype::u8, y}};
}

std::vector<TensorType> infer_gradient(const ir::OpCall& call) {
  constexpr const char* kName = "max_pool_gradient";
  const TensorType& dy = call.inputs[0];
  const ir::WindowSizes sizes = sizes_of(kName, call);
  check_pooled(kName, "dy", dy, sizes.y());
  check_index(kName, call.inputs[1], sizes.y());
  return {{dy.dtype, sizes.x()}};
}

std::vector<TensorType> infer_gather(const ir::OpCall& call) {
  constexpr const char* kName = "max_pool_gather";
  const TensorType& x = call.inputs[0];
  const Shape y = sizes_of(kName, call).y();
  check_index(kName, call.inputs[1], y);
  return {{x.dtype, y}};
}

// The attributes of the window alone.
ir::Attributes window_only(const ir::Attributes& attributes) {
  return {{"kernel", attributes.integers("kernel")},
          {"stride", attributes.integers("stride")},
          {"padding", attributes.integers("padding")}};
}

// For an x of shape (N, spatial..., C).
Tensor scatter(const Tensor& dy, const Tensor& index, const Shape& x,
               const ir::Attributes& attributes) {
  const Tensor inputs[] = {dy, index};
  ir::Attributes sized = window_only(attributes);
  sized.add("size", Numbers(x.begin() + 1, x.end() - 1));
  return apply_one(kMaxPoolGradient, inputs, sized, {});
}

Gradients pool_gradient(const ir::GradientCall& call) {
  if (!call.dy[0]) return {std::nullopt};
  return {scatter(*call.dy[0], call.results[1], call.inputs[0].shape(), call.attributes)};
}

// Scattering and gathering at the same positions are each other's transposes.
Gradients gradient_gradient(const ir::GradientCall& call) {
  const Tensor inputs[] = {*call.dy[0], call.inputs[1]};
  return {apply_one(kMaxPoolGather, inputs, window_only(call.attributes), {}), std::nullopt};
}

Gradients gather_gradient(const ir::GradientCall& call) {
  return {scatter(*call.dy[0], call.inputs[1], call.inputs[0].shape(), call.attributes),
          std::nullopt};
}

// A comparison for each element of each window.
ir::Cost pool_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  const auto taps = static_cast<double>(sizes_of("max_pool", call).window.taps());
  return kernel_cost(call, results, results[0].dtype,
                     taps * static_cast<double>(results[0].elements()));
}

ir::Cost gradient_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return kernel_cost(call, results, call.inputs[0].dtype,
                     static_cast<double>(call.inputs[0].elements()));
}

}  // namespace

constinit const ir::Op kMaxPool = {
    .id = ir::OpId::max_pool,
    .name = "max_pool",
    .doc =
        "The largest element of each window of x (N, spatial..., C), one to three spatial axes, "
        "and its position in the window (row-major, u8): the first of equal ones, the first NaN "
        "before all; padding never wins. Floating types. Errors: another rank, more padding than "
        "half "
        "the kernel, a window larger than the padded image or of more than 255 elements.",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kFloats}},
    .schema = {{"kernel", Kind::integers}, {"stride", Kind::integers}, {"padding", Kind::integers}},
    .infer = infer_pool,
    .gradient = pool_gradient,
    .cost = pool_cost,
    .axes = ir::AxisRule::image,
};

constinit const ir::Op kMaxPoolGradient = {
    .id = ir::OpId::max_pool_gradient,
    .name = "max_pool_gradient",
    .doc =
        "dy summed to where each window's maximum was, in ascending order of the windows. dy (N, "
        "windows..., C), floating, the index u8 -> (N, spatial..., C).",
    .kind = ir::OpKind::opaque,
    .inputs = {{"dy", ir::kFloats}, {"the index", {Dtype::u8}}},
    .schema = {{"kernel", Kind::integers},
               {"stride", Kind::integers},
               {"padding", Kind::integers},
               {"size", Kind::integers}},
    .infer = infer_gradient,
    .gradient = gradient_gradient,
    .cost = gradient_cost,
};

constinit const ir::Op kMaxPoolGather = {
    .id = ir::OpId::max_pool_gather,
    .name = "max_pool_gather",
    .doc =
        "x (N, spatial..., C) at each window's recorded position. Floating, the index (N, "
        "windows..., C) u8 -> (N, windows..., C).",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kFloats}, {"the index", {Dtype::u8}}},
    .schema = {{"kernel", Kind::integers}, {"stride", Kind::integers}, {"padding", Kind::integers}},
    .infer = infer_gather,
    .gradient = gather_gradient,
    .cost = move_cost,
};

namespace {

Tensor pooled(const char* where, const Tensor& x, const PoolOptions& options,
              SourceLocation location) {
  const ir::Attributes attributes = located(location, [&] {
    const int rank = ir::rank_of_images(where, x.shape());
    return ir::pooling_attributes(pooling_window(where, options, rank));
  });
  return apply_one(kMaxPool, {&x, 1}, attributes, location);
}

}  // namespace

}  // namespace ops

Tensor max_pool(Operand x, const PoolOptions& options) {
  return ops::pooled("max_pool", ops::tensor_of("max_pool", x), options, x.location());
}

Tensor max_pool2d(Operand x, const PoolOptions& options) {
  const Tensor image = ops::tensor_of("max_pool2d", x);
  located(x.location(), [&] { ops::check_is_nhwc("max_pool2d", image); });
  return ops::pooled("max_pool2d", image, options, x.location());
}

}  // namespace sinter
