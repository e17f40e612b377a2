// Convolutions of images (N, H, W, C) with weights (O, KH, KW, C): oneDNN in f32, and in bf16 where
// the processor multiplies it; loops in f64, and in f32 where oneDNN cannot serve. Other 16-bit
// convolutions are f32 ones of widened operands.
//
// oneDNN reads images as they lie (nhwc), but has fast kernels for weights in its blocked layouts
// only: on plain OHWI it falls back to its reference loops (0.3 GFLOP/s), on HWIO to im2col (half
// the speed of the blocked ones). Reordering the weights costs 1 to 5 microseconds for 3x3x32x64,
// so the rule is simple: the layout is always oneDNN's choice, and every run reorders into the
// workspace.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/team_kernel.h"
#include "backend/cpu/kernels/widened.h"
#include "backend/cpu/machine_code.h"
#include "backend/cpu/vendor/onednn.h"
#include "base/parallel.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

using dnnl::memory;
using onednn::Argument;
using onednn::Place;
using onednn::Recipe;

const char* name_of_op(ir::OpId op) {
  if (op == ir::OpId::conv2d) return "conv2d";
  return op == ir::OpId::conv2d_input_gradient ? "conv2d_input_gradient" : "conv2d_weight_gradient";
}

// The lengths of a convolution. x (N, H, W, C), w (O, KH, KW, C), y (N, HO, WO, O).
struct Sizes {
  std::int64_t n, h, w, c, o, kh, kw, ho, wo;
  std::int64_t stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
};

