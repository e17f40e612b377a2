// Conversions between f32 and the two 16-bit storage types, by integer operations only.
//
// bf16: 1 sign, 8 exponent, 7 mantissa bits; f16 (IEEE binary16): 1, 5, 10. To 16 bits: round to
// nearest, ties to even; too large becomes infinity; denormals are produced and read, never flushed
// (the machine's vcvtneps2bf16 flushes them). A NaN stays a NaN of the same sign, made quiet, with
// the upper bits of its payload. To f32 every value is exact.
#ifndef SINTER_BASE_HALF_H_
#define SINTER_BASE_HALF_H_

#include <bit>
#include <cstdint>

namespace sinter {

constexpr float f32_from_bf16(std::uint16_t half) {
  std::uint32_t bits = std::uint32_t{half} << 16;
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) bits |= 0x00400000u;
  return std::bit_cast<float>(bits);
}

constexpr std::uint16_t bf16_from_f32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  }
  // A carry out of the mantissa runs into the exponent, and out of the largest exponent into
  // infinity.
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

constexpr float f32_from_f16(std::uint16_t half) {
  const std::uint32_t sign = (std::uint32_t{half} & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1Fu;
  std::uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0x1F) {
    const std::uint32_t quiet = mantissa != 0 ? 0x00400000u : 0;
    return std::bit_cast<float>(sign | 0x7F800000u | quiet | (mantissa << 13));
  }
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  if (mantissa == 0) return std::bit_cast<float>(sign);
  // A denormal, mantissa * 2^-24, is a normal f32.
  const auto shift = static_cast<std::uint32_t>(std::countl_zero(mantissa)) - 21;
  mantissa = (mantissa << shift) & 0x3FFu;
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | (mantissa << 13));
}

constexpr std::uint16_t f16_from_f32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  std::uint32_t result = 0;
  if (magnitude > 0x7F800000u) {  // NaN
    result = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
  } else if (magnitude >= 0x47800000u) {  // 2^16 and more
    result = 0x7C00u;
  } else if (magnitude >= 0x38800000u) {  // 2^-14 and more: normal; a carry may reach infinity
    result = (magnitude - 0x38000000u + 0x0FFFu + ((magnitude >> 13) & 1u)) >> 13;
  } else if (magnitude >= 0x33000000u) {  // 2^-25 and more: a multiple of 2^-24
    const std::uint32_t mantissa = (magnitude & 0x007FFFFFu) | 0x00800000u;
    const std::uint32_t shift = 126 - (magnitude >> 23);
    const std::uint32_t rest = mantissa & ((1u << shift) - 1);
    const std::uint32_t tie = 1u << (shift - 1);
    result = mantissa >> shift;
    if (rest > tie || (rest == tie && (result & 1u) != 0)) ++result;
  }
  return static_cast<std::uint16_t>(sign | result);
}

}  // namespace sinter

#endif  // SINTER_BASE_HALF_H_
