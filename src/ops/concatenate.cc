// Tensors joined along an axis, old or new. Elements lie one after the other in one vector (pack),
// where the fused groups that make them write them at once; another axis than the outermost is
// moved there and back.
#include <numeric>
#include <string>

#include "ops/list.h"
#include "sinter/ops.h"
#include "tensor/apply.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

using Numbers = std::vector<std::int64_t>;

void check_given(const char* where, const std::vector<Tensor>& inputs, SourceLocation location) {
  if (inputs.empty()) {
    raise({.where = where,
           .what = "nothing to join",
           .got = "no inputs",
           .expected = "at least one",
           .hint = {}});
  }
  for (const Tensor& input : inputs) (void)Operand(input, location);  // refuses empty handles
  for (const Tensor& input : inputs) {
    if (input.dtype() == inputs[0].dtype()) continue;
    raise({.where = where,
           .what = "the dtypes differ",
           .got = inputs[0].to_string() + " and " + input.to_string(),
           .expected = "one dtype",
           .hint = "convert with cast()"});
  }
}

void check_shapes(const std::vector<Tensor>& inputs, int axis) {
  for (const Tensor& input : inputs) {
    bool fits = input.rank() == inputs[0].rank();
    for (int i = 0; fits && i < input.rank(); ++i) {
      fits = i == axis || input.shape()[i] == inputs[0].shape()[i];
    }
    if (fits) continue;
    raise({.where = "concatenate",
           .what = "the shapes do not fit",
           .got = inputs[0].to_string() + " and " + input.to_string(),
           .expected = "equal lengths at every axis but " + std::to_string(axis),
           .hint = {}});
  }
}

// The inputs, each flattened, in one vector.
Tensor joined(const std::vector<Tensor>& inputs, SourceLocation location) {
  Numbers offsets;
  std::int64_t elements = 0;
  for (const Tensor& input : inputs) {
    offsets.push_back(elements);
    elements += input.elements();
  }
  // `joined` tells the memory plan that these are no gradients on their way to an optimizer.
  return apply_one(ops::kPack, inputs,
                   {{"offsets", offsets}, {"elements", elements}, {"joined", std::int64_t{1}}},
                   location);
}

// Joined vectors no longer show where axes came from.
Tensor with_axes_of(const std::vector<Tensor>& inputs, const Tensor& result) {
  return with_origins(result, origins_after(ir::AxisRule::aligned, inputs, {}, result.shape()));
}

// How axis `from` comes to stand at `to`, as the order for permute.
std::vector<int> moved_axis(int rank, int from, int to) {
  std::vector<int> order(static_cast<std::size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  order.erase(order.begin() + from);
  order.insert(order.begin() + to, from);
  return order;
}

}  // namespace

Tensor concatenate(const std::vector<Tensor>& inputs, int axis, SourceLocation location) {
  check_given("concatenate", inputs, location);
  const int rank = inputs[0].rank();
  if (rank == 0) {
    raise({.where = "concatenate",
           .what = "scalars have no axis to be joined along",
           .got = inputs[0].to_string(),
           .expected = "at least one axis",
           .hint = "stack() makes one"});
  }
  const int along = static_cast<int>(normalize_axis("concatenate", axis, rank));
  check_shapes(inputs, along);
  if (inputs.size() == 1) return inputs[0];
  std::int64_t outer = 1;
  for (int i = 0; i < along; ++i) outer *= inputs[0].shape()[i];
  Shape shape = inputs[0].shape();
  std::int64_t length = 0;
  for (const Tensor& input : inputs) length += input.shape()[along];
  shape.set(along, length);
  if (outer == 1) {
    return with_axes_of(inputs, reshape(Operand(joined(inputs, location), location), shape));
  }
  std::vector<Tensor> moved;
  const std::vector<int> to_front = moved_axis(rank, along, 0);
  for (const Tensor& input : inputs) moved.push_back(permute(Operand(input, location), to_front));
  Numbers lengths;
  for (const int i : to_front) lengths.push_back(shape[i]);
  const Tensor front = reshape(Operand(joined(moved, location), location), Shape(lengths));
  return with_axes_of(inputs, permute(Operand(front, location), moved_axis(rank, 0, along)));
}

Tensor stack(const std::vector<Tensor>& inputs, int axis, SourceLocation location) {
  check_given("stack", inputs, location);
  const Shape& shape = inputs[0].shape();
  for (const Tensor& input : inputs) {
    if (input.shape() == shape) continue;
    raise({.where = "stack",
           .what = "the shapes differ",
           .got = inputs[0].to_string() + " and " + input.to_string(),
           .expected = "one shape",
           .hint = "concatenate() joins different lengths along an axis"});
  }
  const int along = static_cast<int>(normalize_axis("stack", axis, shape.rank() + 1));
  Numbers lengths = shape.to_vector();
  lengths.insert(lengths.begin() + along, 1);
  std::vector<Tensor> parts;
  for (const Tensor& input : inputs) {
    parts.push_back(reshape(Operand(input, location), Shape(lengths)));
  }
  return concatenate(parts, along, location);
}

}  // namespace sinter
