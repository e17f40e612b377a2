// Max pooling of images (N, spatial..., C), vectorised over channels. Each result element is
// written by one thread from its own index only, so the bits do not depend on the number of
// threads.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/half_element.h"
#include "base/parallel.h"
#include "ir/internal_error.h"
#include "ir/window.h"

namespace sinter::backend::cpu {
namespace {

using ir::WindowAxis;
using ir::WindowSizes;

// The part [begin, end) of a range of taps or of windows.
struct Range {
  std::int64_t begin, end;
};

// The taps of a window along one axis that lie inside the image; the first tap is at `start`.
[[gnu::always_inline]] inline Range taps_inside(const WindowAxis& axis, std::int64_t start,
                                                std::int64_t length) {
  return {start < 0 ? -start : 0, std::max<std::int64_t>(0, std::min(axis.kernel, length - start))};
}

// The windows along one axis that contain a pixel, counted from the first padded one.
[[gnu::always_inline]] inline Range windows_on(const WindowAxis& axis, std::int64_t pixel,
                                               std::int64_t windows) {
  return {pixel < axis.kernel ? 0 : (pixel - axis.kernel) / axis.stride + 1,
          std::min(windows, pixel / axis.stride + 1)};
}

// The lines of an image that a row of windows covers, in ascending order; at most as many as a
// window has taps.
template <class T>
struct Lines {
  const T* from[256];
  std::int64_t first_tap[256];
  int count = 0;

  [[gnu::always_inline]] inline Lines(const WindowSizes& s, const T* x, std::int64_t row) {
    const auto& axes = s.window.axes;
    const std::int64_t plane = row / s.windows[1];
    const T* const image = x + plane / s.windows[0] * s.pixels() * s.c;
    const std::int64_t front = plane % s.windows[0] * axes[0].stride - axes[0].low;
    const std::int64_t top = row % s.windows[1] * axes[1].stride - axes[1].low;
    const Range planes = taps_inside(axes[0], front, s.image[0]);
    const Range rows = taps_inside(axes[1], top, s.image[1]);
    for (std::int64_t kd = planes.begin; kd < planes.end; ++kd) {
      for (std::int64_t kh = rows.begin; kh < rows.end; ++kh) {
        const std::int64_t line = (front + kd) * s.image[1] + top + kh;
        from[count] = image + line * s.image[2] * s.c;
        first_tap[count++] = (kd * axes[1].kernel + kh) * axes[2].kernel;
      }
    }
  }
};

// The lines of windows that contain a line of pixels, in ascending order, and the tap of each that
// lies above its first pixel.
struct WindowLines {
  std::int64_t line[256];
  std::int64_t first_tap[256];
  int count = 0;

  [[gnu::always_inline]] inline WindowLines(const WindowSizes& s, std::int64_t row) {
    const auto& axes = s.window.axes;
    const std::int64_t plane = row / s.image[1];
    const std::int64_t n = plane / s.image[0];
    const std::int64_t d = plane % s.image[0] + axes[0].low;
    const std::int64_t h = row % s.image[1] + axes[1].low;
    const Range planes = windows_on(axes[0], d, s.windows[0]);
    const Range rows = windows_on(axes[1], h, s.windows[1]);
    for (std::int64_t i = planes.begin; i < planes.end; ++i) {
      for (std::int64_t j = rows.begin; j < rows.end; ++j) {
        line[count] = (n * s.windows[0] + i) * s.windows[1] + j;
        first_tap[count++] =
            ((d - i * axes[0].stride) * axes[1].kernel + h - j * axes[1].stride) * axes[2].kernel;
      }
    }
  }
};

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

