#include "backend/cpu/groups/lowered_body.h"

namespace sinter::backend::cpu {

namespace {

Lane lane_of(Dtype type) {
  switch (type) {
    case Dtype::f64:
      return Lane::f64;
    case Dtype::i32:
    case Dtype::u8:
      return Lane::i32;
    case Dtype::i64:
      return Lane::i64;
    case Dtype::boolean:
      return Lane::mask;
    case Dtype::f16:
      return Lane::half;
    default:
      return Lane::f32;
  }
}

HalfStep half_step(Dtype to, const ir::ScalarInst& from) {
  if (to == Dtype::bf16) return HalfStep::round_bf16;
  if (to == Dtype::f16) return HalfStep::round_f16;
  if (from.type == Dtype::f16) return HalfStep::widen_f16;
  if (from.type != Dtype::bf16) return HalfStep::none;
  return from.op == ir::ScalarOp::load ? HalfStep::quiet_bf16 : HalfStep::widen_bf16;
}

// Whether the instruction makes a NaN quiet by itself, or does not give one.
bool quiets(const ir::ScalarInst& inst) {
  switch (inst.op) {
    case ir::ScalarOp::add:
    case ir::ScalarOp::sub:
    case ir::ScalarOp::mul:
    case ir::ScalarOp::div:
    case ir::ScalarOp::fma:
    case ir::ScalarOp::sqrt:
    case ir::ScalarOp::round_even:
    case ir::ScalarOp::floor:
    case ir::ScalarOp::ceil:
    case ir::ScalarOp::trunc:
    case ir::ScalarOp::eq:
    case ir::ScalarOp::ne:
    case ir::ScalarOp::lt:
    case ir::ScalarOp::le:
    case ir::ScalarOp::reduce_sum:
    case ir::ScalarOp::reduce_product:
      return true;
    case ir::ScalarOp::convert:
      return inst.type != Dtype::f32;
    default:
      return false;
  }
}

// Per value: whether all that reads it quiets NaNs, so that it need not be quiet itself.
std::vector<bool> read_by_quieting(const ir::ScalarBody& body) {
  std::vector<bool> result(body.size(), true);
  for (const ir::ScalarInst& inst : body) {
    const std::int32_t sources[] = {inst.a, inst.b, inst.c};
    for (int i = 0; i < ir::operand_count(inst.op); ++i) {
      if (!quiets(inst)) result[static_cast<std::size_t>(sources[i])] = false;
    }
  }
  return result;
}

// Turns a choice between what its mask compared into a minimum or maximum.
void find_extreme(const std::vector<LoweredInst>& code, Isa isa, LoweredInst* inst) {
  if (inst->op != ir::ScalarOp::select || inst->lane == Lane::mask) return;
  if (inst->lane == Lane::i64 && isa != Isa::avx512) return;
  const LoweredInst& mask = code[static_cast<std::size_t>(inst->a)];
  if (mask.op != ir::ScalarOp::lt || mask.from != inst->lane) return;
  if (inst->b == mask.a && inst->c == mask.b) {
    inst->extreme = Extreme::minimum;
  } else if (inst->b == mask.b && inst->c == mask.a) {
    inst->extreme = Extreme::maximum;
  } else {
    return;
  }
  inst->a = inst->b;
  inst->b = inst->c;
  inst->c = -1;
}

}  // namespace

LoweredBody lower_body(const ir::Group& group, Isa isa) {
  LoweredBody result;
  result.isa = isa;
  bool wide = false;
  const std::vector<bool> may_signal = read_by_quieting(group.body);
  // What an operand is after casts that change nothing.
  std::vector<std::int32_t> same;
  same.reserve(group.body.size());
  for (const ir::ScalarInst& inst : group.body) {
    const auto source = [&](std::int32_t at) {
      return at < 0 ? at : same[static_cast<std::size_t>(at)];
    };
    LoweredInst lowered{.op = inst.op,
                        .lane = lane_of(inst.type),
                        .from = Lane::f32,
                        .type = inst.type,
                        .a = source(inst.a),
                        .b = source(inst.b),
                        .c = source(inst.c),
                        .imm = inst.imm};
    const auto position = static_cast<std::int32_t>(result.code.size());
    std::int32_t alias = position;
    if (inst.a >= 0) {
      const ir::ScalarInst& operand = group.body[static_cast<std::size_t>(inst.a)];
      const Dtype from = operand.type;
      lowered.from = lane_of(from);
      const bool widening = from == Dtype::u8 && inst.type == Dtype::i32;
      if (inst.op == ir::ScalarOp::bitcast ||
          (inst.op == ir::ScalarOp::convert && (from == inst.type || widening))) {
        alias = lowered.a;
      } else if (inst.op == ir::ScalarOp::convert &&
                 half_step(inst.type, operand) != HalfStep::none) {
        lowered.half = half_step(inst.type, operand);
        const bool signals = may_signal[result.code.size()];
        if (lowered.half == HalfStep::quiet_bf16 && signals) alias = lowered.a;
      }
    }
    find_extreme(result.code, isa, &lowered);
    wide = wide || is_wide(lowered.lane);
    same.push_back(alias);
    result.code.push_back(lowered);
  }
  const int full = isa == Isa::avx512 ? 16 : 8;
  result.lanes = wide ? full / 2 : full;
  for (const ir::GroupOperand& operand : group.operands) {
    result.operands.push_back({.dtype = operand.dtype, .output = operand.output});
  }
  return result;
}

}  // namespace sinter::backend::cpu
