// Max pooling of images (N, H, W, C), vectorised over channels. Each result element is written by
// one thread from its own index only, so the bits do not depend on the number of threads.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

// x (N, H, W, C), y (N, HO, WO, C).
struct Pooling {
  std::int64_t n, h, w, c, ho, wo, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;

  // The part [begin, end) of a window's axis that lies inside the image.
  static std::int64_t begin(std::int64_t start) { return start < 0 ? -start : 0; }
  static std::int64_t end(std::int64_t start, std::int64_t kernel, std::int64_t length) {
    return std::max<std::int64_t>(0, std::min(kernel, length - start));
  }
};

Pooling pooling_of(const KernelCall& call, const Shape& x, const Shape& y) {
  const auto& kernel = call.attributes.integers("kernel");
  const auto& stride = call.attributes.integers("stride");
  const auto& padding = call.attributes.integers("padding");
  return {x[0],      x[1],      x[2],      x[3],      y[1],       y[2],
          kernel[0], kernel[1], stride[0], stride[1], padding[0], padding[1]};
}

// ---- rows: one row of the result, for all instruction sets ----

// Pixels of a window handled in one pass over the channels: the running maxima stay in registers.
// (Kept in arrays, GCC stores them under masks, which later loads cannot pick up before they reach
// the cache.)
constexpr int kPass = 4;

// The pixels of one window that lie inside the image, in row-major order. The last one is repeated
// up to a multiple of kPass, which changes nothing: a pixel does not win against itself.
template <class T>
struct Pixels {
  const T* from[256 + kPass];
  std::uint8_t position[256 + kPass];
  int count = 0;

  [[gnu::always_inline]] inline Pixels(const Pooling& p, const T* image, std::int64_t top,
                                       std::int64_t left) {
    const std::int64_t h_end = Pooling::end(top, p.kernel_h, p.h);
    const std::int64_t w_begin = Pooling::begin(left);
    const std::int64_t w_end = Pooling::end(left, p.kernel_w, p.w);
    for (std::int64_t kh = Pooling::begin(top); kh < h_end; ++kh) {
      for (std::int64_t kw = w_begin; kw < w_end; ++kw) {
        from[count] = image + ((top + kh) * p.w + left + kw) * p.c;
        position[count++] = static_cast<std::uint8_t>(kh * p.kernel_w + kw);
      }
    }
    while (count % kPass != 0) {
      from[count] = from[count - 1];
      position[count] = position[count - 1];
      ++count;
    }
  }
};

// As wide as the values, so that one mask serves both.
template <class T>
using PositionOf = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;

// What follows takes and gives values, never references: a variable whose address is taken in a
// simd loop limits the loop to the vectors of the baseline. It chooses by masks, because a chain of
// selects becomes branches, which are not vectorised.

// All bits of `a` where `mask` is set, of `b` where it is clear.
template <class T>
[[gnu::always_inline]] inline T choose(PositionOf<T> mask, T a, T b) {
  using Bits = PositionOf<T>;
  return __builtin_bit_cast(
      T, (__builtin_bit_cast(Bits, a) & mask) | (__builtin_bit_cast(Bits, b) & ~mask));
}

// Whether the maximum so far stays. A NaN wins over all numbers and keeps its place against later
// NaNs; equal numbers keep the first.
template <class T>
[[gnu::always_inline]] inline PositionOf<T> stays(T best, T value) {
  return -static_cast<PositionOf<T>>(value <= best) | -static_cast<PositionOf<T>>(best != best);
}

template <class T>
struct ForwardRow {
  [[gnu::always_inline]] static inline void call(const Pooling& p, const T* x, T* y,
                                                 std::uint8_t* index, std::int64_t row) {
    const T* image = x + row / p.ho * p.h * p.w * p.c;
    const std::int64_t top = row % p.ho * p.stride_h - p.padding_h;
    for (std::int64_t wo = 0; wo < p.wo; ++wo) {
      const Pixels<T> pixels(p, image, top, wo * p.stride_w - p.padding_w);
      const std::int64_t at = (row * p.wo + wo) * p.c;
      if (pixels.count == 0) {  // a window of padding only
        std::fill_n(y + at, p.c, -std::numeric_limits<T>::infinity());
        std::fill_n(index + at, p.c, std::uint8_t{0});
        continue;
      }
      pass<true>(pixels, 0, p.c, y + at, index + at);
      for (int k = kPass; k < pixels.count; k += kPass) {
        pass<false>(pixels, k, p.c, y + at, index + at);
      }
    }
  }