  [[gnu::always_inline]] inline Pixels(const WindowSizes& s, const Lines<T>& lines,
                                       std::int64_t left) {
    const Range columns = taps_inside(s.window.axes[2], left, s.image[2]);
    for (int i = 0; i < lines.count; ++i) {
      for (std::int64_t kw = columns.begin; kw < columns.end; ++kw) {
        from[count] = lines.from[i] + (left + kw) * s.c;
        position[count++] = static_cast<std::uint8_t>(lines.first_tap[i] + kw);
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

template <class E>
struct ForwardRow {
  using T = Computed<E>;

  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const E* x, E* y,
                                                 std::uint8_t* index, std::int64_t row) {
    const WindowAxis& columns = s.window.axes[2];
    const Lines<E> lines(s, x, row);
    for (std::int64_t column = 0; column < s.windows[2]; ++column) {
      const Pixels<E> pixels(s, lines, column * columns.stride - columns.low);
      const std::int64_t at = (row * s.windows[2] + column) * s.c;
      if (pixels.count == 0) {  // a window of padding only
        std::fill_n(y + at, s.c, rounded_to<E>(-std::numeric_limits<T>::infinity()));
        std::fill_n(index + at, s.c, std::uint8_t{0});
        continue;
      }
      pass<true>(pixels, 0, s.c, y + at, index + at);
      for (int k = kPass; k < pixels.count; k += kPass) {
        pass<false>(pixels, k, s.c, y + at, index + at);
      }
    }
  }

  template <bool first>
  [[gnu::always_inline]] static inline void pass(const Pixels<E>& pixels, int k,
                                                 std::int64_t channels, E* y, std::uint8_t* index) {
    const E* const a = pixels.from[k];
    const E* const b = pixels.from[k + 1];
    const E* const c = pixels.from[k + 2];
    const E* const d = pixels.from[k + 3];
    const PositionOf<T> at_a = pixels.position[k], at_b = pixels.position[k + 1];
    const PositionOf<T> at_c = pixels.position[k + 2], at_d = pixels.position[k + 3];
#pragma omp simd
    for (std::int64_t i = 0; i < channels; ++i) {
      T best = widened(first ? a[i] : y[i]);
      PositionOf<T> where = first ? at_a : static_cast<PositionOf<T>>(index[i]);
      if constexpr (!first) {
        const PositionOf<T> stays_a = stays<T>(best, widened(a[i]));
        best = choose<T>(stays_a, best, widened(a[i]));
        where = (where & stays_a) | (at_a & ~stays_a);
      }
      const PositionOf<T> stays_b = stays<T>(best, widened(b[i]));
      best = choose<T>(stays_b, best, widened(b[i]));
      where = (where & stays_b) | (at_b & ~stays_b);
      const PositionOf<T> stays_c = stays<T>(best, widened(c[i]));
      best = choose<T>(stays_c, best, widened(c[i]));
      where = (where & stays_c) | (at_c & ~stays_c);
      const PositionOf<T> stays_d = stays<T>(best, widened(d[i]));
      best = choose<T>(stays_d, best, widened(d[i]));
      where = (where & stays_d) | (at_d & ~stays_d);
      y[i] = rounded_to<E>(best);
      index[i] = static_cast<std::uint8_t>(where);
    }
  }
};

// dx of one row: every pixel asks the windows that contain it, in ascending order.
template <class E>
struct GradientRow {
  using T = Computed<E>;
  // Sums of so many 16-bit elements are kept in f32 at a time.
  static constexpr std::int64_t kSums = 256;

  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const E* dy,
                                                 const std::uint8_t* index, E* dx,
                                                 std::int64_t row) {
    const WindowLines lines(s, row);
    for (std::int64_t column = 0; column < s.image[2]; ++column) {
      E* to = dx + (row * s.image[2] + column) * s.c;
      if constexpr (std::is_same_v<E, T>) {
        add_pixel(s, lines, column, dy, index, s.c, to);
      } else {
        for (std::int64_t begin = 0; begin < s.c; begin += kSums) {
          T sums[kSums];
          const std::int64_t count = std::min(kSums, s.c - begin);
          add_pixel(s, lines, column, dy + begin, index + begin, count, sums);
          round(sums, count, to + begin);
        }
      }
    }
  }

  // `count` channels of one pixel of the row.
  [[gnu::always_inline]] static inline void add_pixel(const WindowSizes& s,
                                                      const WindowLines& lines, std::int64_t column,
                                                      const E* dy, const std::uint8_t* index,
                                                      std::int64_t count, T* to) {
    const WindowAxis& axis = s.window.axes[2];
    const std::int64_t w = column + axis.low;
    const Range windows = windows_on(axis, w, s.windows[2]);
    bool first = true;
    for (int i = 0; i < lines.count; ++i) {
      for (std::int64_t k = windows.begin; k < windows.end; ++k) {
        const auto tap = static_cast<PositionOf<T>>(lines.first_tap[i] + w - k * axis.stride);
        const std::int64_t at = (lines.line[i] * s.windows[2] + k) * s.c;
        add(dy + at, index + at, tap, count, first, to);
        first = false;
      }
    }
    if (first) std::fill(to, to + count, T{0});
  }

  [[gnu::always_inline]] static inline void round(const T* sums, std::int64_t count, E* to) {
#pragma omp simd
    for (std::int64_t c = 0; c < count; ++c) to[c] = rounded_to<E>(sums[c]);
  }

  // The fold starts from +0, so that a single -0 gives +0 however many windows there are.
  [[gnu::always_inline]] static inline void add(const E* dy, const std::uint8_t* index,
                                                PositionOf<T> position, std::int64_t count,
                                                bool first, T* to) {
    if (first) {
#pragma omp simd
      for (std::int64_t c = 0; c < count; ++c) {
        to[c] = T{0} + where(widened(dy[c]), index[c], position);
      }
    } else {
#pragma omp simd
      for (std::int64_t c = 0; c < count; ++c) to[c] += where(widened(dy[c]), index[c], position);
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
template <class E>
struct GatherRow {
  using T = Computed<E>;

  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const E* x,
                                                 const std::uint8_t* index, E* y,
                                                 std::int64_t row) {
    const WindowAxis& columns = s.window.axes[2];
    const Lines<E> lines(s, x, row);
    for (std::int64_t column = 0; column < s.windows[2]; ++column) {
      const Pixels<E> pixels(s, lines, column * columns.stride - columns.low);
      const std::int64_t at = (row * s.windows[2] + column) * s.c;
      if (pixels.count == 0) std::fill_n(y + at, s.c, E{});
      if (pixels.count > 0) pass<true>(pixels, 0, s.c, index + at, y + at);
      for (int k = kPass; k < pixels.count; k += kPass) {
        pass<false>(pixels, k, s.c, index + at, y + at);
      }
    }
  }

  template <bool first>
  [[gnu::always_inline]] static inline void pass(const Pixels<E>& pixels, int k,
                                                 std::int64_t channels, const std::uint8_t* index,
                                                 E* y) {
    const E* const a = pixels.from[k];
    const E* const b = pixels.from[k + 1];
    const E* const c = pixels.from[k + 2];
    const E* const d = pixels.from[k + 3];
    const PositionOf<T> at_a = pixels.position[k], at_b = pixels.position[k + 1];
    const PositionOf<T> at_c = pixels.position[k + 2], at_d = pixels.position[k + 3];
#pragma omp simd
    for (std::int64_t i = 0; i < channels; ++i) {
      const PositionOf<T> where = index[i];
      T value = first ? T{0} : widened(y[i]);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_a), widened(a[i]), value);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_b), widened(b[i]), value);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_c), widened(c[i]), value);
      value = choose<T>(-static_cast<PositionOf<T>>(where == at_d), widened(d[i]), value);
      y[i] = rounded_to<E>(value);
    }
  }
};

