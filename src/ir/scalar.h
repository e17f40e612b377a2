// The instructions that the bodies of fused groups are made of: what one element of the iteration
// space computes. Pointwise ops (pointwise.h) are templates over their number type; run with Sym<T>
// (symbolic.h) they append these instructions. Every back end translates them: the interpreter and
// the AsmJit emitter of the CPU, text for NVRTC. All of them must give the same bits, so each
// instruction is exactly one IEEE 754 operation (round to nearest even, denormals kept) or exact.
#ifndef SINTER_IR_SCALAR_H_
#define SINTER_IR_SCALAR_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "sinter/dtype.h"

namespace sinter::ir {

enum class ScalarOp : std::uint8_t {
  // Leaves.
  load,      // the element of group operand `imm` at this point of the space
  index,     // the position along axis `imm` of the space (i32 or i64)
  constant,  // the bits in `imm`, of type `type` (boolean: 0 or 1; 32 bits are sign-extended)
  // Arithmetic: f32, f64; add, sub, mul, neg also i32, i64 (two's complement, wrapping).
  add,
  sub,
  mul,
  div,  // floating only
  fma,  // a * b + c rounded once; floating only
  neg,  // flips the sign bit of a float
  // Floating only.
  abs,  // clears the sign bit
  sqrt,
  round_even,  // to the nearest integer, ties to even
  floor,
  ceil,
  trunc,
  wrap_angle,  // `a` where |a| <= kLargestPlainAngle, infinite or NaN; elsewhere the angle in
  // [-pi/2, pi/2] that has the sine of a + imm * pi/2, rounded to nearest; imm is 0 or 1
  // Comparisons: boolean results; with a NaN all are false, except that `ne` is true.
  eq,
  ne,
  lt,
  le,
  // Bits: i32, i64 and boolean (not, and, or, xor); shifts take their distance from `imm`.
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  shift_left,
  shift_right,          // arithmetic: copies the sign
  shift_right_logical,  // fills with zeros
  // Choice and conversion.
  select,   // a ? b : c, `a` boolean; a choice of bits, no arithmetic
  bitcast,  // f32 <-> i32, f64 <-> i64
  convert,  // `a` to `type`. Integer to float rounds to nearest even; f64 to f32 likewise; float to
            // integer truncates and is defined only where the result fits (pointwise.h saturates
  // first); i64 to i32 and any integer to u8 keep the low bits; number to boolean: a != 0;
  // boolean to number: 0 or 1; to bf16 and f16: nearest even, NaN stays NaN (quiet); bf16
  // and f16 convert from and to f32 only.
  // Reductions over the group's reduced axes, along the canonical tree (reduction.h). The result is
  // the same at every element that was folded together.
  reduce_sum,
  reduce_product,
  reduce_max,  // a NaN anywhere gives NaN
  reduce_min,
  // Effects.
  store,  // `a` into group operand `imm`, an output
};

inline constexpr int kScalarOpCount = static_cast<int>(ScalarOp::store) + 1;

// "add", "reduce_sum", ...
std::string_view name_of(ScalarOp op);
// How many of a, b, c the instruction reads.
int operand_count(ScalarOp op);
constexpr bool is_reduction(ScalarOp op) {
  return op >= ScalarOp::reduce_sum && op <= ScalarOp::reduce_min;
}

// One instruction. a, b, c name earlier instructions of the same body by position; -1 when unused.
// `type` is the type of the result (of the stored value for `store`). Types that a body computes
// with are f32, f64, i32, i64 and boolean; u8, bf16 and f16 occur only as the type of a load, a
// store, or a convert next to one.
struct ScalarInst {
  ScalarOp op = ScalarOp::constant;
  Dtype type = Dtype::f32;
  std::int32_t a = -1;
  std::int32_t b = -1;
  std::int32_t c = -1;
  std::int64_t imm = 0;

  friend bool operator==(const ScalarInst&, const ScalarInst&) = default;
};

using ScalarBody = std::vector<ScalarInst>;

}  // namespace sinter::ir

#endif  // SINTER_IR_SCALAR_H_
