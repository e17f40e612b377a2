// A group's body as the emitter works on it: types reduced to what registers hold, casts that
// change no bits replaced by what they cast.
#ifndef SINTER_BACKEND_CPU_GROUPS_LOWERED_BODY_H_
#define SINTER_BACKEND_CPU_GROUPS_LOWERED_BODY_H_

#include <cstdint>
#include <vector>

#include "backend/cpu/groups/group_kernel.h"
#include "ir/group.h"

namespace sinter::backend::cpu {

// What one lane of a register holds. u8 is held as i32; boolean is a mask; f16 is `half`, its lanes
// 16 bits wide; bf16 is the upper half of an f32, whose lower half may be anything.
enum class Lane : std::uint8_t { f32, f64, i32, i64, mask, half };

constexpr bool is_wide(Lane lane) { return lane == Lane::f64 || lane == Lane::i64; }
constexpr std::size_t bytes_in(Lane lane) { return is_wide(lane) ? 8 : lane == Lane::half ? 2 : 4; }
constexpr bool is_float(Lane lane) { return lane == Lane::f32 || lane == Lane::f64; }

// A choice that is one instruction: x < y ? x : y and y < x ? x : y, the second where one is NaN or
// both are equal: what vminps and vmaxps do.
enum class Extreme : std::uint8_t { none, minimum, maximum };

// A conversion between f32 and a 16-bit type. What is loaded as bf16 may be a signalling NaN, with
// zeros below; what was rounded to it is no such NaN.
enum class HalfStep : std::uint8_t {
  none,
  round_bf16,
  quiet_bf16,  // of a loaded value to f32
  widen_bf16,  // of a rounded one
  round_f16,
  widen_f16,
};

struct LoweredInst {
  ir::ScalarOp op = ir::ScalarOp::constant;
  Lane lane = Lane::f32;  // of the result (of the stored value)
  Lane from = Lane::f32;  // of operand a
  Dtype type = Dtype::f32;
  std::int32_t a = -1;
  std::int32_t b = -1;
  std::int32_t c = -1;
  std::int64_t imm = 0;
  Extreme extreme = Extreme::none;  // of a select: of a and b, and c is unused
  HalfStep half = HalfStep::none;   // of a convert
  // A copy for a later vector of the same block: how many vectors on, and what it is a copy of.
  int vector = 0;
  std::int32_t first = -1;
};

// How a kernel walks over an operand: two axes, strides in elements. `inner` is 0 or 1.
struct OperandAccess {
  Dtype dtype = Dtype::f32;
  bool output = false;
  std::int64_t inner = 0;
  std::int64_t row = 0;
};

struct LoweredBody {
  Isa isa = Isa::avx512;
  int lanes = 16;                 // elements that one step computes, whatever their types
  std::vector<LoweredInst> code;  // positions as in the group's body
  std::vector<OperandAccess> operands;
};

// The instructions of `group` for `isa`; the operands' strides are the caller's to fill in.
LoweredBody lower_body(const ir::Group& group, Isa isa);

// How many of a, b, c `inst` reads.
inline int source_count(const LoweredInst& inst) {
  return inst.extreme != Extreme::none ? 2 : ir::operand_count(inst.op);
}

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_LOWERED_BODY_H_
