// Instruction selection: each ScalarOp as exactly the operation that scalar.h defines.
#include "backend/cpu/groups/emit_body.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using asmjit::InstId;
using asmjit::Operand;
using ir::ScalarOp;
namespace Inst = x86::Inst;

namespace {

// Immediates of vcmpps and vpcmpd.
constexpr int kFloatEqual = 0;
constexpr int kFloatNotEqual = 4;  // true with a NaN
constexpr int kFloatLess = 0x11;   // quiet
constexpr int kFloatLessEqual = 0x12;

InstId by_lane(Lane lane, InstId f32, InstId f64, InstId i32, InstId i64) {
  switch (lane) {
    case Lane::f32:
      return f32;
    case Lane::f64:
      return f64;
    case Lane::i64:
      return i64;
    default:
      return i32;
  }
}

}  // namespace

void BodyEmitter::emit_inst(std::int32_t value) {
  const LoweredInst& it = inst(value);
  switch (it.op) {
    case ScalarOp::load:
      in_register(value);
      break;
    case ScalarOp::constant:
      return;
    case ScalarOp::store:
      emit_store(value);
      return;
    case ScalarOp::index:
      emit_index(value);
      break;
    case ScalarOp::select:
      emit_select(value);
      break;
    case ScalarOp::bitcast:
      return;  // an alias
    case ScalarOp::convert:
      emit_convert(value);
      break;
    case ScalarOp::eq:
    case ScalarOp::ne:
    case ScalarOp::lt:
    case ScalarOp::le:
      emit_compare(value);
      break;
    case ScalarOp::bit_and:
    case ScalarOp::bit_or:
    case ScalarOp::bit_xor:
    case ScalarOp::bit_not:
      emit_bits(value);
      break;
    case ScalarOp::shift_left:
    case ScalarOp::shift_right:
    case ScalarOp::shift_right_logical:
      emit_shift(value);
      break;
    case ScalarOp::reduce_sum:
    case ScalarOp::reduce_product:
    case ScalarOp::reduce_max:
    case ScalarOp::reduce_min:
      emit_accumulate(value);
      return;
    default:
      emit_arithmetic(value);
      break;
  }
  settle(value);
}

void BodyEmitter::emit_arithmetic(std::int32_t value) {
  const Lane lane = inst(value).lane;
  const auto pick = [&](InstId f32, InstId f64, InstId i32, InstId i64) {
    return by_lane(lane, f32, f64, i32, i64);
  };
  switch (inst(value).op) {
    case ScalarOp::add:
      return emit_binary(
          value, pick(Inst::kIdVaddps, Inst::kIdVaddpd, Inst::kIdVpaddd, Inst::kIdVpaddq), true);
    case ScalarOp::sub:
      return emit_binary(
          value, pick(Inst::kIdVsubps, Inst::kIdVsubpd, Inst::kIdVpsubd, Inst::kIdVpsubq), false);
    case ScalarOp::mul:
      if (lane == Lane::i64 && !is_avx512()) return emit_multiply_i64(value);
      return emit_binary(
          value, pick(Inst::kIdVmulps, Inst::kIdVmulpd, Inst::kIdVpmulld, Inst::kIdVpmullq), true);
    case ScalarOp::div:
      return emit_binary(value, lane == Lane::f64 ? Inst::kIdVdivpd : Inst::kIdVdivps, false);
    case ScalarOp::fma:
      return emit_fma(value);
    case ScalarOp::sqrt:
      return emit_unary(value, lane == Lane::f64 ? Inst::kIdVsqrtpd : Inst::kIdVsqrtps);
    case ScalarOp::neg:
    case ScalarOp::abs:
      return emit_sign(value);
    case ScalarOp::round_even:
      return emit_round(value, 0);
    case ScalarOp::floor:
      return emit_round(value, 1);
    case ScalarOp::ceil:
      return emit_round(value, 2);
    case ScalarOp::trunc:
      return emit_round(value, 3);
    case ScalarOp::wrap_angle:
      return emit_wrap_angle(value);
    default:
      throw ir::InternalError("emitter: an instruction is not emitted");
  }
}

