// Max pooling of images (N, spatial..., C), its gradient, and the gather that is the gradient's
// gradient. For a window's and a pixel's place along the spatial axes:
//
//   forward   y[n, window, c] = max over the window, index = the place of the maximum in it (u8)
//   gradient  dx[n, pixel, c] = the sum of dy over the windows whose maximum lies there
//   gather    y[n, window, c] = x at the recorded places
// Images with one spatial axis are seen as having a second one of length 1; three have code of
// their own.
// One pass each. A thread makes kLanes neighbouring channels of one result pixel (16 bytes where C
// and the addresses allow it), so that threads of a warp read and write side by side; windows
// overlap in the caches. The gradient asks, instead of scattering: a pixel visits the windows that
// contain it in ascending order, so no two threads write to one place, and the bits are the CPU's.
#include <limits>
#include <string>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/half_element.h"
#include "ir/internal_error.h"
#include "ir/window.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

struct Axis {
  int image, windows, kernel, stride, padding;
};

template <int kRank>
struct PoolParams {
  Axis axes[kRank];
  int channels;
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

// The same of elements that are computed with in another type.
template <class E, int kLanes>
__device__ Lanes<Computed<E>, kLanes> load_widened(const E* from) {
  const auto elements = load<E, kLanes>(from);
  Lanes<Computed<E>, kLanes> value;
  for (int i = 0; i < kLanes; ++i) value.at[i] = widened(elements.at[i]);
  return value;
}
template <class E, int kLanes>
__device__ void store_rounded(E* to, const Lanes<Computed<E>, kLanes>& value) {
  Lanes<E, kLanes> elements;
  for (int i = 0; i < kLanes; ++i) elements.at[i] = rounded_to<E>(value.at[i]);
  store<E, kLanes>(to, elements);
}

// A thread's place in an image or among its windows (`length` says which), and its first channel.
template <int kRank>
struct Place {
  std::int64_t n;
  int at[kRank];
  int channel;
};
template <int kLanes, int Axis::*length, int kRank>
__device__ Place<kRank> place_of(const PoolParams<kRank>& p, std::int64_t thread) {
  Place<kRank> place;
  Quotient rest = divide(thread, p.channels / kLanes);
  place.channel = static_cast<int>(rest.remainder) * kLanes;
#pragma unroll
  for (int i = kRank - 1; i >= 0; --i) {
    rest = divide(rest.quotient, p.axes[i].*length);
    place.at[i] = static_cast<int>(rest.remainder);
  }
  place.n = rest.quotient;
  return place;
}

// Taps or windows from the first to the one behind the last, along each axis.
template <int kRank>
struct Box {
  int begin[kRank], end[kRank];
};

// Calls visit(places) for every one of a box, in row-major order.
template <class Visit>
__device__ __forceinline__ void for_each(const Box<2>& box, Visit&& visit) {
  for (int i = box.begin[0]; i < box.end[0]; ++i) {
    for (int j = box.begin[1]; j < box.end[1]; ++j) {
      const int places[2] = {i, j};
      visit(places);
    }
  }
}
template <class Visit>
__device__ __forceinline__ void for_each(const Box<3>& box, Visit&& visit) {
  for (int i = box.begin[0]; i < box.end[0]; ++i) {
    for (int j = box.begin[1]; j < box.end[1]; ++j) {
      for (int k = box.begin[2]; k < box.end[2]; ++k) {
        const int places[3] = {i, j, k};
        visit(places);
      }
    }
  }
}

// A NaN wins over all numbers and keeps its place against later NaNs; equal numbers keep the first.
template <class E, int kLanes, int kRank>
__global__ void pool_forward(PoolParams<kRank> p) {
  using T = Computed<E>;
  const std::int64_t thread = thread_number();
  if (thread >= p.count) return;
  const Place<kRank> place = place_of<kLanes, &Axis::windows>(p, thread);
  int start[kRank];
  Box<kRank> taps;  // inside the image
#pragma unroll
  for (int i = 0; i < kRank; ++i) {
    const Axis& axis = p.axes[i];
    start[i] = place.at[i] * axis.stride - axis.padding;
    const int room = axis.image - start[i];
    taps.begin[i] = start[i] < 0 ? -start[i] : 0;
    taps.end[i] = axis.kernel < room ? axis.kernel : room;
  }
  const auto* x = static_cast<const E*>(p.from);
  Lanes<T, kLanes> best;
  Lanes<std::uint8_t, kLanes> index;
  for (int i = 0; i < kLanes; ++i) {
    best.at[i] = -std::numeric_limits<T>::infinity();  // of a window of padding only
    index.at[i] = 0;
  }
  bool first = true;
  for_each(taps, [&](const auto& tap) {
    std::int64_t pixel = place.n;
    int number = 0;  // of the tap in the window
#pragma unroll
    for (int i = 0; i < kRank; ++i) {
      pixel = pixel * p.axes[i].image + start[i] + tap[i];
      number = number * p.axes[i].kernel + tap[i];
    }
    const auto value = load_widened<E, kLanes>(x + pixel * p.channels + place.channel);
    for (int i = 0; i < kLanes; ++i) {
      const bool stays = !first && (value.at[i] <= best.at[i] || best.at[i] != best.at[i]);
      best.at[i] = stays ? best.at[i] : value.at[i];
      index.at[i] = stays ? index.at[i] : static_cast<std::uint8_t>(number);
    }
    first = false;
  });
  store_rounded<E, kLanes>(static_cast<E*>(p.to) + thread * kLanes, best);
  store<std::uint8_t, kLanes>(p.index_to + thread * kLanes, index);
}

// The fold starts from +0, so that a single -0 gives +0 however many windows there are.
template <class E, int kLanes, int kRank>
__global__ void pool_gradient(PoolParams<kRank> p) {
  using T = Computed<E>;
  const std::int64_t thread = thread_number();
  if (thread >= p.count) return;
  const Place<kRank> place = place_of<kLanes, &Axis::image>(p, thread);
  // The pixel in the padded image, and the windows that contain it.
  int pixel[kRank];
  Box<kRank> windows;
#pragma unroll
  for (int i = 0; i < kRank; ++i) {
    const Axis& axis = p.axes[i];
    pixel[i] = place.at[i] + axis.padding;
    const int last = pixel[i] / axis.stride + 1;
    windows.begin[i] = pixel[i] < axis.kernel ? 0 : (pixel[i] - axis.kernel) / axis.stride + 1;
    windows.end[i] = last < axis.windows ? last : axis.windows;
  }
  const auto* dy = static_cast<const E*>(p.from);
  Lanes<T, kLanes> sum{};
  for_each(windows, [&](const auto& window) {
    std::int64_t from = place.n;
    int number = 0;  // of the tap that lies on the pixel
#pragma unroll
    for (int i = 0; i < kRank; ++i) {
      from = from * p.axes[i].windows + window[i];
      number = number * p.axes[i].kernel + pixel[i] - window[i] * p.axes[i].stride;
    }
    from = from * p.channels + place.channel;
    const auto value = load_widened<E, kLanes>(dy + from);
    const auto index = load<std::uint8_t, kLanes>(p.index_from + from);
    for (int i = 0; i < kLanes; ++i) sum.at[i] += index.at[i] == number ? value.at[i] : T{0};
  });
  store_rounded<E, kLanes>(static_cast<E*>(p.to) + thread * kLanes, sum);
}

template <class E, int kLanes, int kRank>
__global__ void pool_gather(PoolParams<kRank> p) {
  using T = Computed<E>;
  const std::int64_t thread = thread_number();
  if (thread >= p.count) return;
  const Place<kRank> place = place_of<kLanes, &Axis::windows>(p, thread);
  const auto index = load<std::uint8_t, kLanes>(p.index_from + thread * kLanes);
  const auto* x = static_cast<const E*>(p.from);
  Lanes<T, kLanes> result{};
  for (int lane = 0; lane < kLanes; ++lane) {
    int tap[kRank];
    int rest = index.at[lane];
#pragma unroll
    for (int i = kRank - 1; i > 0; --i) {
      tap[i] = rest % p.axes[i].kernel;
      rest /= p.axes[i].kernel;
    }
    tap[0] = rest;
    std::int64_t pixel = place.n;
    bool inside = rest < p.axes[0].kernel;
#pragma unroll
    for (int i = 0; i < kRank; ++i) {
      const Axis& axis = p.axes[i];
      const int at = place.at[i] * axis.stride - axis.padding + tap[i];
      inside = inside && at >= 0 && at < axis.image;
      pixel = pixel * axis.image + at;
    }
    if (inside) result.at[lane] = widened(x[pixel * p.channels + place.channel + lane]);
  }
  store_rounded<E, kLanes>(static_cast<E*>(p.to) + thread * kLanes, result);
}

// ---- kernels ----

int small(const char* where, std::int64_t length) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 30;
  if (length <= kLongest) return static_cast<int>(length);
  raise({.where = where,
         .what = "an axis is too long for CUDA",
         .got = std::to_string(length),
         .expected = "at most 2^30",
         .hint = {}});
}

