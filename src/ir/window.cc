#include "ir/window.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::ir {

namespace {

using Numbers = std::vector<std::int64_t>;

// Bounds that keep sums of lengths from overflowing; shapes have at most 2^47 elements.
constexpr std::int64_t kLongest = std::int64_t{1} << 31;
constexpr std::int64_t kLongestImage = std::int64_t{1} << 47;

const Numbers& numbers_of(const char* where, const Attributes& attributes, const char* name,
                          int count, int other_count) {
  const Numbers& numbers = attributes.integers(name);
  const auto size = static_cast<int>(numbers.size());
  if (size == count || size == other_count) return numbers;
  throw InternalError(std::string(where) + ": attribute " + name + " holds " +
                      std::to_string(size) + " numbers instead of " + std::to_string(count));
}

// "stride 1, padding 0, dilation 1", "stride 1, padding 0 and 1, dilation 1".
std::string to_text(const WindowAxis& axis) {
  std::string text =
      "stride " + std::to_string(axis.stride) + ", padding " + std::to_string(axis.low);
  if (axis.high != axis.low) text += " and " + std::to_string(axis.high);
  return text + ", dilation " + std::to_string(axis.dilation);
}
std::string with_kernel(const WindowAxis& axis) {
  return "kernel " + std::to_string(axis.kernel) + ", " + to_text(axis);
}

template <std::int64_t WindowAxis::*member>
Numbers each(const Window& window) {
  Numbers numbers;
  for (int i = 0; i < window.rank; ++i) numbers.push_back(window.axis(i).*member);
  return numbers;
}

Numbers padding_of(const Window& window) {
  Numbers padding = each<&WindowAxis::low>(window);
  const Numbers high = each<&WindowAxis::high>(window);
  if (high != padding) padding.insert(padding.end(), high.begin(), high.end());
  return padding;
}

void check_range(const char* where, const Window& window) {
  for (const WindowAxis& axis : window.axes) {
    if (axis.stride >= 1 && axis.low >= 0 && axis.high >= 0 && axis.dilation >= 1) continue;
    raise({.where = where,
           .what = "a stride, padding or dilation is out of range",
           .got = to_text(axis),
           .expected = "stride and dilation >= 1, padding >= 0",
           .hint = {}});
  }
  if (window.groups >= 1) return;
  raise({.where = where,
         .what = "the number of groups is out of range",
         .got = std::to_string(window.groups),
         .expected = "at least 1",
         .hint = {}});
}

void set_lengths(Lengths& lengths, int rank, const std::int64_t* from) {
  for (int i = 0; i < rank; ++i) {
    lengths[static_cast<std::size_t>(kMaxWindowRank - rank + i)] = from[i];
  }
}

void set_kernel(Window& window, const std::int64_t* from) {
  for (int i = 0; i < window.rank; ++i) window.axis(i).kernel = from[i];
}

// An attribute with a length for each spatial axis.
Lengths size_attribute(const char* where, const Attributes& attributes, int rank) {
  Lengths lengths = {1, 1, 1};
  set_lengths(lengths, rank, numbers_of(where, attributes, "size", rank, rank).data());
  return lengths;
}

// Sets how many windows there are along each axis.
void count_windows(const char* where, WindowSizes& sizes) {
  for (std::size_t i = 0; i < kMaxWindowRank; ++i) {
    const WindowAxis& axis = sizes.window.axes[i];
    const std::int64_t image = sizes.image[i];
    const bool in_range = axis.kernel >= 1 && axis.kernel < kLongest && axis.low < kLongest &&
                          axis.high < kLongest && axis.dilation < kLongest &&
                          image <= kLongestImage;
    const std::int64_t reach =
        in_range ? image + axis.low + axis.high - axis.dilation * (axis.kernel - 1) - 1 : -1;
    if (reach < 0) {
      raise({.where = where,
             .what = "the kernel does not fit into the padded image",
             .got = with_kernel(axis) + " on length " + std::to_string(image),
             .expected = {},
             .hint = layout_of_images(sizes.window.rank)});
    }
    sizes.windows[i] = reach / axis.stride + 1;
  }
}

void check_weight_rank(const char* where, int rank, const Shape& w) {
  if (w.rank() == rank + 2) return;
  raise({.where = where,
         .what = "the weight has the wrong number of axes",
         .got = w.to_string(),
         .expected = std::to_string(rank + 2) + " axes (O, kernel..., C / groups)",
         .hint = "weights are channels last: (output channels, height, width, input channels) for "
                 "images (OHWI)"});
}

// Channels of the image, from what lies along the last axis of the weight.
std::int64_t channels_of(const char* where, std::int64_t groups, const Shape& w) {
  const std::int64_t of_group = w.dim(-1);
  if (groups < kLongest && of_group < kLongest) return groups * of_group;
  raise({.where = where,
         .what = "too many channels",
         .got = std::to_string(groups) + " groups of " + std::to_string(of_group),
         .expected = "less than 2^31 each",
         .hint = {}});
}

void check_groups(const char* where, const WindowSizes& sizes) {
  const std::int64_t groups = sizes.window.groups;
  if (sizes.c % groups == 0 && sizes.o % groups == 0) return;
  raise({.where = where,
         .what = "the channels do not divide into groups",
         .got = std::to_string(sizes.c) + " input and " + std::to_string(sizes.o) +
                " output channels, " + std::to_string(groups) + " groups",
         .expected = {},
         .hint = {}});
}

// Throws unless dy has the shape that the convolution of x with w gives.
void check_dy(const char* where, const Shape& dy, const WindowSizes& sizes) {
  const Shape y = sizes.y();
  if (dy == y) return;
  raise({.where = where,
         .what = "dy has another shape than the convolution's result",
         .got = dy.to_string(),
         .expected = y.to_string(),
         .hint = layout_of_images(sizes.window.rank)});
}

// Throws unless x has the channels that the weight takes.
void check_channels(const char* where, const Shape& x, const Shape& w, std::int64_t channels) {
  if (x.dim(-1) == channels) return;
  raise({.where = where,
         .what = "x and the weight differ in their channels",
         .got = "x " + x.to_string() + " and weight " + w.to_string(),
         .expected = std::to_string(channels) + " channels in x",
         .hint = layout_of_images(x.rank() - 2)});
}

WindowSizes forward_sizes(const char* where, WindowSizes sizes, const Shape& x, const Shape& w) {
  const int rank = sizes.window.rank;
  check_weight_rank(where, rank, w);
  set_lengths(sizes.image, rank, x.begin() + 1);
  set_kernel(sizes.window, w.begin() + 1);
  sizes.c = x.dim(-1);
  sizes.o = w[0];
  check_channels(where, x, w, channels_of(where, sizes.window.groups, w));
  count_windows(where, sizes);
  return sizes;
}

WindowSizes input_gradient_sizes(const char* where, WindowSizes sizes, const Shape& dy,
                                 const Shape& w, const Attributes& attributes) {
  const int rank = sizes.window.rank;
  check_weight_rank(where, rank, w);
  sizes.image = size_attribute(where, attributes, rank);
  set_kernel(sizes.window, w.begin() + 1);
  sizes.c = channels_of(where, sizes.window.groups, w);
  sizes.o = w[0];
  count_windows(where, sizes);
  check_dy(where, dy, sizes);
  return sizes;
}

WindowSizes weight_gradient_sizes(const char* where, WindowSizes sizes, const Shape& x,
                                  const Shape& dy, const Attributes& attributes) {
  const int rank = sizes.window.rank;
  set_lengths(sizes.image, rank, x.begin() + 1);
  set_kernel(sizes.window, numbers_of(where, attributes, "kernel", rank, rank).data());
  sizes.c = x.dim(-1);
  sizes.o = dy.rank() > 0 ? dy.dim(-1) : 0;
  count_windows(where, sizes);
  check_dy(where, dy, sizes);
  return sizes;
}

Shape shape_of(int rank, std::int64_t first, const Lengths& lengths, std::int64_t last) {
  Numbers shape{first};
  shape.insert(shape.end(), lengths.end() - rank, lengths.end());
  shape.push_back(last);
  return Shape(shape);
}

}  // namespace