void BodyEmitter::emit_binary(std::int32_t value, InstId id, bool commutes) {
  std::int32_t a = resolve(inst(value).a);
  std::int32_t b = resolve(inst(value).b);
  // The second operand may come from memory.
  const bool a_ready = location_[static_cast<std::size_t>(a)] >= 0;
  const bool b_ready = location_[static_cast<std::size_t>(b)] >= 0;
  if (commutes && !a_ready && b_ready) std::swap(a, b);
  const Vec first = reg(a);
  const Operand second = register_or_memory(b);
  consume(a);
  consume(b);
  // No operand is read after the result is written, so that it may take a register from one.
  locked_ = 0;
  a_.emit(id, vec(define(value), inst(value).lane), first, second);
}

void BodyEmitter::emit_unary(std::int32_t value, InstId id) {
  const std::int32_t a = resolve(inst(value).a);
  const Operand from = register_or_memory(a);
  consume(a);
  locked_ = 0;
  a_.emit(id, vec(define(value), inst(value).lane), from);
}

void BodyEmitter::emit_fma(std::int32_t value) {
  const bool wide = is_wide(inst(value).lane);
  std::int32_t a = resolve(inst(value).a);
  std::int32_t b = resolve(inst(value).b);
  const std::int32_t c = resolve(inst(value).c);
  // A register whose value dies here becomes the result.
  const auto dies = [&](std::int32_t v) {
    const auto index = static_cast<std::size_t>(v);
    if (plan_->use_begin[index + 1] - cursor_[index] > 1 || is_foldable(v)) return false;
    const int at = location_[index];
    return at >= 0 ? owner_[static_cast<std::size_t>(at)] == v
                   : inst(v).op == ScalarOp::load && !is_memory_home(v);
  };
  const InstId id213 = wide ? Inst::kIdVfmadd213pd : Inst::kIdVfmadd213ps;
  const InstId id231 = wide ? Inst::kIdVfmadd231pd : Inst::kIdVfmadd231ps;
  if (a != c && b != c && !dies(c) && a != b && (dies(a) || dies(b))) {
    if (!dies(a)) std::swap(a, b);
    const Vec first = reg(a);
    const Vec second = reg(b);
    const Operand third = register_or_memory(c);
    const int id = location_[static_cast<std::size_t>(a)];
    consume(a);
    consume(b);
    consume(c);
    // The result lives where `a` did.
    owner_[static_cast<std::size_t>(id)] = value;
    location_[static_cast<std::size_t>(value)] = id;
    a_.emit(id213, first, second, third);
    return;
  }
  int to = -1;
  if (dies(c) && c != a && c != b) {
    to = in_register(c);
  } else {
    to = take(false);
    const int at = location_[static_cast<std::size_t>(c)];
    if (at >= 0) {
      move(vec(to, inst(value).lane), vec(at, inst(value).lane));
    } else {
      move(vec(to, inst(value).lane), register_or_memory(c));
    }
  }
  if (location_[static_cast<std::size_t>(a)] < 0 && location_[static_cast<std::size_t>(b)] >= 0) {
    std::swap(a, b);
  }
  const Vec first = reg(a);
  const Operand second = register_or_memory(b);
  a_.emit(id231, vec(to, inst(value).lane), first, second);
  consume(a);
  consume(b);
  consume(c);
  owner_[static_cast<std::size_t>(to)] = value;
  location_[static_cast<std::size_t>(value)] = to;
}

