// Tensors side by side in one vector: how gradients reach the optimizer's arena.
#include <string>

#include "ops/check.h"
#include "ops/list.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

std::vector<TensorType> infer(const ir::OpCall& call) {
  const std::vector<std::int64_t>& offsets = call.attributes.integers("offsets");
  const std::int64_t elements = call.attributes.integer("elements");
  if (call.inputs.empty() || offsets.size() != call.inputs.size()) {
    raise({.where = "pack",
           .what = "inputs and offsets do not match",
           .got = std::to_string(call.inputs.size()) + " inputs and " +
                  std::to_string(offsets.size()) + " offsets",
           .expected = "one offset for each input, and at least one",
           .hint = {}});
  }
  check_same_dtype("pack", call.inputs);
  std::int64_t end = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] < end) {
      raise({.where = "pack",
             .what = "input " + std::to_string(i) + " overlaps the one before it",
             .got = "offset " + std::to_string(offsets[i]),
             .expected = std::to_string(end) + " or more",
             .hint = {}});
    }
    end = offsets[i] + call.inputs[i].elements();
  }
  if (end > elements) {
    raise({.where = "pack",
           .what = "the inputs do not fit",
           .got = std::to_string(elements) + " elements",
           .expected = std::to_string(end) + " or more",
           .hint = {}});
  }
  return {{call.inputs[0].dtype, Shape({elements})}};
}

std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) {
  const std::vector<std::int64_t>& offsets = call.attributes.integers("offsets");
  std::vector<std::optional<Tensor>> gradients(call.inputs.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!is_needed(call, i)) continue;
    const Tensor part = slice(*call.dy[0], 0, offsets[i], offsets[i] + call.inputs[i].elements());
    gradients[i] = reshape(part, call.inputs[i].shape());
  }
  return gradients;
}

const std::vector<std::int64_t>& offsets_of(const ir::Attributes& attributes) {
  return attributes.integers("offsets");
}

}  // namespace

constinit const ir::Op kPack = {
    .id = ir::OpId::pack,
    .name = "pack",
    .doc =
        "The inputs flattened into one vector of `elements` elements, the i-th from offsets[i] "
        "on; zeros in the gaps. Every dtype. Errors: dtypes that differ, offsets that do not "
        "ascend or overlap, too few elements.",
    .kind = ir::OpKind::opaque,
    .inputs = {{"an input", ir::kEveryDtype}},
    .is_variadic = true,
    .schema = {{"offsets", Kind::integers},
               {"elements", Kind::integer},
               {"joined", Kind::integer, 0}},
    .infer = infer,
    .gradient = gradient,
    .cost = move_cost,
    .joins = offsets_of,
};

}  // namespace ops

Tensor pack(const std::vector<Tensor>& inputs, const std::vector<std::int64_t>& offsets,
            std::int64_t elements, SourceLocation location) {
  return apply_one(ops::kPack, inputs, {{"offsets", offsets}, {"elements", elements}}, location);
}

}  // namespace sinter
