// Views: the same elements under another shape or order of axes.
#include <algorithm>
#include <numeric>
#include <string>

#include "ir/internal_error.h"
#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "ops/sum_to.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

using ir::Layout;
using Numbers = std::vector<std::int64_t>;
using Gradients = std::vector<std::optional<Tensor>>;

std::size_t at(std::int64_t axis) { return static_cast<std::size_t>(axis); }

// --- reshape ---

std::vector<TensorType> infer_reshape(const ir::OpCall& call) {
  const Shape shape = shape_attribute(call.attributes);
  if (shape.elements() != call.inputs[0].elements()) {
    raise({.where = "reshape",
           .what = "the number of elements changes",
           .got = call.inputs[0].to_string() + " to " + shape.to_string(),
           .expected = std::to_string(call.inputs[0].elements()) + " elements",
           .hint = {}});
  }
  return {{call.inputs[0].dtype, shape}};
}

// Runs of axes of both shapes with equal products are matched, outermost first. Within a run the
// input must be dense: one stride serves all its axes.
std::optional<Layout> view_reshape(const Layout& input, const TensorType& result,
                                   const ir::Attributes&) {
  const Shape& to = result.shape;
  Layout layout{to, input.offset, ir::row_major_strides(to)};
  if (to.elements() == 0) return layout;
  Shape lengths;
  Numbers strides;
  {
    Numbers kept;
    for (int axis = 0; axis < input.shape.rank(); ++axis) {
      if (input.shape[axis] == 1) continue;
      kept.push_back(input.shape[axis]);
      strides.push_back(input.strides[at(axis)]);
    }
    lengths = Shape(kept);
  }
  int from_begin = 0;
  int to_begin = 0;
  while (from_begin < lengths.rank()) {
    while (to[to_begin] == 1) ++to_begin;
    int from_end = from_begin + 1;
    int to_end = to_begin + 1;
    std::int64_t from_product = lengths[from_begin];
    std::int64_t to_product = to[to_begin];
    while (from_product != to_product) {
      if (from_product < to_product) {
        from_product *= lengths[from_end++];
      } else {
        to_product *= to[to_end++];
      }
    }
    for (int axis = from_begin; axis + 1 < from_end; ++axis) {
      if (strides[at(axis)] != strides[at(axis + 1)] * lengths[axis + 1]) return std::nullopt;
    }
    std::int64_t stride = strides[at(from_end - 1)];
    for (int axis = to_end - 1; axis >= to_begin; --axis) {
      layout.strides[at(axis)] = stride;
      stride *= to[axis];
    }
    from_begin = from_end;
    to_begin = to_end;
  }
  return layout;
}

Gradients reshape_gradient(const ir::GradientCall& call) {
  return {reshape(*call.dy[0], call.inputs[0].shape())};
}

// --- permute ---

std::vector<TensorType> infer_permute(const ir::OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  const Numbers& axes = call.attributes.integers("axes");
  Numbers sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  Numbers all(at(shape.rank()));
  std::iota(all.begin(), all.end(), 0);
  if (sorted != all) {
    std::string text;
    for (const std::int64_t axis : axes) text += (text.empty() ? "" : ", ") + std::to_string(axis);
    raise({.where = "permute",
           .what = "the axes are not a permutation",
           .got = "{" + text + "} for " + call.inputs[0].to_string(),
           .expected = "each axis once",
           .hint = {}});
  }
  Numbers lengths;
  for (const std::int64_t axis : axes) lengths.push_back(shape[static_cast<int>(axis)]);
  return {{call.inputs[0].dtype, Shape(lengths)}};
}

std::optional<Layout> view_permute(const Layout& input, const TensorType& result,
                                   const ir::Attributes& attributes) {
  Layout layout{result.shape, input.offset, {}};
  for (const std::int64_t axis : attributes.integers("axes")) {
    layout.strides.push_back(input.strides[at(axis)]);
  }
  return layout;
}