// neg and abs.
void BodyEmitter::emit_sign(std::int32_t value) {
  const Lane lane = inst(value).lane;
  const bool wide = is_wide(lane);
  const std::int32_t a = resolve(inst(value).a);
  if (!is_float(lane)) {
    const Operand from = register_or_memory(a);
    const Vec zero = vec(scratch(0), lane);
    a_.emit(is_avx512() ? Inst::kIdVpxord : Inst::kIdVpxor, zero, zero, zero);
    consume(a);
    locked_ = 0;
    a_.emit(wide ? Inst::kIdVpsubq : Inst::kIdVpsubd, vec(define(value), lane),
            vec(scratch(0), lane), from);
    return;
  }
  const bool flip = inst(value).op == ScalarOp::neg;
  const std::uint64_t sign = wide ? std::uint64_t{1} << 63 : std::uint64_t{1} << 31;
  const Vec from = reg(a);
  consume(a);
  locked_ = 0;
  const Mem mask = pool(flip ? sign : ~sign, wide);
  const InstId id = flip ? (is_avx512() ? Inst::kIdVpxord : Inst::kIdVpxor)
                         : (is_avx512() ? Inst::kIdVpandd : Inst::kIdVpand);
  a_.emit(id, vec(define(value), lane), from, mask);
}

void BodyEmitter::emit_round(std::int32_t value, int mode) {
  const bool wide = is_wide(inst(value).lane);
  const std::int32_t a = resolve(inst(value).a);
  const Operand from = register_or_memory(a);
  consume(a);
  locked_ = 0;
  const InstId id = is_avx512() ? (wide ? Inst::kIdVrndscalepd : Inst::kIdVrndscaleps)
                                : (wide ? Inst::kIdVroundpd : Inst::kIdVroundps);
  a_.emit(id, vec(define(value), inst(value).lane), from, asmjit::Imm(mode | 8));
}

// AVX2 multiplies 32 bits to 64: low * low + ((high * low + low * high) << 32).
void BodyEmitter::emit_multiply_i64(std::int32_t value) {
  const std::int32_t a = resolve(inst(value).a);
  const std::int32_t b = resolve(inst(value).b);
  const Vec x = reg(a);
  const Vec y = reg(b);
  const Vec t = vec(scratch(0), Lane::i64);
  const Vec u = vec(scratch(1), Lane::i64);
  a_.emit(Inst::kIdVpsrlq, t, x, asmjit::Imm(32));
  a_.emit(Inst::kIdVpmuludq, t, t, y);
  a_.emit(Inst::kIdVpsrlq, u, y, asmjit::Imm(32));
  a_.emit(Inst::kIdVpmuludq, u, u, x);
  a_.emit(Inst::kIdVpaddq, t, t, u);
  a_.emit(Inst::kIdVpsllq, t, t, asmjit::Imm(32));
  a_.emit(Inst::kIdVpmuludq, u, x, y);
  consume(a);
  consume(b);
  locked_ = 0;
  a_.emit(Inst::kIdVpaddq, vec(define(value), Lane::i64), t, u);
}

void BodyEmitter::emit_compare(std::int32_t value) {
  const LoweredInst& it = inst(value);
  if (it.from == Lane::mask) return emit_mask_logic(value);
  if (!is_avx512()) return emit_compare_avx2(value);
  const std::int32_t a = resolve(it.a);
  const std::int32_t b = resolve(it.b);
  int float_mode = kFloatEqual;
  int mode = 0;
  if (it.op == ScalarOp::ne) float_mode = kFloatNotEqual, mode = 4;
  if (it.op == ScalarOp::lt) float_mode = kFloatLess, mode = 1;
  if (it.op == ScalarOp::le) float_mode = kFloatLessEqual, mode = 2;
  const Vec first = reg(a);
  const Operand second = register_or_memory(b);
  consume(a);
  consume(b);
  const InstId id =
      by_lane(it.from, Inst::kIdVcmpps, Inst::kIdVcmppd, Inst::kIdVpcmpd, Inst::kIdVpcmpq);
  a_.emit(id, k(define(value)), first, second, asmjit::Imm(is_float(it.from) ? float_mode : mode));
}

