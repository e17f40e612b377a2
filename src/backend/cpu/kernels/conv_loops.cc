#include "backend/cpu/kernels/conv_loops.h"

#include <algorithm>
#include <cstdint>

#include "backend/cpu/isa.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

using ir::WindowAxis;
using ir::WindowSizes;

// The taps k of one axis for which position out * stride - padding + k * dilation lies in [0,
// length).
struct Taps {
  std::int64_t begin, end;
};
[[gnu::always_inline]] inline Taps taps(std::int64_t start, std::int64_t count,
                                        std::int64_t dilation, std::int64_t length) {
  const std::int64_t begin = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t room = length - 1 - start;
  const std::int64_t end = room < 0 ? 0 : std::min(count, room / dilation + 1);
  return {begin, std::max(begin, end)};
}

// Sums of so many output channels go side by side: one alone would wait for each addition.
constexpr std::int64_t kOutputs = 8;

// One row of y.
template <class T>
struct ForwardRow {
  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const T* x, const T* w, T* y,
                                                 std::int64_t row) {
    const auto& axes = s.window.axes;
    const std::int64_t plane = row / s.windows[1];
    const T* const image = x + plane / s.windows[0] * s.pixels() * s.c;
    Window window;
    window.start[0] = plane % s.windows[0] * axes[0].stride - axes[0].low;
    window.start[1] = row % s.windows[1] * axes[1].stride - axes[1].low;
    window.taps[0] = taps(window.start[0], axes[0].kernel, axes[0].dilation, s.image[0]);
    window.taps[1] = taps(window.start[1], axes[1].kernel, axes[1].dilation, s.image[1]);
    const std::int64_t filter = s.window.taps() * s.c_of_group();
    const std::int64_t group = s.o_of_group();
    for (std::int64_t column = 0; column < s.windows[2]; ++column) {
      window.start[2] = column * axes[2].stride - axes[2].low;
      window.taps[2] = taps(window.start[2], axes[2].kernel, axes[2].dilation, s.image[2]);
      T* const to = y + (row * s.windows[2] + column) * s.o;
      for (std::int64_t g = 0; g < s.window.groups; ++g) {
        const T* const from = image + g * s.c_of_group();
        const std::int64_t end = (g + 1) * group;
        std::int64_t o = g * group;
        for (; o + kOutputs <= end; o += kOutputs) {
          add_up<true>(s, window, from, w + o * filter, filter, kOutputs, to + o);
        }
        if (o < end) add_up<false>(s, window, from, w + o * filter, filter, end - o, to + o);
      }
    }
  }

  // Where a window's taps lie in the image: the first tap, and those inside.
  struct Window {
    std::int64_t start[3];
    Taps taps[3];
  };

  // `outputs` channels of one pixel of y, from the channels of one group; kOutputs where `whole`.
  template <bool whole>
  [[gnu::always_inline]] static inline void add_up(const WindowSizes& s, const Window& window,
                                                   const T* image, const T* w, std::int64_t filter,
                                                   std::int64_t outputs, T* y) {
    const auto& axes = s.window.axes;
    const std::int64_t channels = s.c_of_group();
    T sums[kOutputs] = {};
    for (std::int64_t kd = window.taps[0].begin; kd < window.taps[0].end; ++kd) {
      const std::int64_t plane = window.start[0] + kd * axes[0].dilation;
      for (std::int64_t kh = window.taps[1].begin; kh < window.taps[1].end; ++kh) {
        const std::int64_t line = plane * s.image[1] + window.start[1] + kh * axes[1].dilation;
        for (std::int64_t kw = window.taps[2].begin; kw < window.taps[2].end; ++kw) {
          const T* from =
              image + (line * s.image[2] + window.start[2] + kw * axes[2].dilation) * s.c;
          const T* weights = w + ((kd * axes[1].kernel + kh) * axes[2].kernel + kw) * channels;
          add_tap<whole>(from, weights, filter, channels, outputs, sums);
        }
      }
    }
    std::copy_n(sums, outputs, y);
  }

  template <bool whole>
  [[gnu::always_inline]] static inline void add_tap(const T* from, const T* weights,
                                                    std::int64_t filter, std::int64_t channels,
                                                    std::int64_t outputs, T (&sums)[kOutputs]) {
    if constexpr (whole) {
      for (std::int64_t c = 0; c < channels; ++c) {
#pragma GCC unroll 8
        for (std::int64_t i = 0; i < kOutputs; ++i) sums[i] += from[c] * weights[i * filter + c];
      }
    } else {
      for (std::int64_t i = 0; i < outputs; ++i) {
        for (std::int64_t c = 0; c < channels; ++c) sums[i] += from[c] * weights[i * filter + c];
      }
    }
  }
};

