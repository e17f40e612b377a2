// The mean of each window of an image, of sums along one axis after the other.
#include <algorithm>

#include "ops/check.h"
#include "ops/operand.h"
#include "ops/window_options.h"
#include "sinter/ops.h"

namespace sinter {

namespace {

using ops::Numbers;

// The sums of the windows along one axis of x. Windows that touch are a sum over a part of the
// axis; others are a sum of views, each with one element of every window.
Tensor window_sums(const Tensor& x, int axis, const ir::WindowAxis& window) {
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

bool is_padded(const ir::Window& window) {
  return std::any_of(window.axes.begin(), window.axes.end(),
                     [](const ir::WindowAxis& axis) { return axis.low > 0 || axis.high > 0; });
}

// Sums of the windows along the axes from 1 on, x padded by zeros.
Tensor all_window_sums(const Tensor& x, const ir::Window& window) {
  Numbers low(static_cast<std::size_t>(x.rank())), high = low;
  for (int i = 0; i < window.rank; ++i) {
    low[static_cast<std::size_t>(i) + 1] = window.axis(i).low;
    high[static_cast<std::size_t>(i) + 1] = window.axis(i).high;
  }
  Tensor total = is_padded(window) ? pad(x, low, high) : x;
  for (int i = window.rank; i-- > 0;) total = window_sums(total, i + 1, window.axis(i));
  return total;
}

Tensor means(const char* where, const Tensor& x, const AvgPoolOptions& options) {
  ops::check_dtype(where, "x", {x.dtype(), x.shape()}, ir::kFullFloats);
  const int rank = ir::rank_of_images(where, x.shape());
  const ir::Window window =
      ops::pooling_window(where, {options.kernel, options.stride, options.padding}, rank);
  ir::pooling_sizes(where, x.shape(), ir::pooling_attributes(window));
  const Tensor sums = all_window_sums(x, window);
  if (options.count_include_pad || !is_padded(window)) {
    return sums / static_cast<double>(window.taps());
  }
  Shape image = x.shape();
  image.set(0, 1);
  image.set(-1, 1);
  return sums / all_window_sums(ones(image, x.dtype()), window);
}

}  // namespace

Tensor avg_pool(Operand x, const AvgPoolOptions& options) {
  return means("avg_pool", ops::tensor_of("avg_pool", x), options);
}

Tensor avg_pool2d(Operand x, const AvgPoolOptions& options) {
  const Tensor image = ops::tensor_of("avg_pool2d", x);
  ops::check_is_nhwc("avg_pool2d", image);
  return means("avg_pool2d", image, options);
}

}  // namespace sinter