void BodyEmitter::emit_compare_avx2(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool wide = is_wide(it.from);
  std::int32_t a = resolve(it.a);
  std::int32_t b = resolve(it.b);
  const bool is_equality = it.op == ScalarOp::eq || it.op == ScalarOp::ne;
  // Integers have only "greater": a < b is b > a, a <= b is not a > b.
  if (!is_float(it.from) && it.op == ScalarOp::lt) std::swap(a, b);
  const Vec first = reg(a);
  const Operand second = register_or_memory(b);
  consume(a);
  consume(b);
  const Vec result = vec(scratch(0), it.from);
  if (is_float(it.from)) {
    const int mode = it.op == ScalarOp::eq   ? kFloatEqual
                     : it.op == ScalarOp::ne ? kFloatNotEqual
                     : it.op == ScalarOp::lt ? kFloatLess
                                             : kFloatLessEqual;
    a_.emit(wide ? Inst::kIdVcmppd : Inst::kIdVcmpps, result, first, second, asmjit::Imm(mode));
  } else {
    const InstId equal = wide ? Inst::kIdVpcmpeqq : Inst::kIdVpcmpeqd;
    const InstId greater = wide ? Inst::kIdVpcmpgtq : Inst::kIdVpcmpgtd;
    a_.emit(is_equality ? equal : greater, result, first, second);
    if (it.op == ScalarOp::ne || it.op == ScalarOp::le) {
      a_.emit(Inst::kIdVpxor, result, result, ones_mask(wide));
    }
  }
  locked_ = 0;
  const int to = define(value);
  if (wide) {
    narrow_mask(to, scratch(0));
  } else {
    move(vec(to, Lane::mask), result);
  }
}

void BodyEmitter::narrow_mask(int to, int from) {
  const x86::Xmm high(static_cast<std::uint32_t>(scratch(1)));
  a_.emit(Inst::kIdVextracti128, high, vec_of_bytes(from, 32), asmjit::Imm(1));
  a_.emit(Inst::kIdVshufps, vec_of_bytes(to, 16), vec_of_bytes(from, 16), high, asmjit::Imm(0x88));
}

void BodyEmitter::widen_mask(int to, int from) {
  a_.emit(Inst::kIdVpmovsxdq, vec_of_bytes(to, 32), vec_of_bytes(from, 16));
}

// Comparisons and bit operations of booleans.
void BodyEmitter::emit_mask_logic(std::int32_t value) {
  const ScalarOp op = inst(value).op;
  const std::int32_t a = resolve(inst(value).a);
  const std::int32_t b = resolve(inst(value).b);
  if (!is_avx512()) {
    const Vec x = reg(a);
    const Vec y = op == ScalarOp::bit_not ? x : reg(b);
    consume(a);
    if (op != ScalarOp::bit_not) consume(b);
    locked_ = 0;
    const Vec t = vec(define(value), Lane::mask);
    switch (op) {
      case ScalarOp::bit_and:
        a_.emit(Inst::kIdVpand, t, x, y);
        return;
      case ScalarOp::bit_or:
        a_.emit(Inst::kIdVpor, t, x, y);
        return;
      case ScalarOp::lt:
        a_.emit(Inst::kIdVpandn, t, x, y);
        return;
      case ScalarOp::le:
        a_.emit(Inst::kIdVpandn, t, y, x);
        a_.emit(Inst::kIdVpxor, t, t, ones_mask(false));
        return;
      case ScalarOp::bit_not:
        a_.emit(Inst::kIdVpxor, t, x, ones_mask(false));
        return;
      default:
        a_.emit(Inst::kIdVpxor, t, x, y);
        if (op == ScalarOp::eq) a_.emit(Inst::kIdVpxor, t, t, ones_mask(false));
        return;
    }
  }
  const x86::KReg x = k(in_register(a));
  const x86::KReg y = op == ScalarOp::bit_not ? x : k(in_register(b));
  consume(a);
  if (op != ScalarOp::bit_not) consume(b);
  k_locked_ = 0;
  const x86::KReg t = k(define(value));
  switch (op) {
    case ScalarOp::bit_and:
      a_.kandw(t, x, y);
      return;
    case ScalarOp::bit_or:
      a_.korw(t, x, y);
      return;
    case ScalarOp::lt:
      a_.kandnw(t, x, y);
      return;
    case ScalarOp::le:
      a_.kandnw(t, y, x);
      a_.knotw(t, t);
      return;
    case ScalarOp::bit_not:
      a_.knotw(t, x);
      return;
    case ScalarOp::eq:
      a_.kxnorw(t, x, y);
      return;
    default:
      a_.kxorw(t, x, y);
      return;
  }
}

