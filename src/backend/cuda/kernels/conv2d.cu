// Convolutions of images (N, H, W, C) with weights (O, KH, KW, C), and both gradients, in f32 and
// f64.
//
// Each is one tiled product (device/contraction.h) whose image operand is never written out: its
// loader turns the place (pixel, tap and channel) into an address while a tile is fetched.
//   conv2d           y  (N HO WO, O) = windows of x (N HO WO, KH KW C) * w^T (KH KW C, O)
//   input gradient   dx (N H W, C)   = windows of dy (N H W, KH KW O) * w (KH KW O, C), where the
//                    windows are those outputs that read the pixel: (h + padding - kh dilation) /
//                    stride
//   weight gradient  dw (O, KH KW C) = dy^T (O, N HO WO) * windows of x (N HO WO, KH KW C); K is
//                    long and the result small, so here K is cut into slices as a rule
// Channels are innermost everywhere, so fetches are 16 bytes wide where C (or O) is a multiple of
// four. What lies outside an image counts as zero.
#include <string>
#include <utility>

#include "backend/cuda/device/contraction.h"
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

// An image (N, rows.length, columns.length, channels) seen as windows: one for each of the pixels
// (N, pixel_rows, pixel_columns), with its taps (KH, kernel_columns) and channels.
template <class T>
struct WindowParams {
  const T* from;
  WindowAxis rows, columns;
  int channels, kernel_columns, pixel_rows, pixel_columns;
  int pixels;        // all of them
  int tap_channels;  // of a window
  bool aligned;      // vectors along the channels may be fetched at once
};

// A pixel's window: its image's number, and the places of tap 0. image < 0: no such pixel.
struct WindowPlace {
  int image, row, column;
};
template <class T>
__device__ __forceinline__ WindowPlace window_at(const WindowParams<T>& p, int pixel) {
  if (pixel >= p.pixels) return {-1, 0, 0};
  const int line = pixel / p.pixel_columns;
  const int image = line / p.pixel_rows;
  return {image, (line - image * p.pixel_rows) * p.rows.pixel + p.rows.start,
          (pixel - line * p.pixel_columns) * p.columns.pixel + p.columns.start};
}

struct TapPlace {
  int row, column, channel;
};
template <class T>
__device__ __forceinline__ TapPlace tap_at(const WindowParams<T>& p, int tap_channel) {
  const int tap = tap_channel / p.channels;
  const int row = tap / p.kernel_columns;
  return {row, tap - row * p.kernel_columns, tap_channel - tap * p.channels};
}

// The address of a tap's channel; null where it lies outside the image.
template <class T>
__device__ __forceinline__ const T* element_at(const WindowParams<T>& p, const WindowPlace& window,
                                               const TapPlace& tap) {
  if (window.image < 0) return nullptr;
  const int row = p.rows.position(window.row, tap.row);
  const int column = p.columns.position(window.column, tap.column);
  if (row < 0 || column < 0) return nullptr;
  const std::int64_t line = static_cast<std::int64_t>(window.image) * p.rows.length + row;
  return p.from + (line * p.columns.length + column) * p.channels + tap.channel;
}

// A vector of neighbouring tap channels of one window, zeros from `end` on.
template <class T>
__device__ __forceinline__ Vector<T> fetch_channels(const WindowParams<T>& p,
                                                    const WindowPlace& window, int tap_channel,
                                                    int end) {
  Vector<T> result{};
  if (p.aligned) {
    if (tap_channel >= end) return result;
    const T* from = element_at(p, window, tap_at(p, tap_channel));
    return from != nullptr ? contraction::load_vector(from) : result;
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    if (tap_channel + i < end) {
      const T* from = element_at(p, window, tap_at(p, tap_channel + i));
      if (from != nullptr) result.at[i] = *from;
    }
  }
  return result;
}

// A = windows (pixels, tap channels): a thread keeps its pixels for the whole product.
template <class T>
class WindowRows {
 public:
  using Params = WindowParams<T>;

  __device__ __forceinline__ WindowRows(const Params& params, std::int64_t, int begin)
      : p_(params) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      windows_[pass] = window_at(p_, begin + spot_of(true, pass).width);
    }
  }
  __device__ bool along_depth() const { return true; }
  __device__ __forceinline__ Vector<T> fetch(int pass, int depth, int end) const {
    return fetch_channels(p_, windows_[pass], depth + spot_of(true, pass).depth, end);
  }

 private:
  const Params& p_;
  WindowPlace windows_[kPasses];
};

// B = windows (pixels, tap channels), where K runs over pixels.
template <class T>
class WindowColumns {
 public:
  using Params = WindowParams<T>;

