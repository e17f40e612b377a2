#include "ops/window_options.h"

#include <string>

#include "ops/check.h"
#include "sinter/error.h"

namespace sinter::ops {

namespace {

// Sets a member of all axes that are in use.
void set(ir::Window& window, std::int64_t ir::WindowAxis::*member, const Numbers& numbers) {
  for (int i = 0; i < window.rank; ++i) {
    window.axis(i).*member = numbers[static_cast<std::size_t>(i)];
  }
}

void set_padding(const char* where, const Numbers& given, ir::Window& window) {
  const auto rank = static_cast<std::size_t>(window.rank);
  if (given.size() == 2 * rank) {
    const auto high = given.begin() + window.rank;
    set(window, &ir::WindowAxis::low, Numbers(given.begin(), high));
    set(window, &ir::WindowAxis::high, Numbers(high, given.end()));
  } else {
    const Numbers both = for_each_axis(where, "padding", given, window.rank);
    set(window, &ir::WindowAxis::low, both);
    set(window, &ir::WindowAxis::high, both);
  }
}

}  // namespace

Numbers for_each_axis(const char* where, const char* what, const Numbers& given, int rank) {
  const auto axes = static_cast<std::size_t>(rank);
  if (given.size() == axes) return given;
  if (given.size() == 1) return Numbers(axes, given.front());
  raise({.where = where,
         .what = std::string(what) + " is given for another number of axes",
         .got = std::to_string(given.size()) + " numbers",
         .expected = "1 or " + std::to_string(rank),
         .hint = ir::layout_of_images(rank)});
}

ir::Window convolution_window(const char* where, const ConvOptions& options, int rank) {
  ir::Window window{.rank = rank, .groups = options.groups};
  set(window, &ir::WindowAxis::stride, for_each_axis(where, "stride", options.stride, rank));
  set_padding(where, options.padding, window);
  set(window, &ir::WindowAxis::dilation, for_each_axis(where, "dilation", options.dilation, rank));
  return window;
}

ir::Window pooling_window(const char* where, const PoolOptions& options, int rank) {
  ir::Window window{.rank = rank};
  const Numbers kernel = for_each_axis(where, "kernel", options.kernel, rank);
  const Numbers& stride = options.stride.empty() ? kernel : options.stride;
  set(window, &ir::WindowAxis::kernel, kernel);
  set(window, &ir::WindowAxis::stride, for_each_axis(where, "stride", stride, rank));
  set_padding(where, options.padding, window);
  return window;
}

void check_is_nhwc(const char* where, const Tensor& x) {
  check_rank(where, "x", {x.dtype(), x.shape()}, 4, "(N, H, W, C)", ir::layout_of_images(2));
}

}  // namespace sinter::ops
