// bf16 and f16, the element types that are stored but not computed with, as 16 bits.
#ifndef SINTER_IR_STORAGE_TYPES_H_
#define SINTER_IR_STORAGE_TYPES_H_

#include <bit>
#include <cstdint>

namespace sinter::ir {

// The nearest bf16, ties to even; denormals are kept, NaN stays NaN and becomes quiet.
inline std::uint16_t bf16_from_f32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  }
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

// Exact.
inline float f32_from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// The nearest f16, ties to even; denormals are kept, NaN stays NaN and becomes quiet.
inline std::uint16_t f16_from_f32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  std::uint32_t half;
  if (magnitude > 0x7F800000u) {
    half = 0x7E00u | ((magnitude >> 13) & 0x01FFu);
  } else if (magnitude >= 0x477FF000u) {
    half = 0x7C00u;  // 65520 and more round to infinity
  } else if (magnitude >= 0x38800000u) {
    half = (magnitude - 0x38000000u + 0x0FFFu + ((magnitude >> 13) & 1u)) >> 13;
  } else {
    // Adding 0.5 leaves units of 2^-24, the f16 denormals, in the low bits, rounded to even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    half = std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// Exact.
inline float f32_from_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7FFFu;
  std::uint32_t wide;
  if (magnitude >= 0x7C00u) {
    wide = 0x7F800000u | ((magnitude & 0x03FFu) << 13);
  } else if (magnitude >= 0x0400u) {
    wide = (magnitude << 13) + 0x38000000u;
  } else {
    wide = std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24f);
  }
  return std::bit_cast<float>(sign | wide);
}

}  // namespace sinter::ir

#endif  // SINTER_IR_STORAGE_TYPES_H_
