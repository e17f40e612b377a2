#include "backend/cpu/vendor/onednn_conv.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace sinter::backend::cpu::onednn {
namespace {

using dnnl::memory;
using ir::WindowAxis;
using ir::WindowSizes;

// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016) takes a quarter of the products of
// a 3x3 convolution. oneDNN has it on blocked images only, so images are reordered too, which pays
// where both numbers of channels are large: kWinogradChannels is where it began to, measured.
constexpr std::int64_t kBlock = 16;  // channels in a block of oneDNN's layouts
constexpr std::int64_t kWinogradChannels = 32;

bool suits(const WindowSizes& s, memory::data_type type) {
  if (type != memory::data_type::f32) return false;
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
  const memory::data_type first = data_type_of(call.input_dtypes[0]);
  const memory::data_type second = data_type_of(call.input_dtypes[1]);
  const memory::data_type result = data_type_of(call.output_dtypes[0]);
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
  Convolution convolution;
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

// How much of a convolution a recipe does.
enum class Part : std::uint8_t {
  whole,
  on_weights,  // which lie as the primitive wants them
  to_blocks,   // the result stays as the primitive makes it
};

// A convolution of images, or the gradient with respect to them: from input 0 and the weights.
struct OnImages {
  int from_id, to_id;
  memory::desc plain_from, plain_to;
  memory::desc from, weights, to;  // as the primitive wants them
  dnnl::primitive primitive;
  memory::desc scratchpad;
};

OnImages on_images(ir::OpId op, const Descriptions& d) {
  if (op == ir::OpId::conv) {
    const auto desc = forward(d.convolution);
    return {DNNL_ARG_SRC,
            DNNL_ARG_DST,
            d.plain_x,
            d.plain_y,
            desc.src_desc(),
            desc.weights_desc(),
            desc.dst_desc(),
            dnnl::convolution_forward(desc),
            desc.scratchpad_desc()};
  }
  const auto desc = input_gradient(d.convolution);
  return {DNNL_ARG_DIFF_DST,
          DNNL_ARG_DIFF_SRC,
          d.plain_y,
          d.plain_x,
          desc.diff_dst_desc(),
          desc.weights_desc(),
          desc.diff_src_desc(),
          dnnl::convolution_backward_data(desc),
          desc.scratchpad_desc()};
}

// An image in blocks of 16 channels.
memory::desc blocks(const memory::desc& plain) {
  return {dims_of(plain), data_type_of(plain), memory::format_tag::nChw16c};
}

void add_on_images(const OnImages& it, const memory::desc& plain_weights, Part part,
                   Recipe& recipe) {
  const Argument from = wanted_input(recipe, it.from_id, it.plain_from, 0, it.from);
  const Argument weights =
      part == Part::on_weights
          ? Argument{DNNL_ARG_WEIGHTS, it.weights, Place::input, 1}
          : wanted_input(recipe, DNNL_ARG_WEIGHTS, plain_weights, 1, it.weights);
  recipe.reordered = it.weights;
  if (part != Part::to_blocks) {
    add_with_output(recipe, it.primitive, it.scratchpad, {from, weights}, it.to_id, it.plain_to,
                    it.to);
    return;
  }
  if (it.to != blocks(it.plain_to)) {
    throw dnnl::error(dnnl_unimplemented, "the result has another layout");
  }
  recipe.add(it.primitive, it.scratchpad, {from, weights, {it.to_id, it.to, Place::output, 0}});
}

void add_weight_gradient(const Descriptions& d, Recipe& recipe) {
  const auto desc = weight_gradient(d.convolution);
  const Argument x = wanted_input(recipe, DNNL_ARG_SRC, d.plain_x, 0, desc.src_desc());
  const Argument dy = wanted_input(recipe, DNNL_ARG_DIFF_DST, d.plain_y, 1, desc.diff_dst_desc());
  add_with_output(recipe, dnnl::convolution_backward_weights(desc), desc.scratchpad_desc(), {x, dy},
                  DNNL_ARG_DIFF_WEIGHTS, d.plain_w, desc.diff_weights_desc());
}

void add(ir::OpId op, const Descriptions& d, Part part, Recipe& recipe) {
  if (op == ir::OpId::conv_weight_gradient) return add_weight_gradient(d, recipe);
  add_on_images(on_images(op, d), d.plain_w, part, recipe);
}

// Images with their channels outermost, for oneDNN to read.
void put_channels_first(const WindowSizes& s, const DataTypes& types, Descriptions& d) {
  const int rank = s.window.rank;
  const memory::format_tag tag = tags_of(rank).channels_first;
  d.convolution.x = {dims({s.n, s.c}, rank, s.image), types.x, tag};
  d.convolution.y = {dims({s.n, s.o}, rank, s.windows), types.y, tag};
}

// oneDNN has depthwise kernels for two spatial axes only, and its reference loops for one (5
// GFLOP/s): a line of pixels is an image one pixel high.
WindowSizes seen_by_onednn(WindowSizes sizes) {
  const bool is_depthwise = sizes.window.groups > 1 && sizes.c_of_group() == 1;
  if (is_depthwise && sizes.window.rank == 1) sizes.window.rank = 2;
  return sizes;
}

Descriptions direct(const KernelCall& call) {
  const WindowSizes sizes = seen_by_onednn(convolution_sizes(call));
  const DataTypes types = data_types_of(call);
  Descriptions described(sizes, types, dnnl::algorithm::convolution_direct);
  if (call.op == ir::OpId::conv_weight_gradient && is_strided_1x1(sizes) &&
      sizes.c_of_group() < kChannelsOfStrided1x1) {
    put_channels_first(sizes, types, described);
  }
  return described;
}

Descriptions winograd(const KernelCall& call) {
  return {convolution_sizes(call), data_types_of(call), dnnl::algorithm::convolution_winograd};
}

}  // namespace

WindowSizes convolution_sizes(const KernelCall& call) {
  return ir::convolution_sizes(call.op, call.inputs[0].shape, call.inputs[1].shape,
                               call.attributes);
}

bool suits_winograd(const KernelCall& call) {
  return suits(convolution_sizes(call), data_types_of(call).x);
}

namespace {

void add_direct(const KernelCall& call, Part part, Recipe& recipe) {
  add(call.op, direct(call), part, recipe);
  if (suits_winograd(call)) {
    recipe.substituted_because =
        "the direct algorithm: Winograd would suit, but is not there or switched off";
  }
}

}  // namespace

std::shared_ptr<const Recipe> direct_recipe(const KernelCall& call) {
  return find_recipe("direct", call, [](const KernelCall& made, Recipe& recipe) {
    add_direct(made, Part::whole, recipe);
  });
}

std::shared_ptr<const Recipe> winograd_recipe(const KernelCall& call) {
  return find_recipe("winograd", call, [](const KernelCall& made, Recipe& recipe) {
    add(made.op, winograd(made), Part::whole, recipe);
  });
}

std::shared_ptr<const Recipe> weights_recipe(const KernelCall& call) {
  return find_recipe("weights", call, [](const KernelCall& made, Recipe& recipe) {
    const Descriptions described = direct(made);
    recipe.reordered = on_images(made.op, described).weights;
    recipe.add_reorder({DNNL_ARG_FROM, described.plain_w, Place::input, 0},
                       {DNNL_ARG_TO, recipe.reordered, Place::output, 0});
  });
}

std::shared_ptr<const Recipe> direct_recipe_on_weights(const KernelCall& call) {
  return find_recipe("direct on weights", call, [](const KernelCall& made, Recipe& recipe) {
    add_direct(made, Part::on_weights, recipe);
  });
}

std::shared_ptr<const Recipe> winograd_recipe_to_blocks(const KernelCall& call) {
  return find_recipe("winograd to blocks", call, [](const KernelCall& made, Recipe& recipe) {
    add(made.op, winograd(made), Part::to_blocks, recipe);
  });
}

std::shared_ptr<const Recipe> from_blocks_recipe(const KernelCall& call) {
  return find_recipe("from blocks", call, [](const KernelCall& made, Recipe& recipe) {
    const Descriptions described = direct(made);
    const memory::desc& plain = made.op == ir::OpId::conv ? described.plain_y : described.plain_x;
    recipe.add_reorder({DNNL_ARG_FROM, blocks(plain), Place::input, 0},
                       {DNNL_ARG_TO, plain, Place::output, 0});
  });
}

}  // namespace sinter::backend::cpu::onednn
