#include "backend/cpu/groups/group_part.h"

#include <utility>

namespace sinter::backend::cpu {

using ir::ScalarOp;

PartBuilder::PartBuilder(const ir::Group& whole, ir::GroupKind kind, int reduced_axes,
                         std::vector<PartAxis> axes, std::vector<std::int64_t> first)
    : whole_(whole), axes_(std::move(axes)), first_(std::move(first)) {
  part_.group.kind = kind;
  part_.group.reduced_axes = reduced_axes;
  std::vector<std::int64_t> lengths;
  for (const PartAxis& axis : axes_) lengths.push_back(axis.length);
  part_.group.space = Shape(lengths);
  copies_.assign(whole.body.size(), -1);
  operand_copies_.assign(whole.operands.size(), -1);
}

std::int32_t PartBuilder::emit(const ir::ScalarInst& inst) {
  part_.group.body.push_back(inst);
  return static_cast<std::int32_t>(part_.group.body.size()) - 1;
}

std::int64_t PartBuilder::operand_of(std::int64_t operand) {
  const auto index = static_cast<std::size_t>(operand);
  std::int64_t& copy_of = operand_copies_[index];
  if (copy_of < 0) {
    const ir::GroupOperand& original = whole_.operands[index];
    ir::GroupOperand added{.dtype = original.dtype, .output = original.output, .strides = {}};
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < first_.size(); ++axis) {
      offset += first_[axis] * original.strides[axis];
    }
    for (const PartAxis& axis : axes_) {
      added.strides.push_back(original.strides[static_cast<std::size_t>(axis.axis)] * axis.step);
    }
    copy_of = static_cast<std::int64_t>(part_.group.operands.size());
    part_.group.operands.push_back(std::move(added));
    part_.operands.push_back(
        {.operand = static_cast<int>(operand),
         .offset = offset * static_cast<std::int64_t>(size_of(original.dtype))});
  }
  return copy_of;
}

std::int64_t PartBuilder::scratch_operand(Dtype dtype, bool output, std::int64_t offset,
                                          std::vector<std::int64_t> strides) {
  part_.group.operands.push_back({.dtype = dtype, .output = output, .strides = std::move(strides)});
  part_.operands.push_back({.operand = -1, .offset = offset});
  return static_cast<std::int64_t>(part_.group.operands.size()) - 1;
}

// The sum over the part's axes that move along the whole's axis.
std::int32_t PartBuilder::copy_index(const ir::ScalarInst& inst) {
  const auto constant = [&](std::int64_t number) {
    ir::ScalarInst it;
    it.op = ScalarOp::constant;
    it.type = inst.type;
    it.imm = number;
    return emit(it);
  };
  const auto binary = [&](ScalarOp op, std::int32_t a, std::int32_t b) {
    ir::ScalarInst it;
    it.op = op;
    it.type = inst.type;
    it.a = a;
    it.b = b;
    return emit(it);
  };
  std::int32_t sum = -1;
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (axes_[i].axis != static_cast<int>(inst.imm)) continue;
    ir::ScalarInst index = inst;
    index.imm = static_cast<std::int64_t>(i);
    std::int32_t term = emit(index);
    if (axes_[i].step != 1) term = binary(ScalarOp::mul, term, constant(axes_[i].step));
    sum = sum < 0 ? term : binary(ScalarOp::add, sum, term);
  }
  const std::int64_t first = first_[static_cast<std::size_t>(inst.imm)];
  if (sum < 0) return constant(first);
  return first == 0 ? sum : binary(ScalarOp::add, sum, constant(first));
}

std::int32_t PartBuilder::copy(std::int32_t value) {
  if (value < 0) return value;
  const auto index = static_cast<std::size_t>(value);
  if (copies_[index] >= 0) return copies_[index];
  ir::ScalarInst inst = whole_.body[index];
  std::int32_t result = -1;
  if (inst.op == ScalarOp::index) {
    result = copy_index(inst);
  } else {
    inst.a = copy(inst.a);
    inst.b = copy(inst.b);
    inst.c = copy(inst.c);
    if (inst.op == ScalarOp::load || inst.op == ScalarOp::store) inst.imm = operand_of(inst.imm);
    result = emit(inst);
  }
  copies_[index] = result;
  return result;
}

void PartBuilder::replace(std::int32_t value, std::int64_t offset,
                          std::vector<std::int64_t> strides) {
  const Dtype type = whole_.body[static_cast<std::size_t>(value)].type;
  ir::ScalarInst load;
  load.op = ScalarOp::load;
  load.type = type;
  load.imm = scratch_operand(type, false, offset, std::move(strides));
  copies_[static_cast<std::size_t>(value)] = emit(load);
}

void PartBuilder::add_store(std::int32_t store) { copy(store); }

void PartBuilder::add_result(std::int32_t value, std::int64_t offset,
                             std::vector<std::int64_t> strides) {
  const Dtype type = whole_.body[static_cast<std::size_t>(value)].type;
  ir::ScalarInst store;
  store.op = ScalarOp::store;
  store.type = type;
  store.a = copy(value);
  store.imm = scratch_operand(type, true, offset, std::move(strides));
  emit(store);
}

}  // namespace sinter::backend::cpu
