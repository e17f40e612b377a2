// Convolutions of images (N, spatial..., C) with weights (O, kernel..., C / groups), and both
// gradients, in f32 and f64.
//
// Each is one tiled product (device/contraction.h), or one for each group of channels, whose image
// operand is never written out: its loader turns the place (pixel, tap and channel) into an address
// while a tile is fetched. For a group, with the taps of the whole kernel:
//   conv             y  (N windows, O) = windows of x (N windows, taps C) * w^T (taps C, O)
//   input gradient   dx (N pixels, C)  = windows of dy (N pixels, taps O) * w (taps O, C), where a
//                    window is those outputs that read the pixel: (pixel + padding - tap dilation)
//                    / stride along each axis
//   weight gradient  dw (O, taps C) = dy^T (O, N windows) * windows of x (N windows, taps C); K is
//                    long and the result small, so here K is cut into slices as a rule
// Channels are innermost everywhere, so fetches are 16 bytes wide where C (or O) of a group is a
// multiple of four. What lies outside an image counts as zero. Images with one spatial axis are
// seen as having a second one of length 1; three have code of their own, so that two stay cheap.
#include <string>

#include "backend/cuda/device/contraction.h"
#include "ir/window.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

using contraction::kPasses;
using contraction::kVector;
using contraction::Matrix;
using contraction::MatrixParams;
using contraction::Size;
using contraction::Spot;
using contraction::spot_of;
using contraction::Vector;
using ir::WindowSizes;

// ---- loaders ----

// Along one axis, tap t of the window at pixel p is position (p * pixel + start + t * tap) /
// divisor of the image: it lies there when that is a whole number from 0 to length - 1.
struct WindowAxis {
  int pixel, start, tap, divisor, length;

  // The position, or -1.
  __device__ __forceinline__ int position(int first, int t) const {
    const int place = first + t * tap;
    if (place < 0) return -1;
    const int at = divisor == 1 ? place : place / divisor;
    return at < length && at * divisor == place ? at : -1;
  }
};

// An image (N, lengths of the axes..., pixel_stride), of whose channels a product takes `channels`
// neighbouring ones, seen as windows: one for each of the pixels (N, pixel_lengths...), with its
// taps (kernel...) and channels.
template <class E, int kRank>
struct WindowParams {
  const E* from;
  WindowAxis axes[kRank];
  int kernel[kRank], pixel_lengths[kRank];
  int channels;
  int pixel_stride;  // from one pixel of the image to the next
  int pixels;        // all of them
  int tap_channels;  // of a window
  bool aligned;      // vectors along the channels may be fetched at once
};

// A pixel's window: its image's number, and the places of tap 0. image < 0: no such pixel.
template <int kRank>
struct WindowPlace {
  int image;
  int first[kRank];
};
template <class E, int kRank>
__device__ __forceinline__ WindowPlace<kRank> window_at(const WindowParams<E, kRank>& p,
                                                        int pixel) {
  WindowPlace<kRank> place{-1, {}};
  if (pixel >= p.pixels) return place;
#pragma unroll
  for (int i = kRank - 1; i >= 0; --i) {
    const int outer = pixel / p.pixel_lengths[i];
    place.first[i] = (pixel - outer * p.pixel_lengths[i]) * p.axes[i].pixel + p.axes[i].start;
    pixel = outer;
  }
  place.image = pixel;
  return place;
}

template <int kRank>
struct TapPlace {
  int tap[kRank];
  int channel;
};
template <class E, int kRank>
__device__ __forceinline__ TapPlace<kRank> tap_at(const WindowParams<E, kRank>& p,
                                                  int tap_channel) {
  TapPlace<kRank> place;
  int rest = tap_channel / p.channels;
  place.channel = tap_channel - rest * p.channels;
#pragma unroll
  for (int i = kRank - 1; i > 0; --i) {
    const int outer = rest / p.kernel[i];
    place.tap[i] = rest - outer * p.kernel[i];
    rest = outer;
  }
  place.tap[0] = rest;
  return place;
}

