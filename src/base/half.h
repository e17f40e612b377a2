// Conversions between f32 and the two 16-bit storage types, the only ones there are: host code,
// the interpreter, .cu files and the text of fused groups call these functions, and emitted code is
// tested against them.
//
// bf16: 1 sign, 8 exponent, 7 mantissa bits; f16 (IEEE binary16): 1, 5, 10. To 16 bits: round to
// nearest, ties to even; too large becomes infinity; denormals are produced and read, never flushed
// (the machine's vcvtneps2bf16 flushes them). A NaN stays a NaN of the same sign, made quiet, with
// the upper bits of its payload. To f32 every value is exact.
#ifndef SINTER_BASE_HALF_H_
#define SINTER_BASE_HALF_H_

#include "base/anywhere.h"

namespace sinter {

SINTER_ANYWHERE constexpr float f32_from_bf16(unsigned short half) {
  const unsigned bits = static_cast<unsigned>(half) << 16;
  const unsigned quiet = (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x00400000u : 0u;
  return same_bits<float>(bits | quiet);
}

SINTER_ANYWHERE constexpr unsigned short bf16_from_f32(float value) {
  const auto bits = same_bits<unsigned>(value);
  // A carry out of the mantissa runs into the exponent, and out of the largest exponent into
  // infinity. (Both are computed, so that loops over this become vector code.)
  const unsigned rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const unsigned quiet = (bits >> 16) | 0x0040u;
  return static_cast<unsigned short>((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

SINTER_ANYWHERE constexpr float f32_from_f16(unsigned short half) {
  const unsigned sign = (static_cast<unsigned>(half) & 0x8000u) << 16;
  const unsigned exponent = (static_cast<unsigned>(half) >> 10) & 0x1Fu;
  const unsigned mantissa = static_cast<unsigned>(half) & 0x3FFu;
  unsigned magnitude = ((exponent + 112u) << 23) | (mantissa << 13);
  if (exponent == 0x1Fu) {
    magnitude = 0x7F800000u | (mantissa != 0 ? 0x00400000u : 0u) | (mantissa << 13);
  }
  // Zero or a denormal, mantissa * 2^-24: a normal f32.
  if (exponent == 0) {
    magnitude = same_bits<unsigned>(static_cast<float>(mantissa) * same_bits<float>(0x33800000u));
  }
  return same_bits<float>(sign | magnitude);
}

SINTER_ANYWHERE constexpr unsigned short f16_from_f32(float value) {
  const auto bits = same_bits<unsigned>(value);
  const unsigned sign = (bits >> 16) & 0x8000u;
  const unsigned magnitude = bits & 0x7FFFFFFFu;
  unsigned result = 0;
  if (magnitude > 0x7F800000u) {  // NaN
    result = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
  } else if (magnitude >= 0x47800000u) {  // 2^16 and more
    result = 0x7C00u;
  } else if (magnitude >= 0x38800000u) {  // 2^-14 and more: normal; a carry may reach infinity
    result = (magnitude - 0x38000000u + 0x0FFFu + ((magnitude >> 13) & 1u)) >> 13;
  } else if (magnitude >= 0x33000000u) {  // 2^-25 and more: a multiple of 2^-24
    const unsigned mantissa = (magnitude & 0x007FFFFFu) | 0x00800000u;
    const unsigned shift = 126u - (magnitude >> 23);
    const unsigned rest = mantissa & ((1u << shift) - 1u);
    const unsigned tie = 1u << (shift - 1u);
    result = mantissa >> shift;
    if (rest > tie || (rest == tie && (result & 1u) != 0)) ++result;
  }
  return static_cast<unsigned short>(sign | result);
}

}  // namespace sinter

#endif  // SINTER_BASE_HALF_H_
