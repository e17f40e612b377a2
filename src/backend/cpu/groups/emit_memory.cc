// Loads and stores of operands: whole vectors, tails, one element for all lanes; bytes. Those of 16
// bits are in emit_half.cc.
#include "backend/cpu/groups/emit_body.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
namespace Inst = x86::Inst;

namespace {

bool is_byte(Dtype type) { return size_of(type) == 1; }

}  // namespace

void BodyEmitter::emit_load(int id, std::int32_t value) {
  const LoweredInst& it = inst(value);
  if (is_byte(it.type)) return emit_load_byte(id, value);
  if (is_half(it.type)) return emit_load_half(id, value);
  const int operand = static_cast<int>(it.imm);
  const bool wide = is_wide(it.lane);
  const Vec to = vec(id, it.lane);
  const Mem from = address(operand, place_of(it));
  if (body_.operands[static_cast<std::size_t>(operand)].inner == 0) {
    a_.emit(wide ? Inst::kIdVbroadcastsd : Inst::kIdVbroadcastss, to, from);
  } else if (!place_.masked) {
    a_.emit(wide ? Inst::kIdVmovupd : Inst::kIdVmovups, to, from);
  } else if (is_avx512()) {
    a_.k(x86::k7).z().emit(wide ? Inst::kIdVmovupd : Inst::kIdVmovups, to, from);
  } else {
    const Vec mask = vec(scratch(0), it.lane);
    a_.emit(Inst::kIdVmovups, mask, tail_mask(wide));
    a_.emit(wide ? Inst::kIdVmaskmovpd : Inst::kIdVmaskmovps, to, mask, from);
  }
}

void BodyEmitter::emit_load_byte(int id, std::int32_t value) {
  const LoweredInst& it = inst(value);
  const int operand = static_cast<int>(it.imm);
  Mem from = address(operand, place_of(it));
  const x86::Xmm bytes(static_cast<std::uint32_t>(scratch(0)));
  if (body_.operands[static_cast<std::size_t>(operand)].inner == 0) {
    from.setSize(1);
    a_.movzx(x86::eax, from);
    if (it.type == Dtype::boolean) {
      a_.neg(x86::eax);  // the carry is set unless it is 0
      a_.sbb(x86::eax, x86::eax);
    }
    if (in_k(value)) {
      a_.kmovw(k(id), x86::eax);
    } else {
      a_.vmovd(bytes, x86::eax);
      a_.emit(Inst::kIdVpbroadcastd, vec(id, it.lane), bytes);
    }
    return;
  }
  if (!is_avx512()) return emit_load_byte_avx2(id, value);
  if (place_.masked) {
    a_.k(x86::k7).z().vmovdqu8(bytes, from);
  } else if (lanes() == 16) {
    a_.vmovdqu32(bytes, from);
  } else {
    a_.vmovq(bytes, from);
  }
  if (in_k(value)) {
    a_.vptestmb(k(id), bytes, bytes);
  } else {
    a_.emit(Inst::kIdVpmovzxbd, vec(id, it.lane), bytes);
  }
}

void BodyEmitter::emit_load_byte_avx2(int id, std::int32_t value) {
  const LoweredInst& it = inst(value);
  const x86::Xmm bytes(static_cast<std::uint32_t>(scratch(0)));
  Mem from = address(static_cast<int>(it.imm), place_of(it));
  if (place_.masked) {
    a_.vpxor(bytes, bytes, bytes);
    from.setSize(1);
    for (int i = 0; i < tail_; ++i) {
      a_.vpinsrb(bytes, bytes, from, i);
      from.addOffset(1);
    }
  } else if (lanes() == 8) {
    a_.vmovq(bytes, from);
  } else {
    a_.vmovd(bytes, from);
  }
  const Vec to = vec(id, it.lane);
  a_.emit(Inst::kIdVpmovzxbd, to, bytes);
  if (it.lane == Lane::mask) {
    const Vec zero = vec(scratch(1), Lane::mask);
    a_.emit(Inst::kIdVpxor, zero, zero, zero);
    a_.emit(Inst::kIdVpcmpgtd, to, to, zero);
  }
}