  template <bool first>
  [[gnu::always_inline]] static inline void pass(const Pixels<T>& pixels, int k,
                                                 std::int64_t channels, T* y, std::uint8_t* index) {
    const T* const a = pixels.from[k];
    const T* const b = pixels.from[k + 1];
    const T* const c = pixels.from[k + 2];
    const T* const d = pixels.from[k + 3];
    const PositionOf<T> at_a = pixels.position[k], at_b = pixels.position[k + 1];
    const PositionOf<T> at_c = pixels.position[k + 2], at_d = pixels.position[k + 3];
#pragma omp simd
    for (std::int64_t i = 0; i < channels; ++i) {
      T best = first ? a[i] : y[i];
      PositionOf<T> where = first ? at_a : static_cast<PositionOf<T>>(index[i]);
      if constexpr (!first) {
        const PositionOf<T> stays_a = stays<T>(best, a[i]);
        best = choose<T>(stays_a, best, a[i]);
        where = (where & stays_a) | (at_a & ~stays_a);
      }
      const PositionOf<T> stays_b = stays<T>(best, b[i]);
      best = choose<T>(stays_b, best, b[i]);
      where = (where & stays_b) | (at_b & ~stays_b);
      const PositionOf<T> stays_c = stays<T>(best, c[i]);
      best = choose<T>(stays_c, best, c[i]);
      where = (where & stays_c) | (at_c & ~stays_c);
      const PositionOf<T> stays_d = stays<T>(best, d[i]);
      best = choose<T>(stays_d, best, d[i]);
      where = (where & stays_d) | (at_d & ~stays_d);
      y[i] = best;
      index[i] = static_cast<std::uint8_t>(where);
    }
  }
};

// dx of one row: every pixel asks the windows that contain it, in ascending (ho, wo) order.
template <class T>
struct GradientRow {
  [[gnu::always_inline]] static inline void call(const Pooling& p, const T* dy,
                                                 const std::uint8_t* index, T* dx,
                                                 std::int64_t row) {
    const std::int64_t n = row / p.h;
    const std::int64_t h = row % p.h + p.padding_h;
    const std::int64_t ho_begin = h < p.kernel_h ? 0 : (h - p.kernel_h) / p.stride_h + 1;
    const std::int64_t ho_end = std::min(p.ho, h / p.stride_h + 1);
    for (std::int64_t column = 0; column < p.w; ++column) {
      T* to = dx + (row * p.w + column) * p.c;
      const std::int64_t w = column + p.padding_w;
      const std::int64_t wo_begin = w < p.kernel_w ? 0 : (w - p.kernel_w) / p.stride_w + 1;
      const std::int64_t wo_end = std::min(p.wo, w / p.stride_w + 1);
      bool first = true;
      for (std::int64_t ho = ho_begin; ho < ho_end; ++ho) {
        for (std::int64_t wo = wo_begin; wo < wo_end; ++wo) {
          const auto position =
              static_cast<PositionOf<T>>((h - ho * p.stride_h) * p.kernel_w + w - wo * p.stride_w);
          const std::int64_t at = ((n * p.ho + ho) * p.wo + wo) * p.c;
          add(dy + at, index + at, position, p.c, first, to);
          first = false;
        }
      }
      if (first) std::fill(to, to + p.c, T{0});
    }
  }

  // The fold starts from +0, so that a single -0 gives +0 however many windows there are.
  [[gnu::always_inline]] static inline void add(const T* dy, const std::uint8_t* index,
                                                PositionOf<T> position, std::int64_t count,
                                                bool first, T* to) {
    if (first) {
#pragma omp simd
      for (std::int64_t c = 0; c < count; ++c) to[c] = T{0} + where(dy[c], index[c], position);
    } else {
#pragma omp simd
      for (std::int64_t c = 0; c < count; ++c) to[c] += where(dy[c], index[c], position);
    }
  }

  // `value` where the maximum stood at `position`, else 0.
  [[gnu::always_inline]] static inline T where(T value, std::uint8_t index,
                                               PositionOf<T> position) {
    const PositionOf<T> at = index;
    return choose<T>(-static_cast<PositionOf<T>>(at == position), value, T{0});
  }
};

