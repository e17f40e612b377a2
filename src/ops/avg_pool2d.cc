// The mean of each window of an image, of sums along one axis after the other.
#include <string>

#include "ops/check.h"
#include "ops/operand.h"
#include "sinter/ops.h"

namespace sinter {

namespace {

using Numbers = std::vector<std::int64_t>;

struct Window {
  std::int64_t kernel;
  std::int64_t stride;
  std::int64_t padding;
};

void check_window(const Window& window, std::int64_t length) {
  const std::string got = "kernel " + std::to_string(window.kernel) + ", stride " +
                          std::to_string(window.stride) + ", padding " +
                          std::to_string(window.padding) + " on length " + std::to_string(length);
  const bool in_range = window.kernel >= 1 && window.stride >= 1 && window.padding >= 0;
  if (!in_range || 2 * window.padding > window.kernel) {
    raise({.where = "avg_pool2d",
           .what = "a kernel, stride or padding is out of range",
           .got = got,
           .expected = "kernel, stride >= 1, 0 <= padding <= kernel / 2",
           .hint = {}});
  }
  if (length + 2 * window.padding < window.kernel) {
    raise({.where = "avg_pool2d",
           .what = "the window does not fit into the padded image",
           .got = got,
           .expected = {},
           .hint = "images are NHWC: (batch, height, width, channels)"});
  }
}

// The sums of the windows along one axis of x. Windows that touch are a sum over a part of the
// axis; others are a sum of views, each with one element of every window.
Tensor window_sums(const Tensor& x, int axis, const Window& window) {
  const std::int64_t count = (x.shape()[axis] - window.kernel) / window.stride + 1;
  if (window.kernel == window.stride) {
    const Tensor whole = slice(x, axis, 0, count * window.kernel);
    Numbers lengths = whole.shape().to_vector();
    lengths[static_cast<std::size_t>(axis)] = count;
    lengths.insert(lengths.begin() + axis + 1, window.kernel);
    return sum(reshape(whole, Shape(lengths)), {axis + 1});
  }
  const std::int64_t reach = (count - 1) * window.stride + 1;
  Tensor total = slice(x, axis, 0, reach, window.stride);
  for (std::int64_t i = 1; i < window.kernel; ++i) {
    total = total + slice(x, axis, i, i + reach, window.stride);
  }
  return total;
}

// Sums of the windows along the axes from 1 on, x padded by zeros.
Tensor all_window_sums(const Tensor& x, const std::vector<Window>& windows) {
  Numbers widths(static_cast<std::size_t>(x.rank()));
  bool is_padded = false;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    widths[i + 1] = windows[i].padding;
    is_padded = is_padded || windows[i].padding > 0;
  }
  Tensor total = is_padded ? pad(x, widths, widths) : x;
  for (std::size_t i = windows.size(); i-- > 0;) {
    total = window_sums(total, static_cast<int>(i) + 1, windows[i]);
  }
  return total;
}

}  // namespace

Tensor avg_pool2d(Operand x, const AvgPool2dOptions& options) {
  const Tensor tensor = ops::tensor_of("avg_pool2d", x);
  const ir::TensorType type{tensor.dtype(), tensor.shape()};
  ops::check_dtype("avg_pool2d", "x", type, ir::kFullFloats);
  ops::check_rank("avg_pool2d", "x", type, 4, "(N, H, W, C)",
                  "images are NHWC: (batch, height, width, channels)");
  const std::vector<Window> windows = {
      {options.kernel.first, options.stride.first, options.padding.first},
      {options.kernel.second, options.stride.second, options.padding.second}};
  double elements = 1;
  bool is_padded = false;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    check_window(windows[i], tensor.shape()[static_cast<int>(i) + 1]);
    elements *= static_cast<double>(windows[i].kernel);
    is_padded = is_padded || windows[i].padding > 0;
  }
  const Tensor sums = all_window_sums(tensor, windows);
  if (options.count_include_pad || !is_padded) return sums / elements;
  Shape image = tensor.shape();
  image.set(0, 1);
  image.set(3, 1);
  const Tensor counts = all_window_sums(ones(image, tensor.dtype()), windows);
  return sums / counts;
}

}  // namespace sinter
