// Angles too large for the reduction of math.h, brought near zero by the bits of 2/pi: M. Payne, R.
// Hanek, Radian reduction for trigonometric functions, SIGNUM Newsletter 18, 1983. In integers, so
// that host and device compute the same bits: this text is also a part of the text of fused groups
// (backend/cuda/groups/fused_prelude.cc), which is why it includes nothing and names no type of the
// library.
#ifndef SINTER_IR_LARGE_ANGLE_H_
#define SINTER_IR_LARGE_ANGLE_H_

#include "base/anywhere.h"

// 32 bits of 2/pi from bit 32 (word - 1) on; 0 before the first one.
SINTER_ANYWHERE inline unsigned sinter_two_over_pi(int word) {
  static const unsigned words[] = {
      0x00000000u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u,
      0xfe5163abu, 0xdebbc561u, 0xb7246e3au, 0x424dd2e0u, 0x06492eeau, 0x09d1921cu, 0xfe1deb1cu,
      0xb129a73eu, 0xe88235f5u, 0x2ebb4484u, 0xe99c7026u, 0xb45f7e41u, 0x3991d639u, 0x835339f4u,
      0x9c845f8bu, 0xbdf9283bu, 0x1ff897ffu, 0xde05980fu, 0xef2f118bu, 0x5a0a6d1fu, 0x6d367ecfu,
      0x27cb09b7u, 0x4f463f66u, 0x9e5fea2du, 0x7527bac7u, 0xebe5f17bu, 0x3d0739f7u, 0x8a5292eau,
      0x6bfb5fb1u, 0x1f8d5d08u, 0x56033046u, 0xfc7b6babu, 0xf0cfbc20u};
  return words[word];
}

// The high 64 bits of a product.
SINTER_ANYWHERE inline unsigned long long sinter_multiply_high(unsigned long long a,
                                                               unsigned long long b) {
  const unsigned long long a0 = a & 0xffffffffu, a1 = a >> 32;
  const unsigned long long b0 = b & 0xffffffffu, b1 = b >> 32;
  const unsigned long long middle = a1 * b0 + (a0 * b0 >> 32);
  const unsigned long long other = a0 * b1 + (middle & 0xffffffffu);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}

// What the two's complement of the number in `p` is, its lowest word first.
template <int kWords>
SINTER_ANYWHERE inline void sinter_negate_words(unsigned (&p)[kWords]) {
  unsigned long long carry = 1;
  for (int i = 0; i < kWords; ++i) {
    carry += (unsigned long long)(~p[i]);
    p[i] = (unsigned)carry;
    carry >>= 32;
  }
}

// mantissa * 2^exponent * 2/pi modulo 4, in 32 kWords bits, two of them before the point; the
// lowest word first. Only the bits of 2/pi from the first that counts on are multiplied. REQUIRES:
// the mantissa has at most 53 bits, -26 <= exponent <= 971.
template <int kWords>
SINTER_ANYWHERE inline void sinter_quarter_turns(unsigned long long mantissa, int exponent,
                                                 unsigned (&p)[kWords]) {
  const int first = exponent - 2 + 32;
  unsigned w[kWords];
  for (int i = 0; i < kWords; ++i) {
    const int word = first / 32 + kWords - 1 - i;
    const unsigned long long two =
        (unsigned long long)sinter_two_over_pi(word) << 32 | sinter_two_over_pi(word + 1);
    w[i] = (unsigned)(two << first % 32 >> 32);
    p[i] = 0;
  }
  for (int j = 0; j < 2; ++j) {
    const unsigned long long factor = mantissa >> 32 * j & 0xffffffffu;
    unsigned long long carry = 0;
    for (int i = 0; i + j < kWords; ++i) {
      carry += factor * w[i] + p[i + j];
      p[i + j] = (unsigned)carry;
      carry >>= 32;
    }
  }
}

// The bits of the angle in [-pi/2, pi/2] that has the sine of m + quarters * pi/2, rounded to the
// nearest number of kMantissaBits bits after the first; m = mantissa * 2^exponent, which is changed
// in sign where `negate` says so.
template <int kWords, int kMantissaBits, int kExponentBias>
SINTER_ANYWHERE inline unsigned long long sinter_sine_angle(unsigned long long mantissa,
                                                            int exponent, int quarters,
                                                            bool negate) {
  unsigned p[kWords];
  sinter_quarter_turns<kWords>(mantissa, exponent, p);
  p[kWords - 1] += (unsigned)quarters << 30;
  // As a signed number t of quarter turns: beyond -1 and 1, 2 - t has the same sine.
  if ((p[kWords - 1] >> 31) != (p[kWords - 1] >> 30 & 1u)) {
    sinter_negate_words<kWords>(p);
    p[kWords - 1] += 0x80000000u;
  }
  bool negative = negate;
  if (p[kWords - 1] >> 31 != 0) {
    sinter_negate_words<kWords>(p);
    negative = !negative;
  }
  // The 64 bits from the first that is set on: |t| = high / 2^63 * 2^power.
  int top = kWords - 1;
  while (top > 2 && p[top] == 0) --top;
  int power = 32 * (top + 1 - kWords) + 1;
  unsigned long long high = (unsigned long long)p[top] << 32 | p[top - 1];
  unsigned long long rest = (unsigned long long)p[top - 2] << 32;
  for (; high >> 63 == 0; --power) {
    high = high << 1 | rest >> 63;
    rest <<= 1;
  }
  // Times pi / 2.
  high = sinter_multiply_high(high, 0xc90fdaa22168c234ull);
  ++power;
  if (high >> 63 == 0) {
    high <<= 1;
    --power;
  }
  const int dropped = 63 - kMantissaBits;
  const unsigned long long half = 1ull << (dropped - 1);
  const unsigned long long tail = high & (2 * half - 1);
  unsigned long long kept = high >> dropped;
  if (tail > half || (tail == half && (kept & 1) != 0)) ++kept;
  const unsigned long long exponent_bits = (unsigned long long)(power + kExponentBias - 1)
                                           << kMantissaBits;
  const int sign_bit = kMantissaBits == 23 ? 31 : 63;
  return (exponent_bits + kept) | (unsigned long long)negative << sign_bit;
}

// ScalarOp::wrap_angle of the number with these bits, beyond its limits.
SINTER_ANYWHERE inline unsigned sinter_wrap_large_angle(unsigned bits, int quarters) {
  const int exponent = (int)(bits >> 23 & 0xffu);
  if (exponent == 0xff) return bits;
  const bool negate = quarters == 0 && bits >> 31 != 0;
  const unsigned mantissa = (bits & 0x7fffffu) | 0x800000u;
  return (unsigned)sinter_sine_angle<3, 23, 127>(mantissa, exponent - 150, quarters, negate);
}
SINTER_ANYWHERE inline unsigned long long sinter_wrap_large_angle(unsigned long long bits,
                                                                  int quarters) {
  const int exponent = (int)(bits >> 52 & 0x7ffu);
  if (exponent == 0x7ff) return bits;
  const bool negate = quarters == 0 && bits >> 63 != 0;
  const unsigned long long mantissa = (bits & 0xfffffffffffffull) | 0x10000000000000ull;
  return sinter_sine_angle<6, 52, 1023>(mantissa, exponent - 1075, quarters, negate);
}

#endif  // SINTER_IR_LARGE_ANGLE_H_