template <class E, int kRank>
class MaxPool final : public PreparedKernel {
 public:
  MaxPool(ir::OpId op, const char* where, const ir::WindowSizes& sizes) : op_(op), n_(sizes.n) {
    params_.channels = small(where, sizes.c);
    for (int i = 0; i < kRank; ++i) {
      const auto at = static_cast<std::size_t>(ir::kMaxWindowRank - kRank + i);
      const ir::WindowAxis& axis = sizes.window.axes[at];
      params_.axes[i] = {small(where, sizes.image[at]), small(where, sizes.windows[at]),
                         small(where, axis.kernel), small(where, axis.stride),
                         small(where, axis.low)};
    }
  }

  void launch(const LaunchCall& call) const override {
    const bool forward = op_ == ir::OpId::max_pool;
    PoolParams<kRank> params = params_;
    params.from = call.inputs[0];
    params.to = call.outputs[0];
    if (forward) {
      params.index_to = static_cast<std::uint8_t*>(call.outputs[1]);
    } else {
      params.index_from = static_cast<const std::uint8_t*>(call.inputs[1]);
    }
    constexpr int kLanes = 16 / static_cast<int>(sizeof(E));
    const std::int64_t index_address =
        forward ? address_of(call.outputs[1]) : address_of(call.inputs[1]);
    const bool whole = params.channels % kLanes == 0 && index_address % kLanes == 0 &&
                       (address_of(params.from) | address_of(params.to)) % 16 == 0;
    whole ? launch_lanes<kLanes>(call, params) : launch_lanes<1>(call, params);
  }