void BodyEmitter::emit_bits(std::int32_t value) {
  const LoweredInst& it = inst(value);
  if (it.lane == Lane::mask) return emit_mask_logic(value);
  const bool wide512 = is_avx512();
  switch (it.op) {
    case ScalarOp::bit_and:
      return emit_binary(value, wide512 ? Inst::kIdVpandd : Inst::kIdVpand, true);
    case ScalarOp::bit_or:
      return emit_binary(value, wide512 ? Inst::kIdVpord : Inst::kIdVpor, true);
    case ScalarOp::bit_xor:
      return emit_binary(value, wide512 ? Inst::kIdVpxord : Inst::kIdVpxor, true);
    default:
      break;
  }
  const std::int32_t a = resolve(it.a);
  const Vec from = reg(a);
  consume(a);
  locked_ = 0;
  a_.emit(wide512 ? Inst::kIdVpxord : Inst::kIdVpxor, vec(define(value), it.lane), from,
          ones_mask(is_wide(it.lane)));
}

void BodyEmitter::emit_shift(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool wide = is_wide(it.lane);
  const asmjit::Imm distance(it.imm);
  const std::int32_t a = resolve(it.a);
  const Vec from = reg(a);
  consume(a);
  if (it.op == ScalarOp::shift_right && wide && !is_avx512()) {
    // x >> n = (x >>> n) | (sign << (64 - n)); a shift by 64 gives 0.
    const Vec sign = vec(scratch(0), it.lane);
    const Vec zero = vec(scratch(1), it.lane);
    a_.emit(Inst::kIdVpxor, zero, zero, zero);
    a_.emit(Inst::kIdVpcmpgtq, sign, zero, from);
    a_.emit(Inst::kIdVpsllq, sign, sign, asmjit::Imm(64 - it.imm));
    a_.emit(Inst::kIdVpsrlq, zero, from, distance);
    locked_ = 0;
    a_.emit(Inst::kIdVpor, vec(define(value), it.lane), zero, sign);
    return;
  }
  locked_ = 0;
  InstId id = wide ? Inst::kIdVpsrlq : Inst::kIdVpsrld;
  if (it.op == ScalarOp::shift_left) id = wide ? Inst::kIdVpsllq : Inst::kIdVpslld;
  if (it.op == ScalarOp::shift_right) id = wide ? Inst::kIdVpsraq : Inst::kIdVpsrad;
  a_.emit(id, vec(define(value), it.lane), from, distance);
}

void BodyEmitter::emit_extreme(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool minimum = it.extreme == Extreme::minimum;
  emit_binary(
      value,
      minimum
          ? by_lane(it.lane, Inst::kIdVminps, Inst::kIdVminpd, Inst::kIdVpminsd, Inst::kIdVpminsq)
          : by_lane(it.lane, Inst::kIdVmaxps, Inst::kIdVmaxpd, Inst::kIdVpmaxsd, Inst::kIdVpmaxsq),
      false);
}

