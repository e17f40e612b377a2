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
    default:
      return Lane::f32;
  }
}

bool emits_type(Dtype type) { return type != Dtype::bf16 && type != Dtype::f16; }

bool emits_convert(Lane from, Lane to, Isa isa) {
  if (isa == Isa::avx512) return true;
  return !(from == Lane::i64 && is_float(to)) && !(is_float(from) && to == Lane::i64);
}

template <Isa isa>
bool emits_conversion(Dtype from, Dtype to) {
  return emits_type(from) && emits_type(to) && emits_convert(lane_of(from), lane_of(to), isa);
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

std::optional<LoweredBody> lower_body(const ir::Group& group, Isa isa) {
  LoweredBody result;
  result.isa = isa;
  bool wide = false;
  // What an operand is after casts that change nothing.
  std::vector<std::int32_t> same;
  same.reserve(group.body.size());
  for (const ir::ScalarInst& inst : group.body) {
    if (!emits_type(inst.type)) return std::nullopt;
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
      const Dtype from = group.body[static_cast<std::size_t>(inst.a)].type;
      lowered.from = lane_of(from);
      const bool widening = from == Dtype::u8 && inst.type == Dtype::i32;
      if (inst.op == ir::ScalarOp::bitcast ||
          (inst.op == ir::ScalarOp::convert && (from == inst.type || widening))) {
        alias = lowered.a;
      } else if (inst.op == ir::ScalarOp::convert &&
                 !emits_convert(lowered.from, lowered.lane, isa)) {
        return std::nullopt;
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

bool (*emitted_conversions(Isa isa))(Dtype, Dtype) {
  if (isa == Isa::avx512) return emits_conversion<Isa::avx512>;
  return emits_conversion<Isa::avx2>;
}

}  // namespace sinter::backend::cpu