void BodyEmitter::emit_store(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const std::int32_t a = resolve(it.a);
  const int operand = static_cast<int>(it.imm);
  const bool wide = is_wide(it.lane);
  const bool whole = body_.operands[static_cast<std::size_t>(operand)].inner == 1;
  if (is_byte(it.type) || is_half(it.type)) {
    in_register(a);
    const Mem to = address(operand, place_of(it));
    is_byte(it.type) ? emit_store_byte(value, to) : emit_store_half(value, to);
    consume(a);
    return;
  }
  const Vec from = reg(a);
  const Mem to = address(operand, place_of(it));
  if (!whole) {
    a_.emit(wide ? Inst::kIdVmovsd : Inst::kIdVmovss, to, from.xmm());
  } else if (!place_.masked) {
    a_.emit(wide ? Inst::kIdVmovupd : Inst::kIdVmovups, to, from);
  } else if (is_avx512()) {
    a_.k(x86::k7).emit(wide ? Inst::kIdVmovupd : Inst::kIdVmovups, to, from);
  } else {
    const Vec mask = vec(scratch(0), it.lane);
    a_.emit(Inst::kIdVmovups, mask, tail_mask(wide));
    a_.emit(wide ? Inst::kIdVmaskmovpd : Inst::kIdVmaskmovps, to, mask, from);
  }
  consume(a);
}

// Booleans are stored as 0 or 1.
void BodyEmitter::emit_store_byte(std::int32_t value, const Mem& to) {
  const LoweredInst& it = inst(value);
  const std::int32_t a = resolve(it.a);
  const int id = location_[static_cast<std::size_t>(a)];
  const bool whole = body_.operands[static_cast<std::size_t>(it.imm)].inner == 1;
  const bool is_mask = it.lane == Lane::mask;
  if (!whole) {
    // The address may be in rax.
    if (in_k(a)) {
      a_.kmovw(x86::edx, k(id));
    } else {
      a_.vmovd(x86::edx, vec_of_bytes(id, 16).xmm());
    }
    if (is_mask) a_.and_(x86::edx, 1);
    a_.mov(to, x86::dl);
    return;
  }
  if (!is_avx512()) return emit_store_byte_avx2(value, to);
  const x86::Xmm bytes(static_cast<std::uint32_t>(scratch(0)));
  if (is_mask) {
    a_.vpmovm2b(bytes, k(id));
    a_.vpabsb(bytes, bytes);
  } else {
    a_.emit(Inst::kIdVpmovdb, bytes, vec(id, it.lane));
  }
  if (place_.masked) {
    a_.k(x86::k7).vmovdqu8(to, bytes);
  } else if (lanes() == 16) {
    a_.vmovdqu32(to, bytes);
  } else {
    a_.vmovq(to, bytes);
  }
}

void BodyEmitter::emit_store_byte_avx2(std::int32_t value, const Mem& to) {
  const LoweredInst& it = inst(value);
  const int id = location_[static_cast<std::size_t>(resolve(it.a))];
  const x86::Xmm bytes(static_cast<std::uint32_t>(scratch(0)));
  const x86::Xmm high(static_cast<std::uint32_t>(scratch(1)));
  const Vec all = vec(scratch(0), it.lane);
  if (it.lane == Lane::mask) {
    a_.emit(Inst::kIdVpsrld, all, vec(id, it.lane), asmjit::Imm(31));
  } else {
    // Packing saturates; the value is below 256.
    a_.emit(Inst::kIdVmovaps, all, vec(id, it.lane));
  }
  if (lanes() == 8) {
    a_.vextracti128(high, bytes.ymm(), 1);
    a_.vpackusdw(bytes, bytes, high);
  } else {
    a_.vpackusdw(bytes, bytes, bytes);
  }
  a_.vpackuswb(bytes, bytes, bytes);
  if (place_.masked) {
    Mem at = to;
    at.setSize(1);
    for (int i = 0; i < tail_; ++i) {
      a_.vpextrb(at, bytes, i);
      at.addOffset(1);
    }
  } else if (lanes() == 8) {
    a_.vmovq(to, bytes);
  } else {
    a_.vmovd(to, bytes);
  }
}

}  // namespace sinter::backend::cpu