// ---- kernels ----

// Parallel over rows; some 16 Ki elements of the larger side make a thread worth its start.
template <class Row, class... Arguments>
void run_rows(const WindowSizes& s, std::int64_t rows, std::int64_t row_elements,
              Arguments... arguments) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, row_elements));
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for_this_isa<Row>(begin, end, s, arguments...);
  });
}

template <class T>
class MaxPool final : public PreparedKernel {
 public:
  MaxPool(ir::OpId op, const WindowSizes& sizes) : op_(op), s_(sizes) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* values = static_cast<const T*>(inputs[0]);
    auto* result = static_cast<T*>(outputs[0]);
    const auto& axes = s_.window.axes;
    const std::int64_t rows = s_.n * s_.windows[0] * s_.windows[1];
    const std::int64_t row_elements = axes[0].stride * axes[1].stride * s_.image[2] * s_.c;
    if (op_ == ir::OpId::max_pool) {
      auto* index = static_cast<std::uint8_t*>(outputs[1]);
      run_rows<ForwardRow<T>>(s_, rows, row_elements, values, result, index);
    } else if (op_ == ir::OpId::max_pool_gradient) {
      const auto* index = static_cast<const std::uint8_t*>(inputs[1]);
      run_rows<GradientRow<T>>(s_, s_.n * s_.image[0] * s_.image[1], s_.image[2] * s_.c, values,
                               index, result);
    } else {
      const auto* index = static_cast<const std::uint8_t*>(inputs[1]);
      run_rows<GatherRow<T>>(s_, rows, row_elements, values, index, result);
    }
  }

 private:
  ir::OpId op_;
  WindowSizes s_;
};

std::unique_ptr<PreparedKernel> prepare_pooling(const KernelCall& call) {
  const char* where = call.op == ir::OpId::max_pool_gradient ? "max_pool_gradient" : "max_pool";
  const WindowSizes sizes = ir::pooling_sizes(where, call.inputs[0].shape, call.attributes);
  switch (call.output_dtypes[0]) {
    case Dtype::f32:
      return std::make_unique<MaxPool<float>>(call.op, sizes);
    case Dtype::f64:
      return std::make_unique<MaxPool<double>>(call.op, sizes);
    case Dtype::bf16:
      return std::make_unique<MaxPool<Bf16>>(call.op, sizes);
    case Dtype::f16:
      return std::make_unique<MaxPool<F16>>(call.op, sizes);
    default:
      throw ir::InternalError(std::string(where) + ": no kernel for " +
                              std::string(name_of(call.output_dtypes[0])));
  }
}

}  // namespace

const Kernel kMaxPool{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPoolGradient{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPoolGather{.accepts = nullptr, .prepare = prepare_pooling};

}  // namespace sinter::backend::cpu