int rank_of_images(const char* where, const Shape& images) {
  const int rank = images.rank() - 2;
  if (rank >= 1 && rank <= kMaxWindowRank) return rank;
  raise({.where = where,
         .what = "the images have the wrong number of axes",
         .got = images.to_string(),
         .expected = "3 to 5 axes (N, spatial..., C)",
         .hint = layout_of_images(rank)});
}

Attributes pooling_attributes(const Window& window) {
  return {{"kernel", each<&WindowAxis::kernel>(window)},
          {"stride", each<&WindowAxis::stride>(window)},
          {"padding", padding_of(window)}};
}

Attributes convolution_attributes(const Window& window) {
  Attributes attributes{{"stride", each<&WindowAxis::stride>(window)},
                        {"padding", padding_of(window)},
                        {"dilation", each<&WindowAxis::dilation>(window)}};
  if (window.groups != 1) attributes.add("groups", window.groups);
  return attributes;
}

Window window_of(const char* where, const Attributes& attributes, int rank) {
  const Numbers& stride = numbers_of(where, attributes, "stride", rank, rank);
  const Numbers& padding = numbers_of(where, attributes, "padding", rank, 2 * rank);
  Window window{.rank = rank};
  for (int i = 0; i < rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    window.axis(i).stride = stride[at];
    window.axis(i).low = padding[at];
    window.axis(i).high = padding[padding.size() - stride.size() + at];
  }
  if (attributes.has("dilation")) {
    const Numbers& dilation = numbers_of(where, attributes, "dilation", rank, rank);
    for (int i = 0; i < rank; ++i) {
      window.axis(i).dilation = dilation[static_cast<std::size_t>(i)];
    }
  }
  if (attributes.has("groups")) window.groups = attributes.integer("groups");
  check_range(where, window);
  return window;
}