Sizes sizes_of(const KernelCall& call) {
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

double multiplications(const Sizes& s) {
  return static_cast<double>(s.n * s.ho * s.wo) * static_cast<double>(s.o * s.kh * s.kw * s.c);
}

// ---- f32 and bf16 ----

// The element types of x, w and y.
struct Types {
  memory::data_type x, w, y;
};

Types types_of(const KernelCall& call) {
  Types types{onednn::data_type(call.input_dtypes[0]), onednn::data_type(call.input_dtypes[1]),
              onednn::data_type(call.output_dtypes[0])};
  if (call.op == ir::OpId::conv2d_input_gradient) std::swap(types.x, types.y);
  if (call.op == ir::OpId::conv2d_weight_gradient) std::swap(types.w, types.y);
  return types;
}

memory::desc images(memory::data_type type, std::int64_t n, std::int64_t h, std::int64_t w,
                    std::int64_t c, memory::format_tag tag) {
  return {{n, c, h, w}, type, tag};
}

// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016) takes a quarter of the products of
// a 3x3 convolution. oneDNN has it on blocked images only, so images are reordered too, which pays
// where both numbers of channels are large: kWinogradChannels is where it began to, measured.
constexpr std::int64_t kBlock = 16;  // channels in a block of oneDNN's layouts
constexpr std::int64_t kWinogradChannels = 32;

bool suits_winograd(const Sizes& s) {
  const bool is_3x3 = s.kh == 3 && s.kw == 3 && s.stride_h == 1 && s.stride_w == 1 &&
                      s.dilation_h == 1 && s.dilation_w == 1 && s.padding_h <= 1 &&
                      s.padding_w <= 1;
  return is_3x3 && s.c % kBlock == 0 && s.o % kBlock == 0 && s.c >= kWinogradChannels &&
         s.o >= kWinogradChannels && s.ho >= 4 && s.wo >= 4;
}

bool is_strided_1x1(const Sizes& s) {
  return s.kh == 1 && s.kw == 1 && (s.stride_h > 1 || s.stride_w > 1);
}

// What a convolution is to oneDNN; the layouts of `x`, `y` and `w` are its choice where they are
// any.
struct Descriptions {
  Descriptions(const Sizes& s, const Types& types, dnnl::algorithm chosen)
      : algorithm(chosen),
        plain_x(images(types.x, s.n, s.h, s.w, s.c, memory::format_tag::nhwc)),
        plain_y(images(types.y, s.n, s.ho, s.wo, s.o, memory::format_tag::nhwc)),
        plain_w({s.o, s.c, s.kh, s.kw}, types.w, memory::format_tag::ohwi),
        x(images(types.x, s.n, s.h, s.w, s.c, image_tag())),
        y(images(types.y, s.n, s.ho, s.wo, s.o, image_tag())),
        w({s.o, s.c, s.kh, s.kw}, types.w, memory::format_tag::any),
        stride{s.stride_h, s.stride_w},
        dilation{s.dilation_h - 1, s.dilation_w - 1},  // oneDNN counts the holes
        padding{s.padding_h, s.padding_w} {}

  memory::format_tag image_tag() const {
    return algorithm == dnnl::algorithm::convolution_winograd ? memory::format_tag::any
                                                              : memory::format_tag::nhwc;
  }

  onednn::Convolution convolution() const {
    return {algorithm, x, w, y, stride, dilation, padding};
  }

  dnnl::algorithm algorithm;
  memory::desc plain_x, plain_y, plain_w;
  memory::desc x, y, w;
  memory::dims stride, dilation, padding;
};

// Argument `id`, which lies as `plain` in input `input`, as the primitive wants it.
Argument wanted_input(Recipe& recipe, int id, const memory::desc& plain, std::int64_t input,
                      const memory::desc& wanted) {
  const Argument given{id, plain, Place::input, input};
  if (wanted == plain) return given;
  const Argument reordered{id, wanted, Place::workspace, recipe.reserve(wanted)};
  recipe.add_reorder(given, reordered);
  return reordered;
}

// Runs the primitive, whose result `id` goes to output 0 as `plain`.
void add_with_output(Recipe& recipe, const dnnl::primitive& primitive,
                     const memory::desc& scratchpad, std::vector<Argument> arguments, int id,
                     const memory::desc& plain, const memory::desc& wanted) {
  const Argument result{id, plain, Place::output, 0};
  Argument made = result;
  if (wanted != plain) made = {id, wanted, Place::workspace, recipe.reserve(wanted)};
  arguments.push_back(made);
  recipe.add(primitive, scratchpad, std::move(arguments));
  if (wanted != plain) recipe.add_reorder(made, result);
}

void add_forward(const Descriptions& d, Recipe& recipe) {
  const auto desc = onednn::forward(d.convolution());
  const Argument x = wanted_input(recipe, DNNL_ARG_SRC, d.plain_x, 0, desc.src_desc());
  const Argument w = wanted_input(recipe, DNNL_ARG_WEIGHTS, d.plain_w, 1, desc.weights_desc());
  add_with_output(recipe, dnnl::convolution_forward(desc), desc.scratchpad_desc(), {x, w},
                  DNNL_ARG_DST, d.plain_y, desc.dst_desc());
}

void add_input_gradient(const Descriptions& d, Recipe& recipe) {
  const auto desc = onednn::input_gradient(d.convolution());
  const Argument dy = wanted_input(recipe, DNNL_ARG_DIFF_DST, d.plain_y, 0, desc.diff_dst_desc());
  const Argument w = wanted_input(recipe, DNNL_ARG_WEIGHTS, d.plain_w, 1, desc.weights_desc());
  add_with_output(recipe, dnnl::convolution_backward_data(desc), desc.scratchpad_desc(), {dy, w},
                  DNNL_ARG_DIFF_SRC, d.plain_x, desc.diff_src_desc());
}

void add_weight_gradient(const Descriptions& d, Recipe& recipe) {
  const auto desc = onednn::weight_gradient(d.convolution());
  const Argument x = wanted_input(recipe, DNNL_ARG_SRC, d.plain_x, 0, desc.src_desc());
  const Argument dy = wanted_input(recipe, DNNL_ARG_DIFF_DST, d.plain_y, 1, desc.diff_dst_desc());
  add_with_output(recipe, dnnl::convolution_backward_weights(desc), desc.scratchpad_desc(), {x, dy},
                  DNNL_ARG_DIFF_WEIGHTS, d.plain_w, desc.diff_weights_desc());
}

// Winograd where it suits and this oneDNN has it, else the direct algorithm.
template <void (*add)(const Descriptions&, Recipe&)>
void make(const KernelCall& call, Recipe& recipe) {
  const Sizes sizes = sizes_of(call);
  const Types types = types_of(call);
  const bool winograd = types.x == memory::data_type::f32 && suits_winograd(sizes);
  if (winograd) {
    try {
      Recipe transformed;
      add(Descriptions(sizes, types, dnnl::algorithm::convolution_winograd), transformed);
      recipe = std::move(transformed);
      return;
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
    }
  }
  Descriptions direct(sizes, types, dnnl::algorithm::convolution_direct);
  if (call.op == ir::OpId::conv2d_weight_gradient && is_strided_1x1(sizes) &&
      sizes.c < onednn::kChannelsOfStrided1x1) {
    direct.x = images(types.x, sizes.n, sizes.h, sizes.w, sizes.c, memory::format_tag::nchw);
    direct.y = images(types.y, sizes.n, sizes.ho, sizes.wo, sizes.o, memory::format_tag::nchw);
  }
  add(direct, recipe);
  if (winograd) {
    recipe.substituted_because =
        "the direct algorithm: Winograd was chosen, which this oneDNN does not have here";
  }
}

// ---- plain loops: each result element folded in a fixed order by one thread ----

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
  [[gnu::always_inline]] static inline void call(const Sizes& s, const T* x, const T* w, T* y,
                                                 std::int64_t row) {
    const std::int64_t n = row / s.ho;
    const std::int64_t top = row % s.ho * s.stride_h - s.padding_h;
    const Taps rows = taps(top, s.kh, s.dilation_h, s.h);
    const std::int64_t filter = s.kh * s.kw * s.c;
    for (std::int64_t wo = 0; wo < s.wo; ++wo) {
      const std::int64_t left = wo * s.stride_w - s.padding_w;
      const Taps columns = taps(left, s.kw, s.dilation_w, s.w);
      for (std::int64_t o = 0; o < s.o; o += kOutputs) {
        const std::int64_t outputs = std::min(kOutputs, s.o - o);
        T sums[kOutputs] = {};
        for (std::int64_t kh = rows.begin; kh < rows.end; ++kh) {
          for (std::int64_t kw = columns.begin; kw < columns.end; ++kw) {
            const T* from =
                x + ((n * s.h + top + kh * s.dilation_h) * s.w + left + kw * s.dilation_w) * s.c;
            const T* weights = w + o * filter + (kh * s.kw + kw) * s.c;
            if (outputs == kOutputs) {
              for (std::int64_t c = 0; c < s.c; ++c) {
#pragma GCC unroll 8
                for (std::int64_t i = 0; i < kOutputs; ++i) {
                  sums[i] += from[c] * weights[i * filter + c];
                }
              }
            } else {
              for (std::int64_t i = 0; i < outputs; ++i) {
                for (std::int64_t c = 0; c < s.c; ++c) {
                  sums[i] += from[c] * weights[i * filter + c];
                }
              }
            }
          }
        }
        std::copy_n(sums, outputs, y + (row * s.wo + wo) * s.o + o);
      }
    }
  }
};

