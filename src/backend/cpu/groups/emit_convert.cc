// Conversions between element types but those of emit_half.cc. See scalar.h for what is defined.
#include "backend/cpu/groups/emit_body.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using asmjit::InstId;
using asmjit::Operand;
namespace Inst = x86::Inst;

namespace {

// The instruction from one lane type to another; 0 where more than one is needed.
InstId convert_inst(Lane from, Lane to) {
  constexpr InstId kNone = 0;
  constexpr InstId table[4][4] = {
      // to f32, f64, i32, i64
      {kNone, Inst::kIdVcvtps2pd, Inst::kIdVcvttps2dq, Inst::kIdVcvttps2qq},
      {Inst::kIdVcvtpd2ps, kNone, Inst::kIdVcvttpd2dq, Inst::kIdVcvttpd2qq},
      {Inst::kIdVcvtdq2ps, Inst::kIdVcvtdq2pd, kNone, Inst::kIdVpmovsxdq},
      {Inst::kIdVcvtqq2ps, Inst::kIdVcvtqq2pd, Inst::kIdVpmovqd, kNone},
  };
  return table[static_cast<int>(from)][static_cast<int>(to)];
}

}  // namespace

void BodyEmitter::emit_convert(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const std::int32_t a = resolve(it.a);
  if (it.half != HalfStep::none) return emit_convert_half(value);
  // A cast that changes no bits was replaced by its operand.
  if (it.from == it.lane && it.type != Dtype::u8) return;
  if (it.from == Lane::mask) return emit_from_mask(value);
  if (it.lane == Lane::mask) return emit_to_mask(value);
  const Vec from = reg(a);
  consume(a);
  locked_ = 0;
  const int id = define(value);
  const Vec to = vec(id, it.lane);
  const bool by_lane =
      (it.from == Lane::i64 && is_float(it.lane)) || (is_float(it.from) && it.lane == Lane::i64);
  if (by_lane && !is_avx512()) return emit_convert_by_lane(from, it.from, to, it.lane);
  const bool narrows = it.from == Lane::i64 && it.lane == Lane::i32;
  if (narrows && !is_avx512()) {
    narrow_mask(id, static_cast<int>(from.id()));
  } else if (it.from != it.lane) {
    a_.emit(convert_inst(it.from, it.lane), to, from);
  }
  // Floats fit, or the result is not defined; integers keep the low bits.
  if (it.type == Dtype::u8 && !is_float(it.from)) {
    a_.emit(is_avx512() ? Inst::kIdVpandd : Inst::kIdVpand, to, narrows ? to : from,
            pool(255, false));
  }
}

// AVX2 converts between i64 and floats one element at a time, by way of memory.
void BodyEmitter::emit_convert_by_lane(const Vec& from, Lane from_lane, const Vec& to,
                                       Lane to_lane) {
  constexpr int kVectorBytes = 32;
  if (convert_frame_ < 0) convert_frame_ = take_frame(2 * kVectorBytes);
  a_.emit(Inst::kIdVmovups, frame(convert_frame_), from);
  const Vec one = x86::xmm(static_cast<std::uint32_t>(scratch(0)));
  for (int lane = 0; lane < lanes(); ++lane) {
    Mem source = frame(convert_frame_ + lane * static_cast<int>(bytes_in(from_lane)));
    Mem result = frame(convert_frame_ + kVectorBytes + lane * static_cast<int>(bytes_in(to_lane)));
    source.setSize(static_cast<std::uint32_t>(bytes_in(from_lane)));
    result.setSize(static_cast<std::uint32_t>(bytes_in(to_lane)));
    if (to_lane == Lane::i64) {
      a_.emit(from_lane == Lane::f64 ? Inst::kIdVcvttsd2si : Inst::kIdVcvttss2si, x86::rax, source);
      a_.mov(result, x86::rax);
      continue;
    }
    // The upper elements come from the second operand: zeros, so that nothing is waited for.
    const bool wide = to_lane == Lane::f64;
    a_.emit(Inst::kIdVpxor, one, one, one);
    a_.emit(wide ? Inst::kIdVcvtsi2sd : Inst::kIdVcvtsi2ss, one, one, source);
    a_.emit(wide ? Inst::kIdVmovsd : Inst::kIdVmovss, result, one);
  }
  a_.emit(Inst::kIdVmovups, to, frame(convert_frame_ + kVectorBytes));
}

// Numbers to booleans: a != 0, so that a NaN is true.
void BodyEmitter::emit_to_mask(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool wide = is_wide(it.from);
  const std::int32_t a = resolve(it.a);
  const Vec from = reg(a);
  consume(a);
  const Mem zero = pool(0, wide);
  constexpr int kNotEqual = 4;  // of floats and of integers
  if (is_avx512()) {
    const InstId id = is_float(it.from) ? (wide ? Inst::kIdVcmppd : Inst::kIdVcmpps)
                                        : (wide ? Inst::kIdVpcmpq : Inst::kIdVpcmpd);
    a_.emit(id, k(define(value)), from, zero, asmjit::Imm(kNotEqual));
    return;
  }
  const Vec result = vec(scratch(0), it.from);
  if (is_float(it.from)) {
    a_.emit(wide ? Inst::kIdVcmppd : Inst::kIdVcmpps, result, from, zero, asmjit::Imm(kNotEqual));
  } else {
    a_.emit(wide ? Inst::kIdVpcmpeqq : Inst::kIdVpcmpeqd, result, from, zero);
    a_.emit(Inst::kIdVpxor, result, result, ones_mask(wide));
  }
  locked_ = 0;
  const int to = define(value);
  if (wide) {
    narrow_mask(to, scratch(0));
  } else {
    move(vec(to, Lane::mask), result);
  }
}

void BodyEmitter::emit_from_mask(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool wide = is_wide(it.lane);
  const std::uint64_t one = it.lane == Lane::f32   ? 0x3f800000U
                            : it.lane == Lane::f64 ? 0x3ff0000000000000U
                                                   : 1U;
  const std::int32_t a = resolve(it.a);
  if (is_avx512()) {
    const x86::KReg from = k(in_register(a));
    consume(a);
    // First the register: a spill that makes room for it must not get the mask.
    const Vec to = vec(define(value), it.lane);
    a_.k(from).z().emit(wide ? Inst::kIdVmovupd : Inst::kIdVmovups, to, pool(one, wide));
    return;
  }
  const int from = in_register(a);
  consume(a);
  locked_ = 0;
  const int to = define(value);
  if (wide) {
    widen_mask(to, from);
    a_.emit(Inst::kIdVpand, vec(to, it.lane), vec(to, it.lane), pool(one, wide));
  } else {
    a_.emit(Inst::kIdVpand, vec(to, it.lane), vec(from, it.lane), pool(one, wide));
  }
}

}  // namespace sinter::backend::cpu