// The window along one axis whose tap `tap` lies on the pixel `pixel`, or -1.
[[gnu::always_inline]] inline std::int64_t window_on(const WindowAxis& axis, std::int64_t pixel,
                                                     std::int64_t tap, std::int64_t windows) {
  const std::int64_t distance = pixel + axis.low - tap * axis.dilation;
  if (distance < 0 || distance % axis.stride != 0) return -1;
  const std::int64_t window = distance / axis.stride;
  return window < windows ? window : -1;
}

// One row of dx: for each pixel the windows that contain it, in ascending tap order.
template <class T>
struct InputGradientRow {
  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const T* dy, const T* w,
                                                 T* dx, std::int64_t row) {
    const auto& axes = s.window.axes;
    const std::int64_t plane = row / s.image[1];
    const T* const image = dy + plane / s.image[0] * s.positions() * s.o;
    for (std::int64_t column = 0; column < s.image[2]; ++column) {
      T* const to = dx + (row * s.image[2] + column) * s.c;
      for (std::int64_t c = 0; c < s.c; ++c) to[c] = T{0};
      for (std::int64_t kd = 0; kd < axes[0].kernel; ++kd) {
        const std::int64_t d = window_on(axes[0], plane % s.image[0], kd, s.windows[0]);
        if (d < 0) continue;
        for (std::int64_t kh = 0; kh < axes[1].kernel; ++kh) {
          const std::int64_t h = window_on(axes[1], row % s.image[1], kh, s.windows[1]);
          if (h < 0) continue;
          for (std::int64_t kw = 0; kw < axes[2].kernel; ++kw) {
            const std::int64_t v = window_on(axes[2], column, kw, s.windows[2]);
            if (v < 0) continue;
            add_tap(s, image + ((d * s.windows[1] + h) * s.windows[2] + v) * s.o, w,
                    (kd * axes[1].kernel + kh) * axes[2].kernel + kw, to);
          }
        }
      }
    }
  }

  [[gnu::always_inline]] static inline void add_tap(const WindowSizes& s, const T* from, const T* w,
                                                    std::int64_t tap, T* dx) {
    const std::int64_t group = s.o_of_group();
    const std::int64_t channels = s.c_of_group();
    const std::int64_t taps = s.window.taps();
    for (std::int64_t g = 0; g < s.window.groups; ++g) {
      T* const to = dx + g * channels;
      for (std::int64_t o = g * group; o < (g + 1) * group; ++o) {
        const T factor = from[o];
        const T* weights = w + (o * taps + tap) * channels;
#pragma omp simd
        for (std::int64_t c = 0; c < channels; ++c) to[c] += factor * weights[c];
      }
    }
  }
};

// dw of one tap, for kOutputs output channels of a group (its last block may have fewer).
template <class T>
struct WeightGradientTap {
  static std::int64_t blocks_of_group(const WindowSizes& s) {
    return (s.o_of_group() + kOutputs - 1) / kOutputs;
  }

  [[gnu::always_inline]] static inline void call(const WindowSizes& s, const T* x, const T* dy,
                                                 T* dw, std::int64_t number) {
    const std::int64_t taps = s.window.taps();
    const std::int64_t blocks = blocks_of_group(s);
    const std::int64_t group = number / taps / blocks;
    const std::int64_t first = number / taps % blocks * kOutputs;
    const std::int64_t o = group * s.o_of_group() + first;
    const std::int64_t channels = s.c_of_group();
    const Block block{.outputs = std::min(kOutputs, s.o_of_group() - first),
                      .channels = channels,
                      .stride = taps * channels,
                      .to = dw + (o * taps + number % taps) * channels};
    if (channels <= kFew && block.outputs == kOutputs) {
      T few[kFew * kOutputs] = {};
      add_up<true>(s, x + group * channels, dy + o, number % taps, block, few);
      for (std::int64_t i = 0; i < kOutputs; ++i) {
        for (std::int64_t c = 0; c < channels; ++c) {
          block.to[i * block.stride + c] = few[c * kOutputs + i];
        }
      }
    } else {
      for (std::int64_t i = 0; i < block.outputs; ++i) {
        std::fill_n(block.to + i * block.stride, channels, T{0});
      }
      add_up<false>(s, x + group * channels, dy + o, number % taps, block, nullptr);
    }
  }

