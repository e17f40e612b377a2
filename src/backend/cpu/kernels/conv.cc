// Convolutions of images (N, spatial..., C) with weights (O, kernel..., C / groups): oneDNN in f32,
// loops in f64, and in f32 where oneDNN cannot serve.
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

#include "backend/cpu/kernels/conv_loops.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/team_kernel.h"
#include "backend/cpu/machine_code.h"
#include "backend/cpu/vendor/onednn.h"
#include "ir/window.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

using dnnl::memory;
using onednn::Argument;
using onednn::Place;
using onednn::Recipe;

using ir::WindowAxis;
using ir::WindowSizes;

WindowSizes sizes_of(const KernelCall& call) {
  return ir::convolution_sizes(call.op, call.inputs[0].shape, call.inputs[1].shape,
                               call.attributes);
}

double multiplications(const WindowSizes& s) {
  return static_cast<double>(s.n * s.positions()) *
         static_cast<double>(s.o * s.window.taps() * s.c_of_group());
}

// ---- f32 ----

// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016) takes a quarter of the products of
// a 3x3 convolution. oneDNN has it on blocked images only, so images are reordered too, which pays
// where both numbers of channels are large: kWinogradChannels is where it began to, measured.
constexpr std::int64_t kBlock = 16;  // channels in a block of oneDNN's layouts
constexpr std::int64_t kWinogradChannels = 32;

bool suits_winograd(const WindowSizes& s) {
  if (s.window.rank != 2 || s.window.groups != 1) return false;
  for (int i = 1; i < ir::kMaxWindowRank; ++i) {
    const WindowAxis& axis = s.window.axes[i];
    if (axis.kernel != 3 || axis.stride != 1 || axis.dilation != 1 || axis.low > 1 ||
        axis.low != axis.high || s.windows[i] < 4) {
      return false;
    }
  }
  return s.c % kBlock == 0 && s.o % kBlock == 0 && s.c >= kWinogradChannels &&
         s.o >= kWinogradChannels;
}

bool is_strided_1x1(const WindowSizes& s) {
  const auto& axes = s.window.axes;
  return s.window.taps() == 1 && std::any_of(axes.begin(), axes.end(), [](const WindowAxis& axis) {
           return axis.stride > 1;
         });
}

// Layouts by the number of spatial axes.
struct Tags {
  memory::format_tag images, channels_first, weights, grouped_weights;
};
const Tags& tags_of(int rank) {
  using Tag = memory::format_tag;
  static constexpr Tags kTags[] = {{Tag::nwc, Tag::ncw, Tag::owi, Tag::gowi},
                                   {Tag::nhwc, Tag::nchw, Tag::ohwi, Tag::gohwi},
                                   {Tag::ndhwc, Tag::ncdhw, Tag::odhwi, Tag::godhwi}};
  return kTags[rank - 1];
}

// oneDNN's lengths: those of `first`, then of the spatial axes.
memory::dims dims(memory::dims first, int rank, const ir::Lengths& spatial) {
  first.insert(first.end(), spatial.end() - rank, spatial.end());
  return first;
}

// One number of each spatial axis.
template <class Number>
memory::dims each_axis(const ir::Window& window, Number number) {
  memory::dims numbers;
  for (int i = 0; i < window.rank; ++i) numbers.push_back(number(window.axis(i)));
  return numbers;
}

struct DataTypes {
  memory::data_type x, w, y;
};
DataTypes data_types_of(const KernelCall& call) {
  const memory::data_type first = onednn::data_type_of(call.input_dtypes[0]);
  const memory::data_type second = onednn::data_type_of(call.input_dtypes[1]);
  const memory::data_type result = onednn::data_type_of(call.output_dtypes[0]);
  switch (call.op) {
    case ir::OpId::conv_input_gradient:
      return {result, second, first};
    case ir::OpId::conv_weight_gradient:
      return {first, result, second};
    default:
      return {first, second, result};
  }
}

// What a convolution is to oneDNN; the layouts of `x`, `y` and `w` are its choice where they are
// any. Weights of groups have one axis more, outermost.
struct Descriptions {
  Descriptions(const WindowSizes& s, const DataTypes& types, dnnl::algorithm algorithm)
      : convolution{.algorithm = algorithm,
                    .stride = each_axis(s.window, [](auto& axis) { return axis.stride; }),
                    // oneDNN counts the holes
                    .dilation = each_axis(s.window, [](auto& axis) { return axis.dilation - 1; }),
                    .padding_low = each_axis(s.window, [](auto& axis) { return axis.low; }),
                    .padding_high = each_axis(s.window, [](auto& axis) { return axis.high; })} {
    const int rank = s.window.rank;
    const std::int64_t groups = s.window.groups;
    const bool is_grouped = groups > 1;
    const Tags& tags = tags_of(rank);
    const auto& axes = s.window.axes;
    const memory::dims x = dims({s.n, s.c}, rank, s.image);
    const memory::dims y = dims({s.n, s.o}, rank, s.windows);
    const memory::dims w = dims(
        is_grouped ? memory::dims{groups, s.o_of_group(), s.c_of_group()} : memory::dims{s.o, s.c},
        rank, {axes[0].kernel, axes[1].kernel, axes[2].kernel});
    plain_x = {x, types.x, tags.images};
    plain_y = {y, types.y, tags.images};
    plain_w = {w, types.w, is_grouped ? tags.grouped_weights : tags.weights};
    const bool may_choose = algorithm == dnnl::algorithm::convolution_winograd;
    const memory::format_tag images = may_choose ? memory::format_tag::any : tags.images;
    convolution.x = {x, types.x, images};
    convolution.y = {y, types.y, images};
    convolution.w = {w, types.w, memory::format_tag::any};
  }