Gradients permute_gradient(const ir::GradientCall& call) {
  const Numbers& axes = call.attributes.integers("axes");
  std::vector<int> inverse(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) inverse[at(axes[i])] = static_cast<int>(i);
  return {permute(*call.dy[0], inverse)};
}

// --- slice ---

std::vector<TensorType> infer_slice(const ir::OpCall& call) {
  Shape shape = call.inputs[0].shape;
  const int axis = static_cast<int>(call.attributes.integer("axis"));
  const std::int64_t begin = call.attributes.integer("begin");
  const std::int64_t end = call.attributes.integer("end");
  if (axis < 0 || axis >= shape.rank()) throw ir::InternalError("slice: no such axis");
  if (begin < 0 || begin > end || end > shape[axis]) {
    raise({.where = "slice",
           .what = "the bounds leave the axis",
           .got = std::to_string(begin) + " to " + std::to_string(end) + " of axis " +
                  std::to_string(axis) + " of " + call.inputs[0].to_string(),
           .expected = "0 <= begin <= end <= " + std::to_string(shape[axis]),
           .hint = {}});
  }
  shape.set(axis, end - begin);
  return {{call.inputs[0].dtype, shape}};
}

std::optional<Layout> view_slice(const Layout& input, const TensorType& result,
                                 const ir::Attributes& attributes) {
  Layout layout{result.shape, input.offset, input.strides};
  layout.offset += attributes.integer("begin") * input.strides[at(attributes.integer("axis"))];
  return layout;
}

Gradients slice_gradient(const ir::GradientCall& call) {
  const Shape& shape = call.inputs[0].shape();
  const std::int64_t axis = call.attributes.integer("axis");
  Numbers low(at(shape.rank()));
  Numbers high(at(shape.rank()));
  low[at(axis)] = call.attributes.integer("begin");
  high[at(axis)] = shape[static_cast<int>(axis)] - call.attributes.integer("end");
  return {pad(*call.dy[0], low, high)};
}

// --- broadcast_to ---

std::vector<TensorType> infer_broadcast_to(const ir::OpCall& call) {
  const Shape& from = call.inputs[0].shape;
  const Shape to = shape_attribute(call.attributes);
  const int added = to.rank() - from.rank();
  bool fits = added >= 0;
  for (int axis = 0; fits && axis < from.rank(); ++axis) {
    fits = from[axis] == 1 || from[axis] == to[axis + added];
  }
  if (!fits) {
    raise({.where = "broadcast_to",
           .what = "the shape does not broadcast to the other",
           .got = call.inputs[0].to_string() + " to " + to.to_string(),
           .expected = "equal lengths, or 1, at every axis counted from the innermost",
           .hint = {}});
  }
  return {{call.inputs[0].dtype, to}};
}

std::optional<Layout> view_broadcast_to(const Layout& input, const TensorType& result,
                                        const ir::Attributes&) {
  const Shape& to = result.shape;
  const int added = to.rank() - input.shape.rank();
  Layout layout{to, input.offset, Numbers(at(to.rank()))};
  for (int axis = 0; axis < input.shape.rank(); ++axis) {
    if (input.shape[axis] == to[axis + added]) {
      layout.strides[at(axis + added)] = input.strides[at(axis)];
    }
  }
  return layout;
}

Gradients broadcast_to_gradient(const ir::GradientCall& call) {
  return {sum_to(*call.dy[0], call.inputs[0].shape())};
}

}  // namespace

constinit const ir::Op kReshape = {
    .id = ir::OpId::reshape,
    .name = "reshape",
    .doc =
        "The same elements in row-major order under another shape. Every dtype. Error: another "
        "number of elements.",
    .kind = ir::OpKind::view,
    .inputs = {{"x", ir::kEveryDtype}},
    .schema = {{"shape", Kind::integers}},
    .infer = infer_reshape,
    .gradient = reshape_gradient,
    .view = view_reshape,
    .cost = no_cost,
    .moves = ir::ViewMoves::in_order,
    .axes = ir::AxisRule::reshape,
};