// x at the recorded positions of one row of windows.
template <class T>
struct GatherRow {
  [[gnu::always_inline]] static inline void call(const Pooling& p, const T* x,
                                                 const std::uint8_t* index, T* y,
                                                 std::int64_t row) {
    const T* image = x + row / p.ho * p.h * p.w * p.c;
    const std::int64_t top = row % p.ho * p.stride_h - p.padding_h;
    for (std::int64_t wo = 0; wo < p.wo; ++wo) {
      const Pixels<T> pixels(p, image, top, wo * p.stride_w - p.padding_w);
      const std::int64_t at = (row * p.wo + wo) * p.c;
      if (pixels.count == 0) std::fill_n(y + at, p.c, T{0});
      if (pixels.count > 0) pass<true>(pixels, 0, p.c, index + at, y + at);
      for (int k = kPass; k < pixels.count; k += kPass) {
        pass<false>(pixels, k, p.c, index + at, y + at);
      }
    }
  }

  template <bool first>
  [[gnu::always_inline]] static inline void pass(const Pixels<T>& pixels, int k,
                                                 std::int64_t channels, const std::uint8_t* index,
                                                 T* y) {
    const T* const a = pixels.from[k];
    const T* const b = pixels.from[k + 1];
    const T* const c = pixels.from[k + 2];
    const T* const d = pixels.from[k + 3];
    const PositionOf<T> at_a = pixels.position[k], at_b = pixels.position[k + 1];
    const PositionOf<T> at_c = pixels.position[k + 2], at_d = pixels.position[k + 3];
#pragma omp simd
    for (std::int64_t i = 0; i < channels; ++i) {
      const PositionOf<T> where = index[i];
      T value = first ? T{0} : y[i];
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_a), a[i], value);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_b), b[i], value);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_c), c[i], value);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_d), d[i], value);
      y[i] = value;
    }
  }
};

// ---- kernels ----

// Parallel over rows; some 16 Ki elements of the larger side make a thread worth its start.
template <class Row, class... Arguments>
void run_rows(const Pooling& p, std::int64_t rows, std::int64_t row_elements,
              Arguments... arguments) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, row_elements));
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for_this_isa<Row>(begin, end, p, arguments...);
  });
}

template <class T>
class MaxPool final : public PreparedKernel {
 public:
  MaxPool(ir::OpId op, const Pooling& pooling) : op_(op), p_(pooling) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* values = static_cast<const T*>(inputs[0]);
    auto* result = static_cast<T*>(outputs[0]);
    const std::int64_t rows = p_.n * p_.ho;
    const std::int64_t row_elements = p_.stride_h * p_.w * p_.c;
    if (op_ == ir::OpId::max_pool2d) {
      auto* index = static_cast<std::uint8_t*>(outputs[1]);
      run_rows<ForwardRow<T>>(p_, rows, row_elements, values, result, index);
    } else if (op_ == ir::OpId::max_pool2d_gradient) {
      const auto* index = static_cast<const std::uint8_t*>(inputs[1]);
      run_rows<GradientRow<T>>(p_, p_.n * p_.h, p_.w * p_.c, values, index, result);
    } else {
      const auto* index = static_cast<const std::uint8_t*>(inputs[1]);
      run_rows<GatherRow<T>>(p_, rows, row_elements, values, index, result);
    }
  }

 private:
  ir::OpId op_;
  Pooling p_;
};

std::unique_ptr<PreparedKernel> prepare_pooling(const KernelCall& call) {
  const bool gradient = call.op == ir::OpId::max_pool2d_gradient;
  const Shape& outer = gradient ? call.outputs[0].shape : call.inputs[0].shape;
  const Shape& inner = gradient ? call.inputs[0].shape : call.outputs[0].shape;
  const Pooling pooling = pooling_of(call, outer, inner);
  switch (call.output_dtypes[0]) {
    case Dtype::f32:
      return std::make_unique<MaxPool<float>>(call.op, pooling);
    case Dtype::f64:
      return std::make_unique<MaxPool<double>>(call.op, pooling);
    default:
      raise({.where = gradient ? "max_pool2d_gradient" : "max_pool2d",
             .what = "there is no max pooling in this type on the CPU",
             .got = std::string(name_of(call.output_dtypes[0])),
             .expected = "f32 or f64",
             .hint = "cast the images"});
  }
}

}  // namespace

const Kernel kMaxPool2d{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPool2dGradient{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPool2dGather{.accepts = nullptr, .prepare = prepare_pooling};

}  // namespace sinter::backend::cpu