  memory::desc plain_x, plain_y, plain_w;
  onednn::Convolution convolution;
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
  const auto desc = onednn::forward(d.convolution);
  const Argument x = wanted_input(recipe, DNNL_ARG_SRC, d.plain_x, 0, desc.src_desc());
  const Argument w = wanted_input(recipe, DNNL_ARG_WEIGHTS, d.plain_w, 1, desc.weights_desc());
  add_with_output(recipe, dnnl::convolution_forward(desc), desc.scratchpad_desc(), {x, w},
                  DNNL_ARG_DST, d.plain_y, desc.dst_desc());
}

void add_input_gradient(const Descriptions& d, Recipe& recipe) {
  const auto desc = onednn::input_gradient(d.convolution);
  const Argument dy = wanted_input(recipe, DNNL_ARG_DIFF_DST, d.plain_y, 0, desc.diff_dst_desc());
  const Argument w = wanted_input(recipe, DNNL_ARG_WEIGHTS, d.plain_w, 1, desc.weights_desc());
  add_with_output(recipe, dnnl::convolution_backward_data(desc), desc.scratchpad_desc(), {dy, w},
                  DNNL_ARG_DIFF_SRC, d.plain_x, desc.diff_src_desc());
}

void add_weight_gradient(const Descriptions& d, Recipe& recipe) {
  const auto desc = onednn::weight_gradient(d.convolution);
  const Argument x = wanted_input(recipe, DNNL_ARG_SRC, d.plain_x, 0, desc.src_desc());
  const Argument dy = wanted_input(recipe, DNNL_ARG_DIFF_DST, d.plain_y, 1, desc.diff_dst_desc());
  add_with_output(recipe, dnnl::convolution_backward_weights(desc), desc.scratchpad_desc(), {x, dy},
                  DNNL_ARG_DIFF_WEIGHTS, d.plain_w, desc.diff_weights_desc());
}

// Images with their channels outermost, for oneDNN to read.
void put_channels_first(const WindowSizes& s, const DataTypes& types, Descriptions& d) {
  const int rank = s.window.rank;
  const memory::format_tag tag = tags_of(rank).channels_first;
  d.convolution.x = {dims({s.n, s.c}, rank, s.image), types.x, tag};
  d.convolution.y = {dims({s.n, s.o}, rank, s.windows), types.y, tag};
}

// Winograd where it suits and this oneDNN has it, else the direct algorithm.
template <void (*add)(const Descriptions&, Recipe&)>
void make(const KernelCall& call, Recipe& recipe) {
  const WindowSizes sizes = sizes_of(call);
  const DataTypes types = data_types_of(call);
  if (suits_winograd(sizes)) {
    try {
      Recipe winograd;
      add(Descriptions(sizes, types, dnnl::algorithm::convolution_winograd), winograd);
      recipe = std::move(winograd);
      return;
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
    }
  }
  Descriptions direct(sizes, types, dnnl::algorithm::convolution_direct);
  if (call.op == ir::OpId::conv_weight_gradient && is_strided_1x1(sizes) &&
      sizes.c_of_group() < onednn::kChannelsOfStrided1x1) {
    put_channels_first(sizes, types, direct);
  }
  add(direct, recipe);
  if (suits_winograd(sizes)) {
    recipe.substituted_because =
        "the direct algorithm: Winograd was chosen, which this oneDNN does not have here";
  }
}

// ---- dispatch ----

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
  const char* const name = ir::convolution_name(call.op);
  switch (call.op) {
    case ir::OpId::conv:
      return onednn::prepare(name, call, make<add_forward>);
    case ir::OpId::conv_input_gradient:
      return onednn::prepare(name, call, make<add_input_gradient>);
    default:
      return onednn::prepare(name, call, make<add_weight_gradient>);
  }
}

std::unique_ptr<PreparedKernel> prepare_conv(const KernelCall& call) {
  const Dtype dtype = call.output_dtypes[0];
  const char* name = ir::convolution_name(call.op);
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
  const WindowSizes s = sizes_of(call);
  if (dtype == Dtype::f64 || !may_use_onednn()) return prepare_conv_loops(call.op, dtype, s);
  return prepare_for_teams(call, multiplications(s), prepare_onednn);
}

}  // namespace

const Kernel kConv{.accepts = nullptr, .prepare = prepare_conv};
const Kernel kConvInputGradient{.accepts = nullptr, .prepare = prepare_conv};
const Kernel kConvWeightGradient{.accepts = nullptr, .prepare = prepare_conv};

}  // namespace sinter::backend::cpu
