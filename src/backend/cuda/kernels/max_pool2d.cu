// Max pooling of images (N, H, W, C), its gradient, and the gather that is the gradient's gradient.
//
//   forward   y[n, ho, wo, c] = max over the window, index = the place of the maximum in it (u8)
//   gradient  dx[n, h, w, c] = the sum of dy over the windows whose maximum lies there
//   gather    y[n, ho, wo, c] = x at the recorded places
// One pass each. A thread makes kLanes neighbouring channels of one result pixel (16 bytes where C
// and the addresses allow it), so that threads of a warp read and write side by side; windows
// overlap in the caches. The gradient asks, instead of scattering: a pixel visits the windows that
// contain it in ascending order, so no two threads write to one place, and the bits are the CPU's.
#include <limits>
#include <string>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

// x (N, H, W, C), y (N, HO, WO, C).
struct Pooling {
  std::int64_t n;
  int h, w, c, ho, wo, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
};

struct PoolParams {
  Pooling p;
  const void* from;
  const std::uint8_t* index_from;
  void* to;
  std::uint8_t* index_to;
  std::int64_t count;  // threads
};

template <class T, int kLanes>
struct alignas(sizeof(T) * kLanes) Lanes {
  T at[kLanes];
};

template <class T, int kLanes>
__device__ Lanes<T, kLanes> load(const T* from) {
  return *reinterpret_cast<const Lanes<T, kLanes>*>(from);
}
template <class T, int kLanes>
__device__ void store(T* to, const Lanes<T, kLanes>& value) {
  *reinterpret_cast<Lanes<T, kLanes>*>(to) = value;
}

// A pixel (n, h, w) of an image with `height` x `width` pixels, and a thread's first channel.
struct Pixel {
  std::int64_t n;
  int h, w, c;
};
template <int kLanes>
__device__ Pixel pixel_of(std::int64_t thread, int height, int width, int channels) {
  const Quotient c = divide(thread, channels / kLanes);
  const Quotient w = divide(c.quotient, width);
  const Quotient h = divide(w.quotient, height);
  return {h.quotient, static_cast<int>(h.remainder), static_cast<int>(w.remainder),
          static_cast<int>(c.remainder) * kLanes};
}

__device__ std::int64_t offset_in(const Pixel& at, int h, int w, int height, int width,
                                  int channels) {
  return ((at.n * height + h) * width + w) * channels + at.c;
}

// The part [begin, end) of a window's axis that lies inside the image.
__device__ int window_begin(int start) { return start < 0 ? -start : 0; }
__device__ int window_end(int start, int kernel, int length) {
  return kernel < length - start ? kernel : length - start;
}

// A NaN wins over all numbers and keeps its place against later NaNs; equal numbers keep the first.
template <class T, int kLanes>
__global__ void pool_forward(PoolParams params) {
  const Pooling& p = params.p;
  const std::int64_t thread = thread_number();
  if (thread >= params.count) return;
  const Pixel at = pixel_of<kLanes>(thread, p.ho, p.wo, p.c);
  const int top = at.h * p.stride_h - p.padding_h;
  const int left = at.w * p.stride_w - p.padding_w;
  const auto* x = static_cast<const T*>(params.from);
  Lanes<T, kLanes> best;
  Lanes<std::uint8_t, kLanes> index;
  for (int i = 0; i < kLanes; ++i) {
    best.at[i] = -std::numeric_limits<T>::infinity();  // of a window of padding only
    index.at[i] = 0;
  }
  bool first = true;
  const int h_end = window_end(top, p.kernel_h, p.h);
  const int w_end = window_end(left, p.kernel_w, p.w);
  for (int kh = window_begin(top); kh < h_end; ++kh) {
    for (int kw = window_begin(left); kw < w_end; ++kw) {
      const auto value = load<T, kLanes>(x + offset_in(at, top + kh, left + kw, p.h, p.w, p.c));
      for (int i = 0; i < kLanes; ++i) {
        const bool stays = !first && (value.at[i] <= best.at[i] || best.at[i] != best.at[i]);
        best.at[i] = stays ? best.at[i] : value.at[i];
        index.at[i] = stays ? index.at[i] : static_cast<std::uint8_t>(kh * p.kernel_w + kw);
      }
      first = false;
    }
  }
  store<T, kLanes>(static_cast<T*>(params.to) + thread * kLanes, best);
  store<std::uint8_t, kLanes>(params.index_to + thread * kLanes, index);
}

// The fold starts from +0, so that a single -0 gives +0 however many windows there are.
template <class T, int kLanes>
__global__ void pool_gradient(PoolParams params) {
  const Pooling& p = params.p;
  const std::int64_t thread = thread_number();
  if (thread >= params.count) return;
  const Pixel at = pixel_of<kLanes>(thread, p.h, p.w, p.c);
  const int h = at.h + p.padding_h;
  const int w = at.w + p.padding_w;
  const int ho_begin = h < p.kernel_h ? 0 : (h - p.kernel_h) / p.stride_h + 1;
  const int wo_begin = w < p.kernel_w ? 0 : (w - p.kernel_w) / p.stride_w + 1;
  const int ho_end = h / p.stride_h + 1 < p.ho ? h / p.stride_h + 1 : p.ho;
  const int wo_end = w / p.stride_w + 1 < p.wo ? w / p.stride_w + 1 : p.wo;
  const auto* dy = static_cast<const T*>(params.from);
  Lanes<T, kLanes> sum{};
  for (int ho = ho_begin; ho < ho_end; ++ho) {
    for (int wo = wo_begin; wo < wo_end; ++wo) {
      const int place = (h - ho * p.stride_h) * p.kernel_w + w - wo * p.stride_w;
      const std::int64_t from = offset_in(at, ho, wo, p.ho, p.wo, p.c);
      const auto value = load<T, kLanes>(dy + from);
      const auto index = load<std::uint8_t, kLanes>(params.index_from + from);
      for (int i = 0; i < kLanes; ++i) sum.at[i] += index.at[i] == place ? value.at[i] : T{0};
    }
  }
  store<T, kLanes>(static_cast<T*>(params.to) + thread * kLanes, sum);
}

