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
#include "base/parallel.h"
#include "ir/window.h"
#include "sinter/error.h"

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

// A row of windows: its image, and where its windows' first taps lie along the outer axes.
template <class T>
struct Row {
  const T* image;
  std::int64_t front, top;

  [[gnu::always_inline]] inline Row(const WindowSizes& s, const T* x, std::int64_t row) {
    const std::int64_t plane = row / s.windows[1];
    image = x + plane / s.windows[0] * s.pixels() * s.c;
    front = plane % s.windows[0] * s.window.axes[0].stride - s.window.axes[0].low;
    top = row % s.windows[1] * s.window.axes[1].stride - s.window.axes[1].low;
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

  [[gnu::always_inline]] inline Pixels(const WindowSizes& s, const Row<T>& row, std::int64_t left) {
    const auto& axes = s.window.axes;
    const Range planes = taps_inside(axes[0], row.front, s.image[0]);
    const Range rows = taps_inside(axes[1], row.top, s.image[1]);
    const Range columns = taps_inside(axes[2], left, s.image[2]);
    for (std::int64_t kd = planes.begin; kd < planes.end; ++kd) {
      for (std::int64_t kh = rows.begin; kh < rows.end; ++kh) {
        const std::int64_t line = (row.front + kd) * s.image[1] + row.top + kh;
        const std::int64_t first = (kd * axes[1].kernel + kh) * axes[2].kernel;
        for (std::int64_t kw = columns.begin; kw < columns.end; ++kw) {
          from[count] = row.image + (line * s.image[2] + left + kw) * s.c;
          position[count++] = static_cast<std::uint8_t>(first + kw);
        }
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
  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const T* x, T* y,
                                                 std::uint8_t* index, std::int64_t number) {
    const WindowAxis& columns = s.window.axes[2];
    const Row<T> row(s, x, number);
    for (std::int64_t column = 0; column < s.windows[2]; ++column) {
      const Pixels<T> pixels(s, row, column * columns.stride - columns.low);
      const std::int64_t at = (number * s.windows[2] + column) * s.c;
      if (pixels.count == 0) {  // a window of padding only
        std::fill_n(y + at, s.c, -std::numeric_limits<T>::infinity());
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

// dx of one row: every pixel asks the windows that contain it, in ascending order.
template <class T>
struct GradientRow {
  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const T* dy,
                                                 const std::uint8_t* index, T* dx,
                                                 std::int64_t row) {
    const auto& axes = s.window.axes;
    const std::int64_t plane = row / s.image[1];
    const std::int64_t n = plane / s.image[0];
    const std::int64_t d = plane % s.image[0] + axes[0].low;
    const std::int64_t h = row % s.image[1] + axes[1].low;
    const Range planes = windows_on(axes[0], d, s.windows[0]);
    const Range rows = windows_on(axes[1], h, s.windows[1]);
    for (std::int64_t column = 0; column < s.image[2]; ++column) {
      T* to = dx + (row * s.image[2] + column) * s.c;
      const std::int64_t w = column + axes[2].low;
      const Range columns = windows_on(axes[2], w, s.windows[2]);
      bool first = true;
      for (std::int64_t i = planes.begin; i < planes.end; ++i) {
        for (std::int64_t j = rows.begin; j < rows.end; ++j) {
          const std::int64_t line = (n * s.windows[0] + i) * s.windows[1] + j;
          const std::int64_t line_tap =
              ((d - i * axes[0].stride) * axes[1].kernel + h - j * axes[1].stride) * axes[2].kernel;
          for (std::int64_t k = columns.begin; k < columns.end; ++k) {
            const auto position = static_cast<PositionOf<T>>(line_tap + w - k * axes[2].stride);
            const std::int64_t at = (line * s.windows[2] + k) * s.c;
            add(dy + at, index + at, position, s.c, first, to);
            first = false;
          }
        }
      }
      if (first) std::fill(to, to + s.c, T{0});
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
  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const T* x,
                                                 const std::uint8_t* index, T* y,
                                                 std::int64_t number) {
    const WindowAxis& columns = s.window.axes[2];
    const Row<T> row(s, x, number);
    for (std::int64_t column = 0; column < s.windows[2]; ++column) {
      const Pixels<T> pixels(s, row, column * columns.stride - columns.low);
      const std::int64_t at = (number * s.windows[2] + column) * s.c;
      if (pixels.count == 0) std::fill_n(y + at, s.c, T{0});
      if (pixels.count > 0) pass<true>(pixels, 0, s.c, index + at, y + at);
      for (int k = kPass; k < pixels.count; k += kPass) {
        pass<false>(pixels, k, s.c, index + at, y + at);
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
    default:
      raise({.where = where,
             .what = "there is no max pooling in this type on the CPU",
             .got = std::string(name_of(call.output_dtypes[0])),
             .expected = "f32 or f64",
             .hint = "cast the images"});
  }
}

}  // namespace

const Kernel kMaxPool{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPoolGradient{.accepts = nullptr, .prepare = prepare_pooling};
const Kernel kMaxPoolGather{.accepts = nullptr, .prepare = prepare_pooling};

}  // namespace sinter::backend::cpu