  struct Block {
    std::int64_t outputs, channels;
    std::int64_t stride;  // from one output channel's weights to the next one's
    T* to;
  };

  template <bool is_few>
  [[gnu::always_inline]] static inline void add_up(const WindowSizes& s, const T* x, const T* dy,
                                                   std::int64_t tap, const Block& block, T* few) {
    const auto& axes = s.window.axes;
    const std::int64_t line_tap = tap / axes[2].kernel;
    const std::int64_t front = line_tap / axes[1].kernel * axes[0].dilation - axes[0].low;
    const std::int64_t top = line_tap % axes[1].kernel * axes[1].dilation - axes[1].low;
    const std::int64_t left = tap % axes[2].kernel * axes[2].dilation - axes[2].low;
    for (std::int64_t row = 0; row < s.n * s.windows[0] * s.windows[1]; ++row) {
      const std::int64_t plane = row / s.windows[1];
      const std::int64_t d = plane % s.windows[0] * axes[0].stride + front;
      const std::int64_t h = row % s.windows[1] * axes[1].stride + top;
      if (d < 0 || d >= s.image[0] || h < 0 || h >= s.image[1]) continue;
      const std::int64_t line = (plane / s.windows[0] * s.image[0] + d) * s.image[1] + h;
      for (std::int64_t column = 0; column < s.windows[2]; ++column) {
        const std::int64_t w = column * axes[2].stride + left;
        if (w < 0 || w >= s.image[2]) continue;
        const T* factors = dy + (row * s.windows[2] + column) * s.o;
        const T* from = x + (line * s.image[2] + w) * s.c;
        if constexpr (is_few) {
          add_few(factors, from, block.channels, few);
        } else {
          add_pixel(factors, from, block);
        }
      }
    }
  }

  [[gnu::always_inline]] static inline void add_few(const T* factors, const T* from,
                                                    std::int64_t channels, T* few) {
    for (std::int64_t c = 0; c < channels; ++c) {
#pragma omp simd
      for (std::int64_t i = 0; i < kOutputs; ++i) few[c * kOutputs + i] += factors[i] * from[c];
    }
  }

  [[gnu::always_inline]] static inline void add_pixel(const T* factors, const T* from,
                                                      const Block& block) {
    for (std::int64_t i = 0; i < block.outputs; ++i) {
      const T factor = factors[i];
      T* const sums = block.to + i * block.stride;
#pragma omp simd
      for (std::int64_t c = 0; c < block.channels; ++c) sums[c] += factor * from[c];
    }
  }

  static constexpr std::int64_t kFew = 8;  // channels: too few to fill vectors
};

template <class T>
class LoopKernel final : public PreparedKernel {
 public:
  LoopKernel(ir::OpId op, const WindowSizes& sizes) : op_(op), sizes_(sizes) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const WindowSizes& s = sizes_;
    const auto* a = static_cast<const T*>(inputs[0]);
    const auto* b = static_cast<const T*>(inputs[1]);
    auto* result = static_cast<T*>(outputs[0]);
    if (op_ == ir::OpId::conv) {
      parallel_for(s.n * s.windows[0] * s.windows[1], 1, [&](std::int64_t begin, std::int64_t end) {
        for_this_isa<ForwardRow<T>>(begin, end, s, a, b, result);
      });
    } else if (op_ == ir::OpId::conv_input_gradient) {
      parallel_for(s.n * s.image[0] * s.image[1], 1, [&](std::int64_t begin, std::int64_t end) {
        for_this_isa<InputGradientRow<T>>(begin, end, s, a, b, result);
      });
    } else {
      const std::int64_t blocks = s.window.groups * WeightGradientTap<T>::blocks_of_group(s);
      parallel_for(blocks * s.window.taps(), 1, [&](std::int64_t begin, std::int64_t end) {
        for_this_isa<WeightGradientTap<T>>(begin, end, s, a, b, result);
      });
    }
  }

 private:
  ir::OpId op_;
  WindowSizes sizes_;
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_conv_loops(ir::OpId op, Dtype dtype,
                                                   const WindowSizes& sizes) {
  if (dtype == Dtype::f64) return std::make_unique<LoopKernel<double>>(op, sizes);
  return std::make_unique<LoopKernel<float>>(op, sizes);
}

}  // namespace sinter::backend::cpu