 private:
  template <int kLanes>
  void launch_lanes(const LaunchCall& call, PoolParams<kRank> params) const {
    const bool gradient = op_ == ir::OpId::max_pool_gradient;
    params.count = n_ * (params.channels / kLanes);
    for (const Axis& axis : params.axes) params.count *= gradient ? axis.image : axis.windows;
    if (op_ == ir::OpId::max_pool) {
      launch_items("max_pool", pool_forward<E, kLanes, kRank>, params.count, call.stream, params);
    } else if (gradient) {
      launch_items("max_pool_gradient", pool_gradient<E, kLanes, kRank>, params.count, call.stream,
                   params);
    } else {
      launch_items("max_pool_gather", pool_gather<E, kLanes, kRank>, params.count, call.stream,
                   params);
    }
  }

  ir::OpId op_;
  std::int64_t n_;
  PoolParams<kRank> params_{};
};

template <class E>
std::unique_ptr<PreparedKernel> pooling(ir::OpId op, const char* where,
                                        const ir::WindowSizes& sizes) {
  if (sizes.window.rank == 3) return std::make_unique<MaxPool<E, 3>>(op, where, sizes);
  return std::make_unique<MaxPool<E, 2>>(op, where, sizes);
}

std::unique_ptr<PreparedKernel> prepare_pooling(const KernelCall& call) {
  const char* where = call.op == ir::OpId::max_pool_gradient ? "max_pool_gradient" : "max_pool";
  const ir::WindowSizes sizes = ir::pooling_sizes(where, call.inputs[0].shape, call.attributes);
  switch (call.output_dtypes[0]) {
    case Dtype::f32:
      return pooling<float>(call.op, where, sizes);
    case Dtype::f64:
      return pooling<double>(call.op, where, sizes);
    case Dtype::bf16:
      return pooling<Bf16>(call.op, where, sizes);
    case Dtype::f16:
      return pooling<F16>(call.op, where, sizes);
    default:
      throw ir::InternalError(std::string(where) + ": no kernel for " +
                              std::string(name_of(call.output_dtypes[0])));
  }
}

}  // namespace

const Kernel kMaxPool{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPoolGradient{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPoolGather{.accepts = nullptr, .prepare = prepare_pooling};

}  // namespace sinter::backend::cuda