// The address of a tap's channel; null where it lies outside the image.
template <class E, int kRank>
__device__ __forceinline__ const E* element_at(const WindowParams<E, kRank>& p, const E* from,
                                               const WindowPlace<kRank>& window,
                                               const TapPlace<kRank>& tap) {
  if (window.image < 0) return nullptr;
  std::int64_t pixel = window.image;
  bool inside = true;
#pragma unroll
  for (int i = 0; i < kRank; ++i) {
    const int at = p.axes[i].position(window.first[i], tap.tap[i]);
    inside = inside && at >= 0;
    pixel = pixel * p.axes[i].length + at;
  }
  if (!inside) return nullptr;
  return from + pixel * p.pixel_stride + tap.channel;
}

// A vector of neighbouring tap channels of one window, zeros from `end` on.
template <class E, int kRank>
__device__ __forceinline__ Vector<Computed<E>> fetch_channels(const WindowParams<E, kRank>& p,
                                                              const E* from,
                                                              const WindowPlace<kRank>& window,
                                                              int tap_channel, int end) {
  Vector<Computed<E>> result{};
  if (p.aligned) {
    if (tap_channel >= end) return result;
    const E* address = element_at(p, from, window, tap_at(p, tap_channel));
    return address != nullptr ? contraction::fetch_vector(address) : result;
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    if (tap_channel + i < end) {
      const E* address = element_at(p, from, window, tap_at(p, tap_channel + i));
      if (address != nullptr) result.at[i] = widened(*address);
    }
  }
  return result;
}

// A = windows (pixels, tap channels): a thread keeps its pixels for the whole product.
template <class E, int kRank>
class WindowRows {
 public:
  using Params = WindowParams<E, kRank>;

  __device__ __forceinline__ WindowRows(const Params& params, std::int64_t offset, int begin)
      : p_(params), from_(params.from + offset) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      windows_[pass] = window_at(p_, begin + spot_of(true, pass).width);
    }
  }
  __device__ bool along_depth() const { return true; }
  __device__ __forceinline__ Vector<Computed<E>> fetch(int pass, int depth, int end) const {
    return fetch_channels(p_, from_, windows_[pass], depth + spot_of(true, pass).depth, end);
  }

 private:
  const Params& p_;
  const E* from_;
  WindowPlace<kRank> windows_[kPasses];
};

// B = windows (pixels, tap channels), where K runs over pixels.
template <class E, int kRank>
class WindowColumns {
 public:
  using Params = WindowParams<E, kRank>;

  __device__ __forceinline__ WindowColumns(const Params& params, std::int64_t offset, int begin)
      : p_(params), from_(params.from + offset), tap_channel_(begin + spot_of(false, 0).width) {}
  __device__ bool along_depth() const { return false; }
  __device__ __forceinline__ Vector<Computed<E>> fetch(int pass, int depth, int end) const {
    const int pixel = depth + spot_of(false, pass).depth;
    const WindowPlace<kRank> window =
        pixel < end ? window_at(p_, pixel) : WindowPlace<kRank>{-1, {}};
    return fetch_channels(p_, from_, window, tap_channel_, p_.tap_channels);
  }

 private:
  const Params& p_;
  const E* from_;
  int tap_channel_;
};

// B (taps O, C) = weights (O, taps, C): K is (tap, output channel), the other way round than the
// weights lie.
template <class E>
struct TurnedParams {
  const E* from;
  int outputs, taps, channels;
  bool aligned;
};

template <class E>
class TurnedWeights {
 public:
  using Params = TurnedParams<E>;

  __device__ TurnedWeights(const Params& params, std::int64_t offset, int begin)
      : p_(params), from_(params.from + offset), channel_(begin + spot_of(false, 0).width) {}
  __device__ bool along_depth() const { return false; }
  __device__ __forceinline__ Vector<Computed<E>> fetch(int pass, int depth, int end) const {
    Vector<Computed<E>> result{};
    const int k = depth + spot_of(false, pass).depth;
    const int room = p_.channels - channel_;
    if (k >= end || room <= 0) return result;
    const int tap = k / p_.outputs;
    const int output = k - tap * p_.outputs;
    const E* from =
        from_ + (static_cast<std::int64_t>(output) * p_.taps + tap) * p_.channels + channel_;
    if (p_.aligned) return contraction::fetch_vector(from);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < room) result.at[i] = widened(from[i]);
    }
    return result;
  }

 private:
  const Params& p_;
  const E* from_;
  int channel_;
};

