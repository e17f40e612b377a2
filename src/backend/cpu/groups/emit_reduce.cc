// Accumulators of reductions, and how their lanes fold. See reduction.h for the trees.
#include <algorithm>
#include <limits>

#include "backend/cpu/groups/emit_body.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using asmjit::InstId;
using ir::ScalarOp;
namespace Inst = x86::Inst;

namespace {

// Accumulators from the frame fold in registers as soon as there are no more of them than this.
constexpr int kFoldedRegisters = 8;

}  // namespace

std::uint64_t BodyEmitter::identity_bits(std::int32_t reduction) const {
  const LoweredInst& it = inst(reduction);
  const bool minimum = it.op == ScalarOp::reduce_min;
  if (it.op == ScalarOp::reduce_sum) return 0;
  if (it.op == ScalarOp::reduce_product) {
    if (it.lane == Lane::f32) return 0x3f800000U;
    return it.lane == Lane::f64 ? 0x3ff0000000000000U : 1U;
  }
  switch (it.lane) {
    case Lane::f32:
      return minimum ? 0x7f800000U : 0xff800000U;
    case Lane::f64:
      return minimum ? 0x7ff0000000000000U : 0xfff0000000000000U;
    case Lane::i64:
      return minimum ? 0x7fffffffffffffffU : 0x8000000000000000U;
    default:
      return minimum ? 0x7fffffffU : 0x80000000U;
  }
}

// Register `to` = register `a` o register `x`. `to` may be `a`, not `x`. Uses scratch 0.
void BodyEmitter::combine(std::int32_t reduction, int to, int a, int x, int bytes) {
  const LoweredInst& it = inst(reduction);
  const bool wide = is_wide(it.lane);
  const Vec result = vec_of_bytes(to, bytes);
  const Vec left = vec_of_bytes(a, bytes);
  const Vec right = vec_of_bytes(x, bytes);
  const bool is_float_lane = is_float(it.lane);
  if (it.op == ScalarOp::reduce_sum) {
    a_.emit(is_float_lane ? (wide ? Inst::kIdVaddpd : Inst::kIdVaddps)
                          : (wide ? Inst::kIdVpaddq : Inst::kIdVpaddd),
            result, left, right);
    return;
  }
  if (it.op == ScalarOp::reduce_product) {
    if (it.lane != Lane::i64 || is_avx512()) {
      a_.emit(is_float_lane ? (wide ? Inst::kIdVmulpd : Inst::kIdVmulps)
                            : (wide ? Inst::kIdVpmullq : Inst::kIdVpmulld),
              result, left, right);
      return;
    }
    const Vec t = vec_of_bytes(scratch(0), bytes);
    const Vec u = vec_of_bytes(scratch(2), bytes);
    a_.emit(Inst::kIdVpsrlq, t, left, asmjit::Imm(32));
    a_.emit(Inst::kIdVpmuludq, t, t, right);
    a_.emit(Inst::kIdVpsrlq, u, right, asmjit::Imm(32));
    a_.emit(Inst::kIdVpmuludq, u, u, left);
    a_.emit(Inst::kIdVpaddq, t, t, u);
    a_.emit(Inst::kIdVpsllq, t, t, asmjit::Imm(32));
    a_.emit(Inst::kIdVpmuludq, u, left, right);
    a_.emit(Inst::kIdVpaddq, result, t, u);
    return;
  }
  const bool maximum = it.op == ScalarOp::reduce_max;
  if (it.lane == Lane::i32) {
    a_.emit(maximum ? Inst::kIdVpmaxsd : Inst::kIdVpminsd, result, left, right);
    return;
  }
  if (it.lane == Lane::i64) {
    if (is_avx512()) {
      a_.emit(maximum ? Inst::kIdVpmaxsq : Inst::kIdVpminsq, result, left, right);
      return;
    }
    const Vec greater = vec_of_bytes(scratch(0), bytes);
    a_.emit(Inst::kIdVpcmpgtq, greater, maximum ? right : left, maximum ? left : right);
    a_.emit(Inst::kIdVblendvpd, result, left, right, greater);
    return;
  }
  // vmaxps gives its second operand when they are equal or one is NaN: `left`, which is right but
  // for a NaN in `right`.
  const InstId id = maximum ? (wide ? Inst::kIdVmaxpd : Inst::kIdVmaxps)
                            : (wide ? Inst::kIdVminpd : Inst::kIdVminps);
  constexpr int kUnordered = 3;
  if (is_avx512()) {
    a_.emit(id, result, right, left);
    a_.emit(wide ? Inst::kIdVcmppd : Inst::kIdVcmpps, x86::k6, right, right,
            asmjit::Imm(kUnordered));
    a_.k(x86::k6).emit(wide ? Inst::kIdVmovapd : Inst::kIdVmovaps, result, right);
    return;
  }
  const Vec unordered = vec_of_bytes(scratch(0), bytes);
  a_.emit(wide ? Inst::kIdVcmppd : Inst::kIdVcmpps, unordered, right, right,
          asmjit::Imm(kUnordered));
  a_.emit(id, result, right, left);
  a_.emit(wide ? Inst::kIdVblendvpd : Inst::kIdVblendvps, result, result, right, unordered);
}

