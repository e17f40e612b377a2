// Windows that slide over images: what convolutions and pooling share. Their ops, the kernels of
// all back ends and the composed functions read attributes and check lengths here and nowhere else.
//
// Images are channels last: x (N, spatial..., C) with one to three spatial axes. Whatever their
// number, a Window has three axes, of which the last ones are in use; the others are as if the
// image had one element there. So loops over three axes serve all.
#ifndef SINTER_IR_WINDOW_H_
#define SINTER_IR_WINDOW_H_

#include <array>
#include <cstdint>
#include <vector>

#include "ir/attributes.h"
#include "ir/op.h"
#include "sinter/shape.h"

namespace sinter::ir {

inline constexpr int kMaxWindowRank = 3;

struct WindowAxis {
  std::int64_t kernel = 1;  // taps
  std::int64_t stride = 1;
  std::int64_t low = 0, high = 0;  // padding before the first pixel and behind the last
  std::int64_t dilation = 1;       // pixels from one tap to the next
};

struct Window {
  int rank = 2;  // spatial axes in use
  std::array<WindowAxis, kMaxWindowRank> axes = {};
  std::int64_t groups = 1;  // parts of the channels that are convolved independently

  WindowAxis& axis(int i) { return axes[static_cast<std::size_t>(kMaxWindowRank - rank + i)]; }
  const WindowAxis& axis(int i) const {
    return axes[static_cast<std::size_t>(kMaxWindowRank - rank + i)];
  }
  std::int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
};

// How many spatial axes images have. Throws Error naming `where` unless they are one to three.
int rank_of_images(const char* where, const Shape& images);

// The attributes of a window, as ops have them: {kernel, stride, padding} of pooling and {stride,
// padding, dilation, groups} of convolutions, whose kernel is that of the weight. A list has a
// number for each axis, outermost first; padding has two for each where its sides differ, all the
// low ones first. `groups` is there where it is not 1.
Attributes pooling_attributes(const Window& window);
Attributes convolution_attributes(const Window& window);

// The window that attributes of either kind describe, but for the kernel. Throws InternalError
// where a list has the wrong length, and Error naming `where` for numbers out of range.
Window window_of(const char* where, const Attributes& attributes, int rank);

using Lengths = std::array<std::int64_t, kMaxWindowRank>;  // of a Window's axes

// The lengths of a call: x (N, image..., C), w (O, kernel..., C / groups), y (N, windows..., O).
// Pooling has no w, and C channels in y.
struct WindowSizes {
  Window window;
  std::int64_t n = 0, c = 0, o = 0;
  Lengths image = {1, 1, 1};
  Lengths windows = {1, 1, 1};

  Shape x() const;
  Shape w() const;
  Shape y() const;
  std::int64_t pixels() const { return image[0] * image[1] * image[2]; }
  std::int64_t positions() const { return windows[0] * windows[1] * windows[2]; }
  // Channels of x and y in a group.
  std::int64_t c_of_group() const { return c / window.groups; }
  std::int64_t o_of_group() const { return o / window.groups; }
};

// The name of conv or one of its gradients.
constexpr const char* convolution_name(OpId op) {
  if (op == OpId::conv) return "conv";
  return op == OpId::conv_input_gradient ? "conv_input_gradient" : "conv_weight_gradient";
}

// The lengths of conv or one of its gradients, from the shapes of its two inputs: x and w; dy and w
// (and the attribute `size`: the image's lengths); x and dy (and `kernel`). Throws Error naming the
// op for what does not fit.
WindowSizes convolution_sizes(OpId op, const Shape& first, const Shape& second,
                              const Attributes& attributes);

// The lengths of the image that a transposed convolution of y (N, windows..., O) gives: the
// shortest on which there are so many windows, and `output_padding` more at each axis' end, which
// is less than the stride (fewer than another window takes). Throws Error where there is none.
std::vector<std::int64_t> transposed_image(const char* where, const Window& window, const Shape& y,
                                           const Shape& w,
                                           const std::vector<std::int64_t>& output_padding);

// The lengths of pooling, from the shape of the first input: x or, where there is an attribute
// `size`, dy (whose lengths are for the caller to compare with y()). Throws Error for what does not
// fit, more padding than half the kernel too, with which a window could lie in it entirely.
WindowSizes pooling_sizes(const char* where, const Shape& first, const Attributes& attributes);

// How images with so many spatial axes lie, for messages: "images are NHWC: (batch, height, width,
// channels)".
const char* layout_of_images(int rank);

}  // namespace sinter::ir

#endif  // SINTER_IR_WINDOW_H_