// ---- kernels ----

// The product that a convolution is, for one group.
Size product_of(ir::OpId op, const WindowSizes& s) {
  const std::int64_t taps = s.window.taps(), c = s.c_of_group(), o = s.o_of_group();
  const std::int64_t groups = s.window.groups;
  if (op == ir::OpId::conv) return {s.n * s.positions(), o, taps * c, groups};
  if (op == ir::OpId::conv_input_gradient) return {s.n * s.pixels(), c, taps * o, groups};
  return {o, taps * c, s.n * s.positions(), groups};
}

int narrow(std::int64_t number) { return static_cast<int>(number); }

// What both sides' windows have: taps and channels.
template <class E, int kRank>
WindowParams<E, kRank> windows_of(const WindowSizes& s, const void* from, std::int64_t channels,
                                  const ir::Lengths& pixels) {
  WindowParams<E, kRank> p{};
  p.from = static_cast<const E*>(from);
  for (int i = 0; i < kRank; ++i) {
    const auto axis = static_cast<std::size_t>(ir::kMaxWindowRank - kRank + i);
    p.kernel[i] = narrow(s.window.axes[axis].kernel);
    p.pixel_lengths[i] = narrow(pixels[axis]);
  }
  p.pixels = narrow(s.n * pixels[0] * pixels[1] * pixels[2]);
  p.channels = narrow(channels / s.window.groups);
  p.pixel_stride = narrow(channels);
  p.tap_channels = narrow(s.window.taps()) * p.channels;
  p.aligned = contraction::is_aligned<E>(from, p.channels);
  return p;
}

// x as the windows that the outputs read.
template <class E, int kRank>
WindowParams<E, kRank> input_windows(const WindowSizes& s, const void* x) {
  WindowParams<E, kRank> p = windows_of<E, kRank>(s, x, s.c, s.windows);
  for (int i = 0; i < kRank; ++i) {
    const auto at = static_cast<std::size_t>(ir::kMaxWindowRank - kRank + i);
    const ir::WindowAxis& axis = s.window.axes[at];
    p.axes[i] = {narrow(axis.stride), narrow(-axis.low), narrow(axis.dilation), 1,
                 narrow(s.image[at])};
  }
  return p;
}

// dy as the windows that read an input pixel.
template <class E, int kRank>
WindowParams<E, kRank> output_windows(const WindowSizes& s, const void* dy) {
  WindowParams<E, kRank> p = windows_of<E, kRank>(s, dy, s.o, s.image);
  for (int i = 0; i < kRank; ++i) {
    const auto at = static_cast<std::size_t>(ir::kMaxWindowRank - kRank + i);
    const ir::WindowAxis& axis = s.window.axes[at];
    p.axes[i] = {1, narrow(axis.low), narrow(-axis.dilation), narrow(axis.stride),
                 narrow(s.windows[at])};
  }
  return p;
}

template <class E, class O, int kRank>
class Convolution final : public PreparedKernel {
  using T = Computed<E>;

 public:
  Convolution(ir::OpId op, const char* name, const WindowSizes& sizes)
      : op_(op), name_(name), s_(sizes), size_(product_of(op, sizes)) {
    contraction::check_lengths(name, size_);
  }

  std::int64_t workspace_bytes() const override { return contraction::workspace_bytes<T>(size_); }

  void launch(const LaunchCall& call) const override {
    if (op_ == ir::OpId::conv) {
      forward(call);
    } else if (op_ == ir::OpId::conv_input_gradient) {
      input_gradient(call);
    } else {
      weight_gradient(call);
    }
  }