void BodyEmitter::set_accumulators(std::int32_t reduction, Accumulators accumulators) {
  accumulators_[reduction] = std::move(accumulators);
}

x86::Mem BodyEmitter::accumulator_memory(const Accumulators& accumulators, Lane lane,
                                         int vector) const {
  const int offset = accumulators.frame + vector * bytes_of(lane);
  if (!accumulators.rotating) return x86::ptr(x86::rsp, offset);
  return x86::ptr(x86::rsp, x86::rdx, is_wide(lane) ? 3 : 2, offset);
}

void BodyEmitter::start_accumulators(std::int32_t reduction, int vectors) {
  const Accumulators& accumulators = accumulators_.at(reduction);
  const Lane lane = inst(reduction).lane;
  const Mem identity = pool(identity_bits(reduction), is_wide(lane));
  if (!accumulators.registers.empty()) {
    for (int i = 0; i < vectors; ++i) {
      move(vec(accumulators.registers[static_cast<std::size_t>(i)], lane), identity);
    }
    return;
  }
  move(vec(scratch(0), lane), identity);
  for (int i = 0; i < vectors; ++i) {
    a_.emit(Inst::kIdVmovups, frame(accumulators.frame + i * bytes_of(lane)),
            vec(scratch(0), lane));
  }
}

void BodyEmitter::store_accumulators(std::int32_t reduction, int to) {
  const Lane lane = inst(reduction).lane;
  for (const int id : accumulators_.at(reduction).registers) {
    a_.emit(Inst::kIdVmovups, frame(to), vec(id, lane));
    to += bytes_of(lane);
  }
}

void BodyEmitter::emit_accumulate(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const Accumulators& accumulators = accumulators_.at(it.first >= 0 ? it.first : value);
  const int accumulator = place_of(it).accumulator;
  const Lane lane = it.lane;
  const std::int32_t a = resolve(it.a);
  int x = in_register(a);
  if (place_.masked) {
    // Lanes that do not exist count as identities, which change nothing.
    const int filled = scratch(1);
    const bool wide = is_wide(lane);
    move(vec(filled, lane), pool(identity_bits(value), wide));
    if (is_avx512()) {
      a_.k(x86::k7).emit(wide ? Inst::kIdVmovapd : Inst::kIdVmovaps, vec(filled, lane),
                         vec(x, lane));
    } else {
      move(vec(scratch(0), lane), tail_mask(wide));
      a_.emit(wide ? Inst::kIdVblendvpd : Inst::kIdVblendvps, vec(filled, lane), vec(filled, lane),
              vec(x, lane), vec(scratch(0), lane));
    }
    x = filled;
  }
  const int bytes = bytes_of(lane);
  if (!accumulators.registers.empty()) {
    const int id = accumulators.registers[static_cast<std::size_t>(accumulator)];
    combine(value, id, id, x, bytes);
  } else {
    // Neither of combine's own scratch registers holds x (scratch 1 at most).
    const Mem memory = accumulator_memory(accumulators, lane, accumulator);
    const int id = take(false);
    move(vec(id, lane), memory);
    combine(value, id, id, x, bytes);
    a_.emit(Inst::kIdVmovups, memory, vec(id, lane));
  }
  consume(a);
}

