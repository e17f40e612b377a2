// Convolutions of images (N, H, W, C) with weights (O, KH, KW, C): oneDNN in f32, loops in f64.
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

#include "backend/cpu/kernel.h"
#include "backend/cpu/onednn.h"
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

// ---- f32 ----

memory::desc images(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return {{n, c, h, w}, memory::data_type::f32, memory::format_tag::nhwc};
}

struct Descriptions {
  explicit Descriptions(const Sizes& s)
      : x(images(s.n, s.h, s.w, s.c)),
        y(images(s.n, s.ho, s.wo, s.o)),
        w({s.o, s.c, s.kh, s.kw}, memory::data_type::f32, memory::format_tag::any),
        plain_w({s.o, s.c, s.kh, s.kw}, memory::data_type::f32, memory::format_tag::ohwi),
        stride{s.stride_h, s.stride_w},
        dilation{s.dilation_h - 1, s.dilation_w - 1},  // oneDNN counts the holes
        padding{s.padding_h, s.padding_w} {}

  dnnl::convolution_forward::primitive_desc forward() const {
    return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x, w, y,
             stride, dilation, padding, padding},
            onednn::user_scratchpad(),
            onednn::engine()};
  }

  memory::desc x, y, w, plain_w;
  memory::dims stride, dilation, padding;
};

// Weights as `wanted`, reordered from input 1 where they differ from how they lie.
Argument add_weights(Recipe& recipe, const Descriptions& d, const memory::desc& wanted) {
  const Argument plain{DNNL_ARG_WEIGHTS, d.plain_w, Place::input, 1};
  if (wanted == d.plain_w) return plain;
  const Argument blocked{DNNL_ARG_WEIGHTS, wanted, Place::workspace, recipe.reserve(wanted)};
  recipe.add_reorder(plain, blocked);
  return blocked;
}

void make_forward(const KernelCall& call, Recipe& recipe) {
  const Descriptions d(sizes_of(call));
  const auto desc = d.forward();
  const Argument w = add_weights(recipe, d, desc.weights_desc());
  recipe.add(dnnl::convolution_forward(desc), desc.scratchpad_desc(),
             {{DNNL_ARG_SRC, d.x, Place::input, 0}, w, {DNNL_ARG_DST, d.y, Place::output, 0}});
}

void make_input_gradient(const KernelCall& call, Recipe& recipe) {
  const Descriptions d(sizes_of(call));
  const dnnl::convolution_backward_data::primitive_desc desc(
      {dnnl::algorithm::convolution_direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding,
       d.padding},
      onednn::user_scratchpad(), onednn::engine(), d.forward());
  const Argument w = add_weights(recipe, d, desc.weights_desc());
  recipe.add(
      dnnl::convolution_backward_data(desc), desc.scratchpad_desc(),
      {{DNNL_ARG_DIFF_DST, d.y, Place::input, 0}, w, {DNNL_ARG_DIFF_SRC, d.x, Place::output, 0}});
}

void make_weight_gradient(const KernelCall& call, Recipe& recipe) {
  const Descriptions d(sizes_of(call));
  const dnnl::convolution_backward_weights::primitive_desc desc(
      {dnnl::algorithm::convolution_direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding,
       d.padding},
      onednn::user_scratchpad(), onednn::engine(), d.forward());
  const Argument plain{DNNL_ARG_DIFF_WEIGHTS, d.plain_w, Place::output, 0};
  Argument dw = plain;
  if (desc.diff_weights_desc() != d.plain_w) {
    const memory::desc blocked = desc.diff_weights_desc();
    dw = {DNNL_ARG_DIFF_WEIGHTS, blocked, Place::workspace, recipe.reserve(blocked)};
  }
  recipe.add(dnnl::convolution_backward_weights(desc), desc.scratchpad_desc(),
             {{DNNL_ARG_SRC, d.x, Place::input, 0}, {DNNL_ARG_DIFF_DST, d.y, Place::input, 1}, dw});
  if (dw.place == Place::workspace) recipe.add_reorder(dw, plain);
}

// ---- f64: plain loops, each result element folded in a fixed order by one thread ----

// The taps k of one axis for which position out * stride - padding + k * dilation lies in [0,
// length).
struct Taps {
  std::int64_t begin, end;
};
Taps taps(std::int64_t start, std::int64_t count, std::int64_t dilation, std::int64_t length) {
  const std::int64_t begin = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t room = length - 1 - start;
  const std::int64_t end = room < 0 ? 0 : std::min(count, room / dilation + 1);
  return {begin, std::max(begin, end)};
}

void forward_row(const Sizes& s, const double* x, const double* w, double* y, std::int64_t row) {
  const std::int64_t n = row / s.ho;
  const std::int64_t top = row % s.ho * s.stride_h - s.padding_h;
  const Taps rows = taps(top, s.kh, s.dilation_h, s.h);
  for (std::int64_t wo = 0; wo < s.wo; ++wo) {
    const std::int64_t left = wo * s.stride_w - s.padding_w;
    const Taps columns = taps(left, s.kw, s.dilation_w, s.w);
    double* to = y + (row * s.wo + wo) * s.o;
    for (std::int64_t o = 0; o < s.o; ++o) {
      double sum = 0;
      for (std::int64_t kh = rows.begin; kh < rows.end; ++kh) {
        for (std::int64_t kw = columns.begin; kw < columns.end; ++kw) {
          const double* from =
              x + ((n * s.h + top + kh * s.dilation_h) * s.w + left + kw * s.dilation_w) * s.c;
          const double* weights = w + ((o * s.kh + kh) * s.kw + kw) * s.c;
          for (std::int64_t c = 0; c < s.c; ++c) sum += from[c] * weights[c];
        }
      }
      to[o] = sum;
    }
  }
}