 private:
  void forward(const LaunchCall& call) const {
    const void* w = call.inputs[1];
    const std::int64_t filter = s_.window.taps() * s_.c_of_group();
    const MatrixParams<E> weights{static_cast<const E*>(w),
                                  narrow(s_.o_of_group()),
                                  filter,
                                  1,
                                  true,
                                  contraction::is_aligned<E>(w, filter)};
    contraction::launch_product<T, O, WindowRows<E, kRank>, Matrix<E>>(
        name_, size_, contraction::side_by_side(size_), input_windows<E, kRank>(s_, call.inputs[0]),
        weights, groups(s_.c_of_group()), groups(s_.o_of_group() * filter), call);
  }

  void input_gradient(const LaunchCall& call) const {
    const void* w = call.inputs[1];
    const std::int64_t filter = s_.window.taps() * s_.c_of_group();
    const TurnedParams<E> weights{static_cast<const E*>(w), narrow(s_.o_of_group()),
                                  narrow(s_.window.taps()), narrow(s_.c_of_group()),
                                  contraction::is_aligned<E>(w, s_.c_of_group())};
    contraction::launch_product<T, O, WindowRows<E, kRank>, TurnedWeights<E>>(
        name_, size_, contraction::side_by_side(size_),
        output_windows<E, kRank>(s_, call.inputs[0]), weights, groups(s_.o_of_group()),
        groups(s_.o_of_group() * filter), call);
  }

  void weight_gradient(const LaunchCall& call) const {
    const void* dy = call.inputs[1];
    const MatrixParams<E> gradient{static_cast<const E*>(dy),
                                   narrow(s_.o_of_group()),
                                   1,
                                   s_.o,
                                   false,
                                   contraction::is_aligned<E>(dy, s_.o | s_.o_of_group())};
    contraction::launch_product<T, O, Matrix<E>, WindowColumns<E, kRank>>(
        name_, size_, contraction::one_by_one(size_), gradient,
        input_windows<E, kRank>(s_, call.inputs[0]), groups(s_.o_of_group()),
        groups(s_.c_of_group()), call);
  }

  // Where an operand of each group begins: `stride` elements apart.
  Walk groups(std::int64_t stride) const {
    Walk walk;
    if (s_.window.groups > 1) walk.add(s_.window.groups, stride);
    return walk;
  }

  ir::OpId op_;
  const char* name_;
  WindowSizes s_;
  Size size_;
};

// Places of taps are counted in 32 bits.
void check_reach(const char* where, const WindowSizes& s) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 30;
  bool fits = true;
  for (std::size_t i = 0; i < ir::kMaxWindowRank; ++i) {
    const ir::WindowAxis& axis = s.window.axes[i];
    fits = fits && axis.stride <= kLongest &&
           s.image[i] + axis.low + axis.high + axis.kernel * axis.dilation <= kLongest;
  }
  if (fits && s.c <= kLongest && s.o <= kLongest) return;
  raise({.where = where,
         .what = "the padded image or the kernel is too long for CUDA",
         .got = {},
         .expected = "at most 2^30 pixels along an axis, and channels",
         .hint = {}});
}

template <class E, class O>
std::unique_ptr<PreparedKernel> convolution(ir::OpId op, const char* name, const WindowSizes& s) {
  if (s.window.rank == 3) return std::make_unique<Convolution<E, O, 3>>(op, name, s);
  return std::make_unique<Convolution<E, O, 2>>(op, name, s);
}

std::unique_ptr<PreparedKernel> prepare_conv(const KernelCall& call) {
  const char* name = ir::convolution_name(call.op);
  const WindowSizes sizes =
      ir::convolution_sizes(call.op, call.inputs[0].shape, call.inputs[1].shape, call.attributes);
  check_reach(name, sizes);
  return contraction::for_dtypes(
      name, call.input_dtypes[0], call.output_dtypes[0], [&](auto element, auto result) {
        return convolution<decltype(element), decltype(result)>(call.op, name, sizes);
      });
}

}  // namespace

const Kernel kConv{.accepts = nullptr, .prepare = prepare_conv};
const Kernel kConvInputGradient{.accepts = nullptr, .prepare = prepare_conv};
const Kernel kConvWeightGradient{.accepts = nullptr, .prepare = prepare_conv};

}  // namespace sinter::backend::cuda
