#include "ir/cost.h"

#include <cstdint>
#include <vector>

#include "ir/internal_error.h"

namespace sinter::ir {

namespace {

// Which axes of a space a value runs along: bit i stands for axis i.
using Axes = std::uint32_t;

bool is_free(ScalarOp op) {
  switch (op) {
    case ScalarOp::load:
    case ScalarOp::index:
    case ScalarOp::constant:
    case ScalarOp::bitcast:
    case ScalarOp::store:
      return true;
    default:
      return false;
  }
}

Axes axes_of(const GroupOperand& operand, const Shape& space) {
  Axes axes = 0;
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (operand.strides[static_cast<std::size_t>(axis)] != 0) axes |= Axes{1} << axis;
  }
  return axes;
}

Axes reduced_axes(const Group& group) {
  const Axes all = (Axes{1} << group.reduced_axes) - 1;
  if (group.kind == GroupKind::inner) return all << (group.space.rank() - group.reduced_axes);
  return group.kind == GroupKind::outer ? all : 0;
}

double points(const Shape& space, Axes axes) {
  double count = 1;
  for (int axis = 0; axis < space.rank(); ++axis) {
    if ((axes >> axis & 1) != 0) count *= static_cast<double>(space[axis]);
  }
  return count;
}

}  // namespace

Unit contraction_unit(Dtype operands) {
  switch (operands) {
    case Dtype::f32:
      return Unit::contraction_f32;
    case Dtype::f64:
      return Unit::contraction_f64;
    case Dtype::bf16:
      return Unit::contraction_bf16;
    case Dtype::f16:
      return Unit::contraction_f16;
    default:
      throw InternalError("no contraction multiplies " + std::string(name_of(operands)));
  }
}

Unit vector_unit(Dtype dtype) { return size_of(dtype) == 8 ? Unit::vector_64 : Unit::vector_32; }

Cost cost_of(const Op& op, const OpCall& call, std::span<const TensorType> results) {
  if (op.cost != nullptr) return op.cost(call, results);
  Cost cost;
  for (const TensorType& type : call.inputs) cost.bytes += static_cast<double>(type.bytes());
  for (const TensorType& type : results) {
    cost.flops += static_cast<double>(type.elements());
    cost.bytes += static_cast<double>(type.bytes());
  }
  return cost;
}

void add_group_work(const Group& group, Cost& cost) {
  const Axes reduced = reduced_axes(group);
  std::vector<Axes> axes(group.body.size());
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    const ScalarInst& inst = group.body[i];
    bool is_wide = size_of(inst.type) == 8;
    const std::int32_t sources[] = {inst.a, inst.b, inst.c};
    for (int k = 0; k < operand_count(inst.op); ++k) {
      const auto source = static_cast<std::size_t>(sources[k]);
      axes[i] |= axes[source];
      is_wide = is_wide || size_of(group.body[source].type) == 8;
    }
    if (inst.op == ScalarOp::load) {
      axes[i] = axes_of(group.operands[static_cast<std::size_t>(inst.imm)], group.space);
    } else if (inst.op == ScalarOp::index) {
      axes[i] = Axes{1} << inst.imm;
    }
    if (is_reduction(inst.op)) axes[i] |= reduced;
    if (!is_free(inst.op)) {
      cost.add(is_wide ? Unit::vector_64 : Unit::vector_32, points(group.space, axes[i]));
    }
    if (is_reduction(inst.op)) axes[i] &= ~reduced;
  }
}

}  // namespace sinter::ir
