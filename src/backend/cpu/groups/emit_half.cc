// bf16 and f16: loads, stores and conversions, with the bits of base/half.h. Of the machine's own
// instructions vcvtph2ps and vcvtps2ph give them (whatever MXCSR says of denormals); vcvtneps2bf16
// does not, it flushes denormals.
#include "backend/cpu/groups/emit_body.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
namespace Inst = x86::Inst;

namespace {

constexpr int kUnordered = 3;    // of vcmpps: one is NaN
constexpr int kNearestEven = 0;  // of vcvtps2ph

}  // namespace

void BodyEmitter::emit_load_half(int id, std::int32_t value) {
  const LoweredInst& it = inst(value);
  const int operand = static_cast<int>(it.imm);
  const bool is_bf16 = it.type == Dtype::bf16;
  const Vec to = vec(id, it.lane);
  Mem from = address(operand, place_of(it));
  if (body_.operands[static_cast<std::size_t>(operand)].inner == 0) {
    from.setSize(2);
    a_.emit(Inst::kIdVpbroadcastw, to, from);
  } else if (place_.masked && !is_avx512()) {
    const x86::Xmm halves = to.xmm();
    a_.vpxor(halves, halves, halves);
    from.setSize(2);
    for (int i = 0; i < tail_; ++i) {
      a_.vpinsrw(halves, halves, from, i);
      from.addOffset(2);
    }
    if (is_bf16) a_.emit(Inst::kIdVpmovzxwd, to, halves);
  } else if (is_bf16) {
    if (place_.masked) a_.k(x86::k7).z();
    a_.emit(Inst::kIdVpmovzxwd, to, from);
  } else if (place_.masked) {
    a_.k(x86::k7).z().emit(Inst::kIdVmovdqu16, to, from);
  } else {
    a_.emit(bytes_of(it.lane) == 8 ? Inst::kIdVmovq : Inst::kIdVmovups, to, from);
  }
  if (is_bf16) a_.emit(Inst::kIdVpslld, to, to, asmjit::Imm(16));
}

void BodyEmitter::emit_store_half(std::int32_t value, const Mem& to) {
  const LoweredInst& it = inst(value);
  const int id = location_[static_cast<std::size_t>(resolve(it.a))];
  const bool is_bf16 = it.type == Dtype::bf16;
  if (body_.operands[static_cast<std::size_t>(it.imm)].inner == 0) {
    Mem at = to;
    at.setSize(2);
    a_.emit(Inst::kIdVpextrw, at, vec(id, it.lane).xmm(), asmjit::Imm(is_bf16 ? 1 : 0));
    return;
  }
  if (!is_avx512()) return emit_store_half_avx2(value, to);
  Vec from = vec(id, it.lane);
  if (is_bf16) {
    from = vec(scratch(0), Lane::f32);
    a_.emit(Inst::kIdVpsrld, from, vec(id, Lane::f32), asmjit::Imm(16));
  }
  if (place_.masked) a_.k(x86::k7);
  const asmjit::InstId whole = place_.masked ? Inst::kIdVmovdqu16 : Inst::kIdVmovups;
  a_.emit(is_bf16 ? Inst::kIdVpmovdw : whole, to, from);
}

void BodyEmitter::emit_store_half_avx2(std::int32_t value, const Mem& to) {
  const LoweredInst& it = inst(value);
  x86::Xmm halves(static_cast<std::uint32_t>(location_[static_cast<std::size_t>(resolve(it.a))]));
  if (it.type == Dtype::bf16) {
    const Vec all = vec(scratch(0), Lane::f32);
    const x86::Xmm high(static_cast<std::uint32_t>(scratch(1)));
    a_.emit(Inst::kIdVpsrld, all, vec(static_cast<int>(halves.id()), Lane::f32), asmjit::Imm(16));
    halves = all.xmm();
    if (lanes() == 8) a_.vextracti128(high, halves.ymm(), 1);
    a_.vpackusdw(halves, halves, lanes() == 8 ? high : halves);
  }
  if (place_.masked) {
    Mem at = to;
    at.setSize(2);
    for (int i = 0; i < tail_; ++i) {
      a_.vpextrw(at, halves, i);
      at.addOffset(2);
    }
  } else if (lanes() == 8) {
    a_.vmovups(to, halves);
  } else {
    a_.vmovq(to, halves);
  }
}

void BodyEmitter::emit_convert_half(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const std::int32_t a = resolve(it.a);
  switch (it.half) {
    case HalfStep::none:
      return;
    case HalfStep::round_bf16:
      return emit_round_bf16(value);
    case HalfStep::round_f16: {
      const Vec from = reg(a);
      consume(a);
      locked_ = 0;
      a_.emit(Inst::kIdVcvtps2ph, vec(define(value), Lane::half), from, asmjit::Imm(kNearestEven));
      return;
    }
    case HalfStep::widen_f16:
      return emit_unary(value, Inst::kIdVcvtph2ps);
    case HalfStep::quiet_bf16:
    case HalfStep::widen_bf16: {
      const bool quiets = it.half == HalfStep::quiet_bf16;
      const Vec from = reg(a);
      consume(a);
      locked_ = 0;
      // Times one: a NaN becomes quiet and nothing else changes.
      a_.emit(quiets ? Inst::kIdVmulps : Inst::kIdVandps, vec(define(value), Lane::f32), from,
              quiets ? pool(0x3f800000U, false) : pool(0xffff0000U, false));
      return;
    }
  }
}

// The lower half of the result is left as it comes.
void BodyEmitter::emit_round_bf16(std::int32_t value) {
  const std::int32_t a = resolve(inst(value).a);
  const Vec from = reg(a);
  const Vec to = vec(define(value), Lane::f32);
  const Mem quiet = pool(0x00400000U, false);
  if (is_avx512()) {
    // Half of the last place less one, one more where the last place is odd.
    a_.emit(Inst::kIdVptestmd, x86::k6, from, pool(0x00010000U, false));
    a_.emit(Inst::kIdVpaddd, to, from, pool(0x7fffU, false));
    a_.k(x86::k6).emit(Inst::kIdVpaddd, to, to, pool(1, false));
    a_.emit(Inst::kIdVcmpps, x86::k6, from, from, asmjit::Imm(kUnordered));
    a_.k(x86::k6).emit(Inst::kIdVorps, to, from, quiet);
  } else {
    const Vec is_nan = vec(scratch(0), Lane::f32);
    const Vec nan = vec(scratch(1), Lane::f32);
    a_.emit(Inst::kIdVpsrld, to, from, asmjit::Imm(16));
    a_.emit(Inst::kIdVpand, to, to, pool(1, false));
    a_.emit(Inst::kIdVpaddd, to, to, pool(0x7fffU, false));
    a_.emit(Inst::kIdVpaddd, to, to, from);
    a_.emit(Inst::kIdVcmpps, is_nan, from, from, asmjit::Imm(kUnordered));
    a_.emit(Inst::kIdVorps, nan, from, quiet);
    a_.emit(Inst::kIdVblendvps, to, to, nan, is_nan);
  }
  consume(a);
}

}  // namespace sinter::backend::cpu