template <class T, int kLanes>
__global__ void pool_gather(PoolParams params) {
  const Pooling& p = params.p;
  const std::int64_t thread = thread_number();
  if (thread >= params.count) return;
  const Pixel at = pixel_of<kLanes>(thread, p.ho, p.wo, p.c);
  const auto index = load<std::uint8_t, kLanes>(params.index_from + thread * kLanes);
  const auto* x = static_cast<const T*>(params.from);
  Lanes<T, kLanes> result{};
  for (int i = 0; i < kLanes; ++i) {
    const int kh = index.at[i] / p.kernel_w;
    const int h = at.h * p.stride_h - p.padding_h + kh;
    const int w = at.w * p.stride_w - p.padding_w + index.at[i] % p.kernel_w;
    if (kh < p.kernel_h && h >= 0 && h < p.h && w >= 0 && w < p.w) {
      result.at[i] = x[offset_in(at, h, w, p.h, p.w, p.c) + i];
    }
  }
  store<T, kLanes>(static_cast<T*>(params.to) + thread * kLanes, result);
}

// ---- kernels ----

template <class T>
class MaxPool final : public PreparedKernel {
 public:
  MaxPool(ir::OpId op, const Pooling& pooling) : op_(op), p_(pooling) {}

  void launch(const LaunchCall& call) const override {
    const bool forward = op_ == ir::OpId::max_pool2d;
    PoolParams params{};
    params.p = p_;
    params.from = call.inputs[0];
    params.to = call.outputs[0];
    if (forward) {
      params.index_to = static_cast<std::uint8_t*>(call.outputs[1]);
    } else {
      params.index_from = static_cast<const std::uint8_t*>(call.inputs[1]);
    }
    constexpr int kLanes = 16 / static_cast<int>(sizeof(T));
    const std::int64_t index_address =
        forward ? address_of(call.outputs[1]) : address_of(call.inputs[1]);
    const bool whole = p_.c % kLanes == 0 && index_address % kLanes == 0 &&
                       (address_of(params.from) | address_of(params.to)) % 16 == 0;
    whole ? launch_lanes<kLanes>(call, params) : launch_lanes<1>(call, params);
  }

 private:
  template <int kLanes>
  void launch_lanes(const LaunchCall& call, PoolParams params) const {
    const bool gradient = op_ == ir::OpId::max_pool2d_gradient;
    const std::int64_t pixels = gradient ? std::int64_t{p_.h} * p_.w : std::int64_t{p_.ho} * p_.wo;
    params.count = p_.n * pixels * (p_.c / kLanes);
    if (op_ == ir::OpId::max_pool2d) {
      launch_items("max_pool2d", pool_forward<T, kLanes>, params.count, call.stream, params);
    } else if (gradient) {
      launch_items("max_pool2d_gradient", pool_gradient<T, kLanes>, params.count, call.stream,
                   params);
    } else {
      launch_items("max_pool2d_gather", pool_gather<T, kLanes>, params.count, call.stream, params);
    }
  }

  ir::OpId op_;
  Pooling p_;
};

int small(const char* where, std::int64_t length) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 30;
  if (length <= kLongest) return static_cast<int>(length);
  raise({.where = where,
         .what = "an axis is too long for CUDA",
         .got = std::to_string(length),
         .expected = "at most 2^30",
         .hint = {}});
}

Pooling pooling_of(const char* where, const KernelCall& call, const Shape& x, const Shape& y) {
  const auto number = [&](const char* name, std::size_t axis) {
    return small(where, call.attributes.integers(name)[axis]);
  };
  return {x[0],
          small(where, x[1]),
          small(where, x[2]),
          small(where, x[3]),
          small(where, y[1]),
          small(where, y[2]),
          number("kernel", 0),
          number("kernel", 1),
          number("stride", 0),
          number("stride", 1),
          number("padding", 0),
          number("padding", 1)};
}

std::unique_ptr<PreparedKernel> prepare_pooling(const KernelCall& call) {
  const bool gradient = call.op == ir::OpId::max_pool2d_gradient;
  const char* where = gradient ? "max_pool2d_gradient" : "max_pool2d";
  const Shape& outer = gradient ? call.outputs[0].shape : call.inputs[0].shape;
  const Shape& inner = gradient ? call.inputs[0].shape : call.outputs[0].shape;
  const Pooling pooling = pooling_of(where, call, outer, inner);
  switch (call.output_dtypes[0]) {
    case Dtype::f32:
      return std::make_unique<MaxPool<float>>(call.op, pooling);
    case Dtype::f64:
      return std::make_unique<MaxPool<double>>(call.op, pooling);
    default:
      raise({.where = where,
             .what = "there is no max pooling in this type on CUDA",
             .got = std::string(name_of(call.output_dtypes[0])),
             .expected = "f32 or f64",
             .hint = "cast the images"});
  }
}

}  // namespace

const Kernel kMaxPool2d{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPool2dGradient{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPool2dGather{.accepts = nullptr, .prepare = prepare_pooling};

}  // namespace sinter::backend::cuda
