// Elements that are stored in 16 bits and computed in f32, for kernels of either back end that are
// templates of their element type.
#ifndef SINTER_BACKEND_HALF_ELEMENT_H_
#define SINTER_BACKEND_HALF_ELEMENT_H_

#include "base/anywhere.h"
#include "base/half.h"

namespace sinter::backend {

struct Bf16 {
  unsigned short bits;
};
struct F16 {
  unsigned short bits;
};

// What an element E is computed in.
template <class E>
struct ComputedIn {
  using type = E;
};
template <>
struct ComputedIn<Bf16> {
  using type = float;
};
template <>
struct ComputedIn<F16> {
  using type = float;
};
template <class E>
using Computed = typename ComputedIn<E>::type;

SINTER_ANYWHERE constexpr float widened(float x) { return x; }
SINTER_ANYWHERE constexpr double widened(double x) { return x; }
SINTER_ANYWHERE constexpr float widened(Bf16 x) { return f32_from_bf16(x.bits); }
SINTER_ANYWHERE constexpr float widened(F16 x) { return f32_from_f16(x.bits); }

template <class E>
SINTER_ANYWHERE constexpr E rounded_to(Computed<E> x) {
  return x;
}
template <>
SINTER_ANYWHERE constexpr Bf16 rounded_to<Bf16>(float x) {
  return {bf16_from_f32(x)};
}
template <>
SINTER_ANYWHERE constexpr F16 rounded_to<F16>(float x) {
  return {f16_from_f32(x)};
}

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_HALF_ELEMENT_H_