  __device__ __forceinline__ WindowColumns(const Params& params, std::int64_t, int begin)
      : p_(params), tap_channel_(begin + spot_of(false, 0).width) {}
  __device__ bool along_depth() const { return false; }
  __device__ __forceinline__ Vector<T> fetch(int pass, int depth, int end) const {
    const int pixel = depth + spot_of(false, pass).depth;
    const WindowPlace window = pixel < end ? window_at(p_, pixel) : WindowPlace{-1, 0, 0};
    return fetch_channels(p_, window, tap_channel_, p_.tap_channels);
  }

 private:
  const Params& p_;
  int tap_channel_;
};

// B (KH KW O, C) = weights (O, KH, KW, C): K is (tap, output channel), the other way round than the
// weights lie.
template <class T>
struct TurnedParams {
  const T* from;
  int outputs, taps, channels;
  bool aligned;
};

template <class T>
class TurnedWeights {
 public:
  using Params = TurnedParams<T>;

  __device__ TurnedWeights(const Params& params, std::int64_t, int begin)
      : p_(params), channel_(begin + spot_of(false, 0).width) {}
  __device__ bool along_depth() const { return false; }
  __device__ __forceinline__ Vector<T> fetch(int pass, int depth, int end) const {
    Vector<T> result{};
    const int k = depth + spot_of(false, pass).depth;
    const int room = p_.channels - channel_;
    if (k >= end || room <= 0) return result;
    const int tap = k / p_.outputs;
    const int output = k - tap * p_.outputs;
    const T* from =
        p_.from + (static_cast<std::int64_t>(output) * p_.taps + tap) * p_.channels + channel_;
    if (p_.aligned) return contraction::load_vector(from);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < room) result.at[i] = from[i];
    }
    return result;
  }

 private:
  const Params& p_;
  int channel_;
};

// ---- kernels ----

// x (N, H, W, C), w (O, KH, KW, C), y (N, HO, WO, O).
struct ConvSizes {
  std::int64_t n, h, w, c, o, kh, kw, ho, wo;
  std::int64_t stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;

  std::int64_t taps() const { return kh * kw; }
};

ConvSizes sizes_of(const KernelCall& call) {
  const Shape* x = &call.inputs[0].shape;
  const Shape* w = &call.inputs[1].shape;
  const Shape* y = &call.outputs[0].shape;
  if (call.op == ir::OpId::conv2d_input_gradient) std::swap(x, y);
  if (call.op == ir::OpId::conv2d_weight_gradient) std::swap(w, y);
  const auto& stride = call.attributes.integers("stride");
  const auto& padding = call.attributes.integers("padding");
  const auto& dilation = call.attributes.integers("dilation");
  return {(*x)[0], (*x)[1],   (*x)[2],   (*x)[3],    (*w)[0],    (*w)[1],     (*w)[2],    (*y)[1],
          (*y)[2], stride[0], stride[1], padding[0], padding[1], dilation[0], dilation[1]};
}

// The product that a convolution is.
Size product_of(ir::OpId op, const ConvSizes& s) {
  if (op == ir::OpId::conv2d) return {s.n * s.ho * s.wo, s.o, s.taps() * s.c, 1};
  if (op == ir::OpId::conv2d_input_gradient) return {s.n * s.h * s.w, s.c, s.taps() * s.o, 1};
  return {s.o, s.taps() * s.c, s.n * s.ho * s.wo, 1};
}

int narrow(std::int64_t number) { return static_cast<int>(number); }

// x as the windows that the outputs read.
template <class T>
WindowParams<T> input_windows(const ConvSizes& s, const void* x) {
  WindowParams<T> p{};
  p.from = static_cast<const T*>(x);
  p.rows = {narrow(s.stride_h), narrow(-s.padding_h), narrow(s.dilation_h), 1, narrow(s.h)};
  p.columns = {narrow(s.stride_w), narrow(-s.padding_w), narrow(s.dilation_w), 1, narrow(s.w)};
  p.channels = narrow(s.c);
  p.kernel_columns = narrow(s.kw);
  p.pixel_rows = narrow(s.ho);
  p.pixel_columns = narrow(s.wo);
  p.pixels = narrow(s.n * s.ho * s.wo);
  p.tap_channels = narrow(s.taps() * s.c);
  p.aligned = contraction::is_aligned<T>(x, s.c);
  return p;
}

