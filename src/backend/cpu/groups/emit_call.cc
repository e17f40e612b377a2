// Instructions that few elements need: a test in the code, and a call where an element does.
#include <cstdint>
#include <iterator>

#include "backend/cpu/groups/emit_body.h"
#include "ir/scalar_ops.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using asmjit::InstId;
namespace Inst = x86::Inst;

namespace {

// All general registers that a call may change and that hold something, in the order of their
// places.
const x86::Gp kKeptRegisters[] = {x86::rcx, x86::rdx, x86::rsi, x86::rdi,
                                  x86::r8,  x86::r9,  x86::r10, x86::r11};
constexpr int kVectorBytes = 64;
constexpr int kMaskCount = 8;
constexpr int kVectorCount = 32;

// What emitted code calls: `count` elements replaced.
template <class T>
void wrap_angles(T* values, std::int64_t count, std::int64_t quarters) {
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = ir::scalar::wrap_angle(values[i], static_cast<int>(quarters));
  }
}

}  // namespace

void BodyEmitter::emit_wrap_angle(std::int32_t value) {
  const LoweredInst& it = inst(value);
  const bool wide = it.lane == Lane::f64;
  const std::int32_t a = resolve(it.a);
  const Vec from = reg(a);
  consume(a);
  locked_ = 0;
  const Vec to = vec(define(value), it.lane);
  if (to.id() != from.id()) move(to, from);
  const std::uint64_t limit =
      wide ? static_cast<std::uint64_t>(ir::scalar::bits(ir::scalar::kLargestPlainAngle<double>))
           : static_cast<std::uint64_t>(ir::scalar::bits(ir::scalar::kLargestPlainAngle<float>));
  const std::uint64_t sign = wide ? std::uint64_t{1} << 63 : std::uint64_t{1} << 31;
  const Vec size = vec(scratch(0), it.lane);
  a_.emit(is_avx512() ? Inst::kIdVpandd : Inst::kIdVpand, size, to, pool(~sign, wide));
  const asmjit::Label done = a_.newLabel();
  const asmjit::Imm greater(0x1e);  // quiet; false with a NaN
  const InstId compare = wide ? Inst::kIdVcmppd : Inst::kIdVcmpps;
  if (is_avx512()) {
    a_.emit(compare, x86::k6, size, pool(limit, wide), greater);
    a_.kortestw(x86::k6, x86::k6);
  } else {
    a_.emit(compare, size, size, pool(limit, wide), greater);
    a_.emit(Inst::kIdVptest, size, size);
  }
  a_.jz(done);
  const void* function = wide ? reinterpret_cast<const void*>(&wrap_angles<double>)
                              : reinterpret_cast<const void*>(&wrap_angles<float>);
  emit_call(function, to, static_cast<int>(it.imm));
  a_.bind(done);
}

// function(elements of `values`, their number, argument). Keeps every register but rax and the
// scratch vectors; costs some hundred cycles.
void BodyEmitter::emit_call(const void* function, const Vec& values, int argument) {
  const int masks = kVectorBytes * (kVectorCount + 1);
  const int general = masks + 8 * kMaskCount;
  if (call_frame_ < 0) {
    call_frame_ = take_frame(general + 8 * static_cast<int>(std::size(kKeptRegisters)));
  }
  const int vectors = is_avx512() ? kVectorCount : kVectorCount / 2;
  const int bytes = is_avx512() ? kVectorBytes : kVectorBytes / 2;
  const Mem elements = frame(call_frame_ + kVectorBytes * kVectorCount);
  const auto place = [&](int from, int index, std::uint32_t size) {
    Mem at = frame(call_frame_ + from + 8 * index);
    at.setSize(size);
    return at;
  };
  for (int i = 0; i < vectors; ++i) {
    a_.emit(Inst::kIdVmovups, frame(call_frame_ + kVectorBytes * i), vec_of_bytes(i, bytes));
  }
  a_.emit(Inst::kIdVmovups, elements, values);
  for (int i = 1; is_avx512() && i < kMaskCount; ++i) a_.kmovw(place(masks, i, 2), k(i));
  for (int i = 0; i < static_cast<int>(std::size(kKeptRegisters)); ++i) {
    a_.mov(place(general, i, 8), kKeptRegisters[i]);
  }
  a_.lea(x86::rdi, elements);
  a_.mov(x86::esi, lanes());
  a_.mov(x86::edx, argument);
  a_.mov(x86::rax, reinterpret_cast<std::uint64_t>(function));
  a_.vzeroupper();
  a_.call(x86::rax);
  for (int i = 0; i < static_cast<int>(std::size(kKeptRegisters)); ++i) {
    a_.mov(kKeptRegisters[i], place(general, i, 8));
  }
  for (int i = 1; is_avx512() && i < kMaskCount; ++i) a_.kmovw(k(i), place(masks, i, 2));
  for (int i = 0; i < vectors; ++i) {
    a_.emit(Inst::kIdVmovups, vec_of_bytes(i, bytes), frame(call_frame_ + kVectorBytes * i));
  }
  a_.emit(Inst::kIdVmovups, values, elements);
}

}  // namespace sinter::backend::cpu