void BodyEmitter::emit_select(std::int32_t value) {
  const LoweredInst& it = inst(value);
  if (it.extreme != Extreme::none) return emit_extreme(value);
  const bool wide = is_wide(it.lane);
  const std::int32_t a = resolve(it.a);
  const std::int32_t b = resolve(it.b);
  const std::int32_t c = resolve(it.c);
  if (in_k(value)) {
    const x86::KReg choice = k(in_register(a));
    const x86::KReg yes = k(in_register(b));
    const x86::KReg no = k(in_register(c));
    a_.kandnw(x86::k6, choice, no);
    const x86::KReg to = k(define(value));
    a_.kandw(to, choice, yes);
    a_.korw(to, to, x86::k6);
    consume(a);
    consume(b);
    consume(c);
    return;
  }
  if (is_avx512()) {
    const x86::KReg choice = k(in_register(a));
    const Vec no = reg(c);
    const Operand yes = register_or_memory(b);
    consume(a);
    consume(b);
    consume(c);
    locked_ = 0;
    // First the register: a spill that makes room for it must not get the mask.
    const Vec to = vec(define(value), it.lane);
    a_.k(choice).emit(wide ? Inst::kIdVblendmpd : Inst::kIdVblendmps, to, no, yes);
    return;
  }
  Vec choice = reg(a);
  const Vec no = reg(c);
  const Operand yes = register_or_memory(b);
  if (wide) {  // after the loads above, which may use the scratch register
    widen_mask(scratch(0), in_register(a));
    choice = vec(scratch(0), it.lane);
  }
  consume(a);
  consume(b);
  consume(c);
  locked_ = 0;
  a_.emit(wide ? Inst::kIdVblendvpd : Inst::kIdVblendvps, vec(define(value), it.lane), no, yes,
          choice);
}

void BodyEmitter::emit_index(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool wide = is_wide(it.lane);
  const int at = index_args_[static_cast<std::size_t>(it.imm)];
  std::int64_t first = 0;
  std::int64_t step = 0;
  if (at == kUnitAxis) {
    move(vec(define(value), it.lane), pool(0, wide));
    return;
  }
  if (at == kInnerAxis) {
    a_.mov(x86::rax, arg(inner_start_));
    a_.add(x86::rax, x86::rcx);
    first = place_of(it).column;
    step = 1;
  } else {
    a_.mov(x86::rax, arg(at));
    first = place_.row + row_;  // along the row axis; the other axes are read once, at row 0
  }
  const Vec to = vec(define(value), it.lane);
  if (is_avx512()) {
    if (wide) {
      a_.emit(Inst::kIdVpbroadcastq, to, x86::rax);
    } else {
      a_.emit(Inst::kIdVpbroadcastd, to, x86::eax);
    }
  } else if (wide) {
    a_.vmovq(to.xmm(), x86::rax);
    a_.emit(Inst::kIdVpbroadcastq, to, to.xmm());
  } else {
    a_.vmovd(to.xmm(), x86::eax);
    a_.emit(Inst::kIdVpbroadcastd, to, to.xmm());
  }
  if (first == 0 && step == 0) return;
  Mem offsets;
  if (step == 0) {
    offsets = pool(static_cast<std::uint64_t>(first), wide);
  } else {
    const auto found = iota_.find({wide ? 1 : 0, first});
    if (found == iota_.end()) {
      iota_[{wide ? 1 : 0, first}] = static_cast<int>(pool_bytes_.size());
      std::vector<std::uint64_t> values;
      for (int i = 0; i < lanes(); ++i) values.push_back(static_cast<std::uint64_t>(first + i));
      offsets = pool_lanes(values, wide);
    } else {
      offsets = x86::ptr(pool_label_, found->second);
    }
  }
  a_.emit(wide ? Inst::kIdVpaddq : Inst::kIdVpaddd, to, to, offsets);
}

}  // namespace sinter::backend::cpu