// One row of dx: for each pixel the windows that contain it, in ascending tap order.
template <class T>
struct InputGradientRow {
  [[gnu::always_inline]] static inline void call(const Sizes& s, const T* dy, const T* w, T* dx,
                                                 std::int64_t row) {
    const std::int64_t n = row / s.h;
    for (std::int64_t column = 0; column < s.w; ++column) {
      T* to = dx + (row * s.w + column) * s.c;
      for (std::int64_t c = 0; c < s.c; ++c) to[c] = T{0};
      for (std::int64_t kh = 0; kh < s.kh; ++kh) {
        const std::int64_t down = row % s.h + s.padding_h - kh * s.dilation_h;
        if (down < 0 || down % s.stride_h != 0 || down / s.stride_h >= s.ho) continue;
        for (std::int64_t kw = 0; kw < s.kw; ++kw) {
          const std::int64_t right = column + s.padding_w - kw * s.dilation_w;
          if (right < 0 || right % s.stride_w != 0 || right / s.stride_w >= s.wo) continue;
          const T* from = dy + ((n * s.ho + down / s.stride_h) * s.wo + right / s.stride_w) * s.o;
          for (std::int64_t o = 0; o < s.o; ++o) {
            const T factor = from[o];
            const T* weights = w + ((o * s.kh + kh) * s.kw + kw) * s.c;
#pragma omp simd
            for (std::int64_t c = 0; c < s.c; ++c) to[c] += factor * weights[c];
          }
        }
      }
    }
  }
};

// dw of one tap, for kOutputs output channels (the last block may have fewer).
template <class T>
struct WeightGradientTap {
  [[gnu::always_inline]] static inline void call(const Sizes& s, const T* x, const T* dy, T* dw,
                                                 std::int64_t number) {
    const std::int64_t taps = s.kh * s.kw;
    const std::int64_t kh = number % taps / s.kw;
    const std::int64_t kw = number % taps % s.kw;
    const std::int64_t o = number / taps * kOutputs;
    const std::int64_t outputs = std::min(kOutputs, s.o - o);
    T* to = dw + (o * taps + number % taps) * s.c;
    T few[kFew * kOutputs] = {};
    const bool is_few = s.c <= kFew && outputs == kOutputs;
    for (std::int64_t i = 0; i < outputs; ++i) {
      for (std::int64_t c = 0; c < s.c; ++c) to[i * taps * s.c + c] = T{0};
    }
    for (std::int64_t row = 0; row < s.n * s.ho; ++row) {
      const std::int64_t h = row % s.ho * s.stride_h - s.padding_h + kh * s.dilation_h;
      if (h < 0 || h >= s.h) continue;
      for (std::int64_t wo = 0; wo < s.wo; ++wo) {
        const std::int64_t w = wo * s.stride_w - s.padding_w + kw * s.dilation_w;
        if (w < 0 || w >= s.w) continue;
        const T* factors = dy + (row * s.wo + wo) * s.o + o;
        const T* from = x + ((row / s.ho * s.h + h) * s.w + w) * s.c;
        if (is_few) {
          for (std::int64_t c = 0; c < s.c; ++c) {
#pragma omp simd
            for (std::int64_t i = 0; i < kOutputs; ++i)
              few[c * kOutputs + i] += factors[i] * from[c];
          }
        } else {
          for (std::int64_t i = 0; i < outputs; ++i) {
            const T factor = factors[i];
            T* const sums = to + i * taps * s.c;
#pragma omp simd
            for (std::int64_t c = 0; c < s.c; ++c) sums[c] += factor * from[c];
          }
        }
      }
    }
    for (std::int64_t i = 0; is_few && i < kOutputs; ++i) {
      for (std::int64_t c = 0; c < s.c; ++c) to[i * taps * s.c + c] = few[c * kOutputs + i];
    }
  }