Shape WindowSizes::x() const { return shape_of(window.rank, n, image, c); }

Shape WindowSizes::w() const {
  const Lengths kernel{window.axes[0].kernel, window.axes[1].kernel, window.axes[2].kernel};
  return shape_of(window.rank, o, kernel, c_of_group());
}

Shape WindowSizes::y() const { return shape_of(window.rank, n, windows, o); }

WindowSizes convolution_sizes(OpId op, const Shape& first, const Shape& second,
                              const Attributes& attributes) {
  const char* const where = convolution_name(op);
  const int rank = rank_of_images(where, first);
  WindowSizes sizes{.window = window_of(where, attributes, rank), .n = first[0]};
  if (op == OpId::conv_input_gradient) {
    sizes = input_gradient_sizes(where, sizes, first, second, attributes);
  } else if (op == OpId::conv_weight_gradient) {
    sizes = weight_gradient_sizes(where, sizes, first, second, attributes);
  } else {
    sizes = forward_sizes(where, sizes, first, second);
  }
  check_groups(where, sizes);
  return sizes;
}

WindowSizes pooling_sizes(const char* where, const Shape& first, const Attributes& attributes) {
  const int rank = rank_of_images(where, first);
  WindowSizes sizes{
      .window = window_of(where, attributes, rank), .n = first[0], .c = first.dim(-1)};
  sizes.o = sizes.c;
  set_kernel(sizes.window, numbers_of(where, attributes, "kernel", rank, rank).data());
  if (attributes.has("size")) {
    sizes.image = size_attribute(where, attributes, rank);
  } else {
    set_lengths(sizes.image, rank, first.begin() + 1);
  }
  for (const WindowAxis& axis : sizes.window.axes) {
    if (std::max(axis.low, axis.high) <= axis.kernel / 2) continue;
    raise({.where = where,
           .what = "more padding than half the kernel",
           .got = with_kernel(axis),
           .expected = "at most " + std::to_string(axis.kernel / 2),
           .hint = {}});
  }
  count_windows(where, sizes);
  return sizes;
}

std::vector<std::int64_t> transposed_image(const char* where, const Window& window, const Shape& y,
                                           const Shape& w,
                                           const std::vector<std::int64_t>& output_padding) {
  check_weight_rank(where, window.rank, w);
  check_channels(where, y, w, w[0]);
  Numbers image;
  for (int i = 0; i < window.rank; ++i) {
    WindowAxis axis = window.axis(i);
    axis.kernel = w[i + 1];
    const std::int64_t windows = y[i + 1], more = output_padding[static_cast<std::size_t>(i)];
    const bool in_range = windows >= 1 && windows < kLongest && axis.stride < kLongest &&
                          axis.kernel < kLongest && axis.dilation < kLongest &&
                          axis.low < kLongest && axis.high < kLongest && more >= 0 &&
                          more < axis.stride;
    const std::int64_t length = in_range ? (windows - 1) * axis.stride - axis.low - axis.high +
                                               axis.dilation * (axis.kernel - 1) + 1 + more
                                         : 0;
    if (length < 1) {
      raise({.where = where,
             .what = "no image has these windows",
             .got = std::to_string(windows) + " windows, " + with_kernel(axis) +
                    ", output padding " + std::to_string(more),
             .expected = "an image of at least one pixel, 0 <= output padding < stride",
             .hint = {}});
    }
    image.push_back(length);
  }
  return image;
}

const char* layout_of_images(int rank) {
  switch (rank) {
    case 1:
      return "images are NLC: (batch, length, channels)";
    case 2:
      return "images are NHWC: (batch, height, width, channels)";
    case 3:
      return "images are NDHWC: (batch, depth, height, width, channels)";
    default:
      return "images are channels last: (batch, one to three spatial axes, channels)";
  }
}

}  // namespace sinter::ir