// dy as the windows that read an input pixel.
template <class T>
WindowParams<T> output_windows(const ConvSizes& s, const void* dy) {
  WindowParams<T> p{};
  p.from = static_cast<const T*>(dy);
  p.rows = {1, narrow(s.padding_h), narrow(-s.dilation_h), narrow(s.stride_h), narrow(s.ho)};
  p.columns = {1, narrow(s.padding_w), narrow(-s.dilation_w), narrow(s.stride_w), narrow(s.wo)};
  p.channels = narrow(s.o);
  p.kernel_columns = narrow(s.kw);
  p.pixel_rows = narrow(s.h);
  p.pixel_columns = narrow(s.w);
  p.pixels = narrow(s.n * s.h * s.w);
  p.tap_channels = narrow(s.taps() * s.o);
  p.aligned = contraction::is_aligned<T>(dy, s.o);
  return p;
}

template <class T>
class Convolution final : public PreparedKernel {
 public:
  Convolution(ir::OpId op, const char* name, const ConvSizes& sizes)
      : op_(op), name_(name), s_(sizes), size_(product_of(op, sizes)) {
    contraction::check_lengths(name, size_);
  }

  std::int64_t workspace_bytes() const override { return contraction::workspace_bytes<T>(size_); }

  void launch(const LaunchCall& call) const override {
    const void* first = call.inputs[0];
    const void* second = call.inputs[1];
    const std::int64_t tap_channels = s_.taps() * s_.c;
    if (op_ == ir::OpId::conv2d) {
      const MatrixParams<T> w{static_cast<const T*>(second),
                              narrow(s_.o),
                              tap_channels,
                              1,
                              true,
                              contraction::is_aligned<T>(second, tap_channels)};
      contraction::launch_product<T, T, WindowRows<T>, Matrix<T>>(
          name_, size_, input_windows<T>(s_, first), w, {}, {}, call);
    } else if (op_ == ir::OpId::conv2d_input_gradient) {
      const TurnedParams<T> w{static_cast<const T*>(second), narrow(s_.o), narrow(s_.taps()),
                              narrow(s_.c), contraction::is_aligned<T>(second, s_.c)};
      contraction::launch_product<T, T, WindowRows<T>, TurnedWeights<T>>(
          name_, size_, output_windows<T>(s_, first), w, {}, {}, call);
    } else {
      const MatrixParams<T> dy{
          static_cast<const T*>(second),           narrow(s_.o), 1, s_.o, false,
          contraction::is_aligned<T>(second, s_.o)};
      contraction::launch_product<T, T, Matrix<T>, WindowColumns<T>>(
          name_, size_, dy, input_windows<T>(s_, first), {}, {}, call);
    }
  }

 private:
  ir::OpId op_;
  const char* name_;
  ConvSizes s_;
  Size size_;
};

const char* name_of_op(ir::OpId op) {
  if (op == ir::OpId::conv2d) return "conv2d";
  return op == ir::OpId::conv2d_input_gradient ? "conv2d_input_gradient" : "conv2d_weight_gradient";
}

// Places of taps are counted in 32 bits.
void check_reach(const char* where, const ConvSizes& s) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 30;
  const auto fits = [](std::int64_t image, std::int64_t kernel, std::int64_t stride,
                       std::int64_t padding, std::int64_t dilation) {
    return stride <= kLongest && padding <= kLongest && dilation <= kLongest &&
           image + 2 * padding + kernel * dilation <= kLongest;
  };
  if (fits(s.h, s.kh, s.stride_h, s.padding_h, s.dilation_h) &&
      fits(s.w, s.kw, s.stride_w, s.padding_w, s.dilation_w)) {
    return;
  }
  raise({.where = where,
         .what = "the padded image or the kernel is too long for CUDA",
         .got = {},
         .expected = "at most 2^30 pixels along an axis",
         .hint = {}});
}

std::unique_ptr<PreparedKernel> prepare_conv2d(const KernelCall& call) {
  const char* name = name_of_op(call.op);
  const ConvSizes sizes = sizes_of(call);
  check_reach(name, sizes);
  switch (call.output_dtypes[0]) {
    case Dtype::f32:
      return std::make_unique<Convolution<float>>(call.op, name, sizes);
    case Dtype::f64:
      return std::make_unique<Convolution<double>>(call.op, name, sizes);
    default:
      raise({.where = name,
             .what = "there is no convolution in this type on CUDA",
             .got = std::string(name_of(call.output_dtypes[0])),
             .expected = "f32 or f64",
             .hint = "cast the images and the weight"});
  }
}

}  // namespace

const Kernel kConv2d{.accepts = nullptr, .prepare = prepare_conv2d};
const Kernel kConv2dInputGradient{.accepts = nullptr, .prepare = prepare_conv2d};
const Kernel kConv2dWeightGradient{.accepts = nullptr, .prepare = prepare_conv2d};

}  // namespace sinter::backend::cuda