void BodyEmitter::fold_lanes(std::int32_t reduction, int vectors, int width, std::int64_t active) {
  const Accumulators& accumulators = accumulators_.at(reduction);
  const Lane lane = inst(reduction).lane;
  const int bytes = bytes_of(lane);
  const int left = scratch(1);
  const int right = scratch(2);
  std::vector<int> registers = accumulators.registers;
  std::vector<int> taken;
  int half = width / 2;
  if (registers.empty()) {
    const auto memory = [&](int i) { return frame(accumulators.frame + i * bytes); };
    // Into `to`, the vectors i and i + step.
    const auto fold_two = [&](int to, int i, int step) {
      move(vec(to, lane), memory(i));
      if (i + step >= vectors) return;
      move(vec(left, lane), memory(i + step));
      combine(reduction, to, to, left, bytes);
    };
    const int spare = take_register();
    for (; half / lanes() > kFoldedRegisters; half /= 2) {
      const int step = half / lanes();
      for (int i = 0; i < step && i + step < vectors; ++i) {
        fold_two(spare, i, step);
        a_.emit(Inst::kIdVmovups, memory(i), vec(spare, lane));
      }
      vectors = std::min(vectors, step);
    }
    release_register(spare);
    const int step = half / lanes();
    vectors = std::min(vectors, 2 * step);
    for (int i = 0; i < std::min(vectors, step); ++i) {
      taken.push_back(take_register());
      fold_two(taken.back(), i, step);
    }
    vectors = std::min(vectors, step);
    registers = taken;
    half /= 2;
  }
  for (; half >= lanes(); half /= 2) {
    const int step = half / lanes();
    for (int i = 0; i < step && i + step < vectors; ++i) {
      const int to = registers[static_cast<std::size_t>(i)];
      combine(reduction, to, to, registers[static_cast<std::size_t>(i + step)], bytes);
    }
    vectors = std::min(vectors, step);
  }
  move(vec(left, lane), vec(registers[0], lane));
  for (const int id : taken) release_register(id);
  // Within the vector: its upper half onto its lower one. What has only identities is left out.
  const bool wide = is_wide(lane);
  const int spare = right;
  for (; half >= 1; half /= 2) {
    if (active <= half) continue;
    const int size = half * (wide ? 8 : 4);
    const Vec to = vec_of_bytes(spare, std::max(size, 16));
    if (size == 32) {
      a_.emit(Inst::kIdVextractf64x4, to, vec_of_bytes(left, 64), asmjit::Imm(1));
    } else if (size == 16) {
      a_.emit(Inst::kIdVextractf128, vec_of_bytes(right, 16), vec_of_bytes(left, 32),
              asmjit::Imm(1));
    } else if (size == 8) {
      a_.emit(Inst::kIdVpermilpd, to, vec_of_bytes(left, 16), asmjit::Imm(1));
    } else {
      a_.emit(Inst::kIdVmovshdup, to, vec_of_bytes(left, 16));
    }
    // An AVX2 product of i64 needs a third scratch register, which is `spare`: move it away.
    if (lane == Lane::i64 && !is_avx512() && inst(reduction).op == ScalarOp::reduce_product) {
      const int temporary = take_register();
      move(vec_of_bytes(temporary, 16), vec_of_bytes(spare, 16));
      combine(reduction, left, left, temporary, 16);
      release_register(temporary);
    } else {
      combine(reduction, left, left, spare, std::max(size, 16));
    }
  }
  a_.emit(wide ? Inst::kIdVbroadcastsd : Inst::kIdVbroadcastss, vec(left, lane),
          vec_of_bytes(left, 16));
  a_.emit(Inst::kIdVmovups, home(reduction), vec(left, lane));
}

int BodyEmitter::fold_four(std::int32_t reduction, int first, int step) {
  const Accumulators& accumulators = accumulators_.at(reduction);
  const Lane lane = inst(reduction).lane;
  const int bytes = bytes_of(lane);
  const auto at = [&](int lane_index) {
    return static_cast<std::size_t>(first + lane_index * step);
  };
  if (!accumulators.registers.empty()) {
    const auto& r = accumulators.registers;
    combine(reduction, r[at(0)], r[at(0)], r[at(2)], bytes);
    combine(reduction, r[at(1)], r[at(1)], r[at(3)], bytes);
    combine(reduction, r[at(0)], r[at(0)], r[at(1)], bytes);
    return r[at(0)];
  }
  int parts[4];
  for (int i = 0; i < 4; ++i) {
    parts[i] = take_register();
    move(vec(parts[i], lane), frame(accumulators.frame + static_cast<int>(at(i)) * bytes));
  }
  combine(reduction, parts[0], parts[0], parts[2], bytes);
  combine(reduction, parts[1], parts[1], parts[3], bytes);
  combine(reduction, parts[0], parts[0], parts[1], bytes);
  move(vec(scratch(1), lane), vec(parts[0], lane));
  for (const int part : parts) release_register(part);
  return scratch(1);
}

void BodyEmitter::store_vector(int id, std::int32_t reduction, const Mem& to, bool masked) {
  const Lane lane = inst(reduction).lane;
  const bool wide = is_wide(lane);
  const InstId move_id = wide ? Inst::kIdVmovupd : Inst::kIdVmovups;
  if (!masked) {
    a_.emit(move_id, to, vec(id, lane));
  } else if (is_avx512()) {
    a_.k(x86::k7).emit(move_id, to, vec(id, lane));
  } else {
    move(vec(scratch(0), lane), tail_mask(wide));
    a_.emit(wide ? Inst::kIdVmaskmovpd : Inst::kIdVmaskmovps, to, vec(scratch(0), lane),
            vec(id, lane));
  }
}

}  // namespace sinter::backend::cpu