  static constexpr std::int64_t kFew = 8;  // channels: too few to fill vectors
};

template <class T>
class LoopKernel final : public PreparedKernel {
 public:
  LoopKernel(ir::OpId op, const Sizes& sizes) : op_(op), sizes_(sizes) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const Sizes& s = sizes_;
    const auto* a = static_cast<const T*>(inputs[0]);
    const auto* b = static_cast<const T*>(inputs[1]);
    auto* result = static_cast<T*>(outputs[0]);
    if (op_ == ir::OpId::conv2d) {
      parallel_for(s.n * s.ho, 1, [&](std::int64_t begin, std::int64_t end) {
        for_this_isa<ForwardRow<T>>(begin, end, s, a, b, result);
      });
    } else if (op_ == ir::OpId::conv2d_input_gradient) {
      parallel_for(s.n * s.h, 1, [&](std::int64_t begin, std::int64_t end) {
        for_this_isa<InputGradientRow<T>>(begin, end, s, a, b, result);
      });
    } else {
      const std::int64_t blocks = (s.o + kOutputs - 1) / kOutputs;
      parallel_for(blocks * s.kh * s.kw, 1, [&](std::int64_t begin, std::int64_t end) {
        for_this_isa<WeightGradientTap<T>>(begin, end, s, a, b, result);
      });
    }
  }

 private:
  ir::OpId op_;
  Sizes sizes_;
};

// A result that no product reaches: an empty batch, no channels, or nothing at all.
class ZeroKernel final : public PreparedKernel {
 public:
  explicit ZeroKernel(std::int64_t bytes) : bytes_(bytes) {}
  void run(void* const*, void* const* outputs, void*) const override {
    if (bytes_ > 0) std::memset(outputs[0], 0, static_cast<std::size_t>(bytes_));
  }

 private:
  std::int64_t bytes_;
};

std::unique_ptr<PreparedKernel> prepare_onednn(const KernelCall& call) {
  const char* const name = name_of_op(call.op);
  switch (call.op) {
    case ir::OpId::conv2d:
      return onednn::prepare(name, call, make<add_forward>);
    case ir::OpId::conv2d_input_gradient:
      return onednn::prepare(name, call, make<add_input_gradient>);
    default:
      return onednn::prepare(name, call, make<add_weight_gradient>);
  }
}

std::unique_ptr<PreparedKernel> prepare_f32(const KernelCall& call) {
  const Sizes s = sizes_of(call);
  if (!may_use_onednn()) return std::make_unique<LoopKernel<float>>(call.op, s);
  return prepare_for_teams(call, multiplications(s), prepare_onednn);
}

std::unique_ptr<PreparedKernel> prepare_conv2d(const KernelCall& call) {
  const Dtype dtype = call.output_dtypes[0];
  if (call.inputs[0].shape.elements() == 0 || call.inputs[1].shape.elements() == 0 ||
      call.outputs[0].shape.elements() == 0) {
    return std::make_unique<ZeroKernel>(call.outputs[0].shape.elements() *
                                        static_cast<std::int64_t>(size_of(dtype)));
  }
  const Sizes s = sizes_of(call);
  if (dtype == Dtype::f64) return std::make_unique<LoopKernel<double>>(call.op, s);
  if (call.input_dtypes[0] == Dtype::f32) return prepare_f32(call);
  // Fewer channels than a product of bf16 takes at once: slower than f32 (1 channel: half as fast).
  constexpr std::int64_t kFewChannels = 8;
  if (call.input_dtypes[0] == Dtype::bf16 && multiplies_bf16() && s.c >= kFewChannels) {
    return prepare_for_teams(call, multiplications(s), prepare_onednn);
  }
  return prepare_widened(call, prepare_f32);
}

}  // namespace

const Kernel kConv2d{.accepts = nullptr, .prepare = prepare_conv2d};
const Kernel kConv2dInputGradient{.accepts = nullptr, .prepare = prepare_conv2d};
const Kernel kConv2dWeightGradient{.accepts = nullptr, .prepare = prepare_conv2d};

}  // namespace sinter::backend::cpu