// dx of one pixel: the windows that contain it, in ascending tap order.
void input_gradient_pixel(const Sizes& s, const double* dy, const double* w, double* dx,
                          std::int64_t n, std::int64_t h, std::int64_t column) {
  double* to = dx + ((n * s.h + h) * s.w + column) * s.c;
  std::fill(to, to + s.c, 0.0);
  for (std::int64_t kh = 0; kh < s.kh; ++kh) {
    const std::int64_t down = h + s.padding_h - kh * s.dilation_h;
    if (down < 0 || down % s.stride_h != 0 || down / s.stride_h >= s.ho) continue;
    for (std::int64_t kw = 0; kw < s.kw; ++kw) {
      const std::int64_t right = column + s.padding_w - kw * s.dilation_w;
      if (right < 0 || right % s.stride_w != 0 || right / s.stride_w >= s.wo) continue;
      const double* from = dy + ((n * s.ho + down / s.stride_h) * s.wo + right / s.stride_w) * s.o;
      for (std::int64_t o = 0; o < s.o; ++o) {
        const double* weights = w + ((o * s.kh + kh) * s.kw + kw) * s.c;
        for (std::int64_t c = 0; c < s.c; ++c) to[c] += from[o] * weights[c];
      }
    }
  }
}

// dw of one tap of one output channel.
void weight_gradient_tap(const Sizes& s, const double* x, const double* dy, double* dw,
                         std::int64_t tap) {
  const std::int64_t kw = tap % s.kw;
  const std::int64_t kh = tap / s.kw % s.kh;
  const std::int64_t o = tap / s.kw / s.kh;
  double* to = dw + tap * s.c;
  std::fill(to, to + s.c, 0.0);
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t ho = 0; ho < s.ho; ++ho) {
      const std::int64_t h = ho * s.stride_h - s.padding_h + kh * s.dilation_h;
      if (h < 0 || h >= s.h) continue;
      for (std::int64_t wo = 0; wo < s.wo; ++wo) {
        const std::int64_t w = wo * s.stride_w - s.padding_w + kw * s.dilation_w;
        if (w < 0 || w >= s.w) continue;
        const double factor = dy[((n * s.ho + ho) * s.wo + wo) * s.o + o];
        const double* from = x + ((n * s.h + h) * s.w + w) * s.c;
        for (std::int64_t c = 0; c < s.c; ++c) to[c] += factor * from[c];
      }
    }
  }
}

class LoopKernel final : public PreparedKernel {
 public:
  LoopKernel(ir::OpId op, const Sizes& sizes) : op_(op), sizes_(sizes) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const Sizes& s = sizes_;
    const auto* a = static_cast<const double*>(inputs[0]);
    const auto* b = static_cast<const double*>(inputs[1]);
    auto* result = static_cast<double*>(outputs[0]);
    if (op_ == ir::OpId::conv2d) {
      parallel_for(s.n * s.ho, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) forward_row(s, a, b, result, row);
      });
    } else if (op_ == ir::OpId::conv2d_input_gradient) {
      parallel_for(s.n * s.h, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          for (std::int64_t w = 0; w < s.w; ++w) {
            input_gradient_pixel(s, a, b, result, row / s.h, row % s.h, w);
          }
        }
      });
    } else {
      parallel_for(s.o * s.kh * s.kw, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t tap = begin; tap < end; ++tap) weight_gradient_tap(s, a, b, result, tap);
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

std::unique_ptr<PreparedKernel> prepare_conv2d(const KernelCall& call) {
  const Dtype dtype = call.output_dtypes[0];
  const char* name = name_of_op(call.op);
  if (dtype != Dtype::f32 && dtype != Dtype::f64) {
    raise({.where = name,
           .what = "there is no convolution in this type on the CPU",
           .got = std::string(name_of(dtype)),
           .expected = "f32 or f64",
           .hint = "cast the images and the weight"});
  }
  if (call.inputs[0].shape.elements() == 0 || call.inputs[1].shape.elements() == 0 ||
      call.outputs[0].shape.elements() == 0) {
    return std::make_unique<ZeroKernel>(call.outputs[0].shape.elements() *
                                        static_cast<std::int64_t>(size_of(dtype)));
  }
  if (dtype == Dtype::f64) return std::make_unique<LoopKernel>(call.op, sizes_of(call));
  switch (call.op) {
    case ir::OpId::conv2d:
      return onednn::prepare(name, call, make_forward);
    case ir::OpId::conv2d_input_gradient:
      return onednn::prepare(name, call, make_input_gradient);
    default:
      return onednn::prepare(name, call, make_weight_gradient);
  }
}

}  // namespace

const Kernel kConv2d{.accepts = nullptr, .prepare = prepare_conv2d};
const Kernel kConv2dInputGradient{.accepts = nullptr, .prepare = prepare_conv2d};
const Kernel kConv2dWeightGradient{.accepts = nullptr, .prepare = prepare_conv2d};

}  // namespace sinter::backend::cpu