constinit const ir::Op kPermute = {
    .id = ir::OpId::permute,
    .name = "permute",
    .doc =
        "The axes in another order: axis i of the result is axis axes[i] of the input. Every "
        "dtype. Error: not each axis once.",
    .kind = ir::OpKind::view,
    .inputs = {{"x", ir::kEveryDtype}},
    .schema = {{"axes", Kind::integers}},
    .infer = infer_permute,
    .gradient = permute_gradient,
    .view = view_permute,
    .cost = no_cost,
    .axes = ir::AxisRule::permute,
};

constinit const ir::Op kSlice = {
    .id = ir::OpId::slice,
    .name = "slice",
    .doc =
        "The part begin <= index < end of one axis. Every dtype. Error: bounds outside the axis.",
    .kind = ir::OpKind::view,
    .inputs = {{"x", ir::kEveryDtype}},
    .schema = {{"axis", Kind::integer}, {"begin", Kind::integer}, {"end", Kind::integer}},
    .infer = infer_slice,
    .gradient = slice_gradient,
    .view = view_slice,
    .cost = no_cost,
};

constinit const ir::Op kBroadcastTo = {
    .id = ir::OpId::broadcast_to,
    .name = "broadcast_to",
    .doc =
        "Axes of length 1, and new outer ones, repeated to the given shape. Every dtype. Error: "
        "a shape to which the input does not broadcast.",
    .kind = ir::OpKind::view,
    .inputs = {{"x", ir::kEveryDtype}},
    .schema = {{"shape", Kind::integers}},
    .infer = infer_broadcast_to,
    .gradient = broadcast_to_gradient,
    .view = view_broadcast_to,
    .cost = no_cost,
    .moves = ir::ViewMoves::spread,
};

}  // namespace ops

Tensor reshape(Operand x, const std::vector<std::int64_t>& lengths) {
  const Tensor tensor = ops::tensor_of("reshape", x);
  std::vector<std::int64_t> known = lengths;
  const auto open = std::find(known.begin(), known.end(), -1);
  if (open != known.end()) {
    *open = 1;
    const bool twice = std::find(open, known.end(), -1) != known.end();
    const std::int64_t others = twice ? 0 : Shape(known).elements();
    if (others == 0 || tensor.elements() % others != 0) {
      raise({.where = "reshape",
             .what = twice ? "more than one length is -1" : "no length fits for -1",
             .got = tensor.to_string() + " in parts of " + std::to_string(others),
             .expected = {},
             .hint = {}});
    }
    *open = tensor.elements() / others;
  }
  return reshape(Operand(tensor, x.location()), Shape(known));
}

Tensor reshape(Operand x, std::initializer_list<std::int64_t> lengths) {
  return reshape(x, std::vector<std::int64_t>(lengths));
}

Tensor reshape(Operand x, const Shape& shape) {
  const Tensor tensor = ops::tensor_of("reshape", x);
  if (tensor.defined() && tensor.shape() == shape) return tensor;
  return apply_one(ops::kReshape, {&tensor, 1}, {{"shape", shape.to_vector()}}, x.location());
}

Tensor permute(Operand x, const std::vector<int>& axes) {
  const Tensor tensor = ops::tensor_of("permute", x);
  std::vector<std::int64_t> normal;
  bool is_identity = static_cast<int>(axes.size()) == tensor.rank();
  for (const int axis : axes) {
    normal.push_back(normalize_axis("permute", axis, tensor.rank()));
    is_identity = is_identity && normal.back() == static_cast<std::int64_t>(normal.size()) - 1;
  }
  if (is_identity) return tensor;
  return apply_one(ops::kPermute, {&tensor, 1}, {{"axes", normal}}, x.location());
}

