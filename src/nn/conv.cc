#include <cmath>

#include "sinter/nn.h"

namespace sinter::nn {

Conv2d::Conv2d(std::int64_t in, std::int64_t out, std::int64_t kernel,
               const Conv2dModuleOptions& options)
    : Conv2d(in, out, std::pair{kernel, kernel}, options) {}

Conv2d::Conv2d(std::int64_t in, std::int64_t out, std::pair<std::int64_t, std::int64_t> kernel,
               const Conv2dModuleOptions& options)
    : in_(in), out_(out), options_(options) {
  if (in < 1 || out < 1 || kernel.first < 1 || kernel.second < 1) {
    fail("Conv2d", "channels and kernel must be positive",
         std::to_string(in) + " to " + std::to_string(out) + " channels, kernel " +
             std::to_string(kernel.first) + " x " + std::to_string(kernel.second),
         "at least 1 each");
  }
  if (options.stride.first < 1 || options.stride.second < 1 || options.dilation.first < 1 ||
      options.dilation.second < 1 || options.padding.first < 0 || options.padding.second < 0) {
    fail("Conv2d", "stride and dilation must be positive, padding not negative",
         "stride " + std::to_string(options.stride.first) + " x " +
             std::to_string(options.stride.second) + ", dilation " +
             std::to_string(options.dilation.first) + " x " +
             std::to_string(options.dilation.second) + ", padding " +
             std::to_string(options.padding.first) + " x " + std::to_string(options.padding.second),
         "");
  }
  const Shape shape{out, kernel.first, kernel.second, in};
  const double bound = 1 / std::sqrt(static_cast<double>(in * kernel.first * kernel.second));
  weights_.push_back(
      add_parameter("weight", uniform_weights(shape, bound), FileLayout::conv2d_weight(shape)));
  if (options.bias) weights_.push_back(add_parameter("bias", uniform_weights({out}, bound)));
}

Tensor Conv2d::forward(const Tensor& x) const {
  if (x.rank() != 4 || x.dim(-1) != in_) {
    fail("Conv2d", "the input has the wrong shape", x.shape().to_string(),
         "(N, H, W, " + std::to_string(in_) + ")",
         "images are NHWC: (batch, height, width, channels)");
  }
  const Tensor y = conv2d(
      x, weight(),
      {.stride = options_.stride, .padding = options_.padding, .dilation = options_.dilation});
  return has_bias() ? y + bias() : y;
}

Module::Features Conv2d::follow(const Features&) const {
  return {.channels = out_, .flattened = false};
}

}  // namespace sinter::nn
