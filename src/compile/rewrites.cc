#include "compile/rewrites.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "compile/rewriter.h"
#include "sinter/ops.h"

namespace sinter::compile_detail {

namespace {

using ir::OpId;

ir::ValueId value_of(const Tensor& tensor) { return tensor.impl()->payload.value; }

// The node of the new graph that makes a value; null for an input.
const ir::Node* maker(const RewriteSite& site, ir::ValueId value) {
  const std::int32_t node = site.recorded.values[static_cast<std::size_t>(value)].node;
  return node < 0 ? nullptr : &site.recorded.nodes[static_cast<std::size_t>(node)];
}

// The node of the new graph that makes the first input, when it is one of `op`.
const ir::Node* made_by(const RewriteSite& site, OpId op) {
  const ir::Node* const node = maker(site, value_of(site.inputs[0]));
  return node != nullptr && node->op == op ? node : nullptr;
}

// --- conversions ---

// Whether each value of `from` is one of `to`.
bool holds_all(Dtype to, Dtype from) {
  switch (to) {
    case Dtype::f32:
      return is_half(from) || from == Dtype::u8 || from == Dtype::boolean;
    case Dtype::f64:
      return is_half(from) || from == Dtype::f32 || from == Dtype::i32 || from == Dtype::u8 ||
             from == Dtype::boolean;
    case Dtype::i64:
      return from == Dtype::i32 || from == Dtype::u8 || from == Dtype::boolean;
    case Dtype::i32:
      return from == Dtype::u8 || from == Dtype::boolean;
    default:
      return false;
  }
}

std::optional<Tensor> cast_of_cast(const RewriteSite& site) {
  const ir::Node* const inner = made_by(site, OpId::cast);
  if (inner == nullptr) return std::nullopt;
  const ir::ValueId source = inner->inputs[0];
  if (!holds_all(site.inputs[0].dtype(), site.recorded.type_of(source).dtype)) return std::nullopt;
  return cast(site.tensor(source), site.type.dtype);
}

std::optional<Tensor> cast_to_same(const RewriteSite& site) {
  if (site.inputs[0].dtype() != site.type.dtype) return std::nullopt;
  return site.inputs[0];
}

// --- views ---

// `x` with its axes in another order; one permutation where `x` is one already.
Tensor permuted(const RewriteSite& site, const Tensor& x, const std::vector<std::int64_t>& axes) {
  const ir::Node* const inner = maker(site, value_of(x));
  const bool composes = inner != nullptr && inner->op == OpId::permute;
  std::vector<int> order;
  for (const std::int64_t axis : axes) {
    order.push_back(static_cast<int>(
        composes ? inner->attributes.integers("axes")[static_cast<std::size_t>(axis)] : axis));
  }
  return permute(composes ? site.tensor(inner->inputs[0]) : x, order);
}

std::optional<Tensor> permute_of_permute(const RewriteSite& site) {
  if (made_by(site, OpId::permute) == nullptr) return std::nullopt;
  return permuted(site, site.inputs[0], site.node.attributes.integers("axes"));
}

std::optional<Tensor> reshape_of_reshape(const RewriteSite& site) {
  const ir::Node* const inner = made_by(site, OpId::reshape);
  if (inner == nullptr) return std::nullopt;
  return reshape(site.tensor(inner->inputs[0]), site.type.shape);
}

// A view that shows all elements where they are.
std::optional<Tensor> same_view(const RewriteSite& site) {
  if (site.inputs[0].shape() != site.type.shape) return std::nullopt;
  return site.inputs[0];
}

// --- arithmetic with constants ---

// Whether the value is `number` everywhere, down to the sign of zero.
bool is_constant(const RewriteSite& site, ir::ValueId value, double number) {
  const ir::Node* node = maker(site, value);
  while (node != nullptr && (node->op == OpId::reshape || node->op == OpId::broadcast_to)) {
    node = maker(site, node->inputs[0]);
  }
  if (node == nullptr || node->op != OpId::full) return false;
  return std::bit_cast<std::uint64_t>(node->attributes.real("value")) ==
         std::bit_cast<std::uint64_t>(number);
}

// The other operand, when operand `at` is `number` everywhere and does not make the result larger.
std::optional<Tensor> without(const RewriteSite& site, std::size_t at, double number) {
  const Tensor& kept = site.inputs[1 - at];
  if (kept.shape() != site.type.shape) return std::nullopt;
  if (!is_constant(site, value_of(site.inputs[at]), number)) return std::nullopt;
  return kept;
}

std::optional<Tensor> times_one(const RewriteSite& site) {
  if (auto kept = without(site, 1, 1)) return kept;
  return without(site, 0, 1);
}

std::optional<Tensor> divided_by_one(const RewriteSite& site) { return without(site, 1, 1); }

// -0 + 0 is 0, so of the two zeros only -0 may go.
std::optional<Tensor> plus_zero(const RewriteSite& site) {
  if (!is_floating(site.type.dtype)) {
    if (auto kept = without(site, 1, 0.0)) return kept;
    return without(site, 0, 0.0);
  }
  if (auto kept = without(site, 1, -0.0)) return kept;
  return without(site, 0, -0.0);
}

// -0 - 0 is -0, so here it is 0 that may go.
std::optional<Tensor> minus_zero(const RewriteSite& site) { return without(site, 1, 0.0); }

// --- products ---

// Whether a permutation exchanges the two innermost axes and no others.
bool exchanges_innermost(const std::vector<std::int64_t>& axes) {
  const auto rank = static_cast<std::int64_t>(axes.size());
  for (std::int64_t i = 0; i < rank - 2; ++i) {
    if (axes[static_cast<std::size_t>(i)] != i) return false;
  }
  return rank >= 2 && axes.back() == rank - 2;
}

// (a b)^T = b^T a^T, so that a weight gradient is produced as it is stored, without a copy.
std::optional<Tensor> turn_products(const RewriteSite& site) {
  const ir::Node* const product = made_by(site, OpId::matmul);
  const std::vector<std::int64_t>& axes = site.node.attributes.integers("axes");
  if (product == nullptr || !site.is_only_reader || !exchanges_innermost(axes)) return std::nullopt;
  const ir::ValueId left = product->inputs[0];
  const ir::ValueId right = product->inputs[1];
  const Tensor first = permuted(site, site.tensor(right), axes);
  return matmul(first, permuted(site, site.tensor(left), axes));
}

constexpr std::array kRewrites = {
    Rewrite{"turn_products", "(a b)^T = b^T a^T", OpId::permute, turn_products},
    Rewrite{"permute_of_permute", "two orders of axes are one", OpId::permute, permute_of_permute},
    Rewrite{"reshape_of_reshape", "the last shape is what counts", OpId::reshape,
            reshape_of_reshape},
    Rewrite{"same_reshape", "a reshape to the same shape", OpId::reshape, same_view},
    Rewrite{"same_slice", "a slice of everything", OpId::slice, same_view},
    Rewrite{"same_broadcast", "a broadcast to the same shape", OpId::broadcast_to, same_view},
    Rewrite{"cast_of_cast", "a conversion through a type that holds every value is one conversion",
            OpId::cast, cast_of_cast},
    Rewrite{"cast_to_same", "a conversion to the same type", OpId::cast, cast_to_same},
    Rewrite{"times_one", "x * 1 = x", OpId::multiply, times_one},
    Rewrite{"divided_by_one", "x / 1 = x", OpId::divide, divided_by_one},
    Rewrite{"plus_zero", "x + -0 = x; of integers x + 0 = x", OpId::add, plus_zero},
    Rewrite{"minus_zero", "x - 0 = x", OpId::subtract, minus_zero},
};

}  // namespace

std::span<const Rewrite> rewrites() { return kRewrites; }

ir::Graph rewrite(const ir::Graph& graph, ir::OpList ops,
                  const std::function<bool(const char*)>& is_enabled) {
  // By the op of the node: most have none.
  std::vector<std::vector<const Rewrite*>> table(ops.size());
  for (const Rewrite& each : kRewrites) {
    if (is_enabled(each.name)) table[static_cast<std::size_t>(each.op)].push_back(&each);
  }
  Rewriter rewriter(graph, ops);
  const std::vector<int> uses = ir::count_uses(graph);
  // Of the old graph: values that are something else now, which may have readers of its own.
  std::vector<std::uint8_t> is_replaced(graph.values.size());
  const auto is_only_reader = [&](const ir::Node& node) {
    if (node.inputs.empty()) return false;
    const auto input = static_cast<std::size_t>(node.inputs[0]);
    return uses[input] == 1 && is_replaced[input] == 0;
  };
  const std::function<Tensor(ir::ValueId)> tensor = [&](ir::ValueId value) {
    return rewriter.recorded_tensor(value);
  };
  for (const ir::Node& node : graph.nodes) {
    rewriter.set_origin(node);
    const std::vector<Tensor> inputs = rewriter.inputs_of(node);
    std::optional<Tensor> replaced;
    for (const Rewrite* each : table[static_cast<std::size_t>(node.op)]) {
      replaced = each->apply({rewriter.recorded(), node, graph.type_of(node.results[0]), inputs,
                              is_only_reader(node), tensor});
      if (replaced) break;
    }
    if (replaced) is_replaced[static_cast<std::size_t>(node.results[0])] = 1;
    rewriter.set_results(node,
                         replaced ? std::vector<Tensor>{*replaced} : rewriter.record(node, inputs));
  }
  return rewriter.finish();
}

}  // namespace sinter::compile_detail