Tensor transpose(Operand x) {
  const Tensor tensor = ops::tensor_of("transpose", x);
  if (tensor.rank() < 2) {
    raise({.where = "transpose",
           .what = "fewer than two axes",
           .got = tensor.to_string(),
           .expected = "(..., M, N)",
           .hint = {}});
  }
  std::vector<int> axes(static_cast<std::size_t>(tensor.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return permute(Operand(tensor, x.location()), axes);
}

Tensor slice(Operand x, int axis, std::int64_t begin, std::int64_t end) {
  const Tensor tensor = ops::tensor_of("slice", x);
  const std::int64_t normal = normalize_axis("slice", axis, tensor.rank());
  const std::int64_t length = tensor.shape()[static_cast<int>(normal)];
  if (begin < 0) begin += length;
  if (end < 0) end += length;
  if (begin == 0 && end == length) return tensor;
  return apply_one(ops::kSlice, {&tensor, 1}, {{"axis", normal}, {"begin", begin}, {"end", end}},
                   x.location());
}

// Of blocks of `step` elements the same element each. All views, but for a copy where the last
// block would leave x.
Tensor slice(Operand x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  if (step < 1) {
    raise({.where = "slice",
           .what = "the step must be positive",
           .got = std::to_string(step),
           .expected = "1 or more",
           .hint = {}});
  }
  const Operand part(slice(x, axis, begin, end), x.location());  // checks the bounds
  if (step == 1) return part.tensor();
  const Tensor tensor = ops::tensor_of("slice", x);
  const int along = static_cast<int>(normalize_axis("slice", axis, tensor.rank()));
  const std::int64_t length = tensor.shape()[along];
  const std::int64_t count = (part.tensor().shape()[along] + step - 1) / step;
  if (count == 0) return part.tensor();
  if (begin < 0) begin += length;
  // Where in its block an element stands, so that all blocks lie in x.
  const std::int64_t place = std::max<std::int64_t>(0, begin + count * step - length);
  Operand blocks = part;
  if (place <= begin) {
    const std::int64_t first = begin - place;
    blocks = Operand(slice(x, along, first, first + count * step), x.location());
  } else {
    std::vector<std::int64_t> low(static_cast<std::size_t>(tensor.rank()));
    std::vector<std::int64_t> high = low;
    high[static_cast<std::size_t>(along)] = step - 1;
    const Operand used(slice(part, along, 0, (count - 1) * step + 1), x.location());
    blocks = Operand(pad(used, low, high), x.location());
  }
  std::vector<std::int64_t> lengths = tensor.shape().to_vector();
  lengths[static_cast<std::size_t>(along)] = count;
  const Shape result(lengths);
  lengths.insert(lengths.begin() + along + 1, step);
  const Operand split(reshape(blocks, Shape(lengths)), x.location());
  const std::int64_t at = place <= begin ? place : 0;
  const Operand chosen(slice(split, along + 1, at, at + 1), x.location());
  return reshape(chosen, result);
}

Tensor broadcast_to(Operand x, const Shape& shape) {
  const Tensor tensor = ops::tensor_of("broadcast_to", x);
  if (tensor.shape() == shape) return tensor;
  return apply_one(ops::kBroadcastTo, {&tensor, 1}, {{"shape", shape.to_vector()}}, x.location());
}

Tensor flatten(Operand x, int first) {
  const Tensor tensor = ops::tensor_of("flatten", x);
  // first == rank makes a new innermost axis of length 1.
  const int from = first == tensor.rank() ? first : normalize_axis("flatten", first, tensor.rank());
  std::vector<std::int64_t> lengths;
  std::int64_t flat = 1;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    if (axis < from) {
      lengths.push_back(tensor.shape()[axis]);
    } else {
      flat *= tensor.shape()[axis];
    }
  }
  lengths.push_back(flat);
  return reshape(Operand(tensor, x.location()), Shape(lengths));
}

}  // namespace sinter
