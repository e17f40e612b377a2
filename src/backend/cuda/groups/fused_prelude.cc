// The helpers that the text of fused groups calls. Kept small: every program compiles them again.
#include "backend/cuda/groups/fused.h"

namespace sinter::backend::cuda {

namespace {

// The conversions of bf16 and f16 are those of base/half.h, by integer operations. The trees are
// those of ir/reduction.h; a place without a value holds the identity, which changes no bit.
constexpr std::string_view kPrelude = R"cuda(template <int kOperands>
struct SinterArguments {
  char* workspace;
  void* operands[kOperands];
};

template <class T>
struct alignas(sizeof(T) > 4 ? 16 : 4 * sizeof(T)) SinterFour {
  T values[4];
};

// How many of the four positions from `first` on lie before `end`.
template <class U>
__device__ inline int sinter_count(U first, U end) {
  return first >= end ? 0 : end - first >= 4 ? 4 : (int)(end - first);
}
template <class T>
__device__ inline void sinter_load(T* to, const T* from, int count) {
  if (count == 4 && (unsigned long long)from % alignof(SinterFour<T>) == 0) {
    const SinterFour<T> four = *(const SinterFour<T>*)from;
    for (int j = 0; j < 4; ++j) to[j] = four.values[j];
  } else {
    for (int j = 0; j < 4; ++j) to[j] = j < count ? from[j] : T(0);
  }
}
template <class T>
__device__ inline void sinter_store(T* to, const T* from, int count) {
  if (count == 4 && (unsigned long long)to % alignof(SinterFour<T>) == 0) {
    SinterFour<T> four;
    for (int j = 0; j < 4; ++j) four.values[j] = from[j];
    *(SinterFour<T>*)to = four;
  } else {
    for (int j = 0; j < 4; ++j) {
      if (j < count) to[j] = from[j];
    }
  }
}

__device__ inline float sinter_neg(float a) {
  return __int_as_float(__float_as_int(a) ^ (int)0x80000000);
}
__device__ inline double sinter_neg(double a) {
  return __longlong_as_double(__double_as_longlong(a) ^ (long long)0x8000000000000000ull);
}
__device__ inline float sinter_abs(float a) {
  return __int_as_float(__float_as_int(a) & 0x7fffffff);
}
__device__ inline double sinter_abs(double a) {
  return __longlong_as_double(__double_as_longlong(a) & 0x7fffffffffffffffll);
}

__device__ inline float sinter_from_bf16(unsigned short half) {
  unsigned bits = (unsigned)half << 16;
  if ((bits & 0x7fffffffu) > 0x7f800000u) bits |= 0x00400000u;
  return __int_as_float((int)bits);
}
__device__ inline unsigned short sinter_to_bf16(float value) {
  const unsigned bits = (unsigned)__float_as_int(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((bits >> 16) | 0x40u);
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ inline float sinter_from_f16(unsigned short half) {
  const unsigned sign = ((unsigned)half & 0x8000u) << 16;
  const unsigned exponent = ((unsigned)half >> 10) & 0x1fu;
  const unsigned mantissa = (unsigned)half & 0x3ffu;
  unsigned bits = ((exponent + 112u) << 23) | (mantissa << 13);
  if (exponent == 31u) bits = 0x7f800000u | (mantissa != 0u ? 0x400000u : 0u) | (mantissa << 13);
  // A denormal is mantissa * 2^-24, which is exact.
  if (exponent == 0u) bits = (unsigned)__float_as_int((float)mantissa * __int_as_float(0x33800000));
  return __int_as_float((int)(sign | bits));
}
__device__ inline unsigned short sinter_to_f16(float value) {
  const unsigned bits = (unsigned)__float_as_int(value);
  const unsigned sign = (bits >> 16) & 0x8000u;
  const unsigned magnitude = bits & 0x7fffffffu;
  unsigned result = 0u;
  if (magnitude > 0x7f800000u) {
    result = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  } else if (magnitude >= 0x47800000u) {
    result = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {
    result = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  } else if (magnitude >= 0x33000000u) {
    const unsigned mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    const unsigned shift = 126u - (magnitude >> 23);
    const unsigned rest = mantissa & ((1u << shift) - 1u);
    const unsigned tie = 1u << (shift - 1u);
    result = mantissa >> shift;
    if (rest > tie || (rest == tie && (result & 1u) != 0u)) ++result;
  }
  return (unsigned short)(sign | result);
}

struct SinterSum {
  __device__ static float apply(float a, float b) { return a + b; }
  __device__ static double apply(double a, double b) { return a + b; }
  __device__ static int apply(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
  __device__ static long long apply(long long a, long long b) {
    return (long long)((unsigned long long)a + (unsigned long long)b);
  }
};
struct SinterProduct {
  __device__ static float apply(float a, float b) { return a * b; }
  __device__ static double apply(double a, double b) { return a * b; }
  __device__ static int apply(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
  __device__ static long long apply(long long a, long long b) {
    return (long long)((unsigned long long)a * (unsigned long long)b);
  }
};
struct SinterMax {
  template <class T>
  __device__ static T apply(T a, T b) {
    return a == a && (b != b || a < b) ? b : a;
  }
};
struct SinterMin {
  template <class T>
  __device__ static T apply(T a, T b) {
    return a == a && (b != b || b < a) ? b : a;
  }
};

// Folds the lanes of a chunk by halves, four lanes to each of kThreads neighbouring threads; all of
// them get the result. Every thread of the warp calls it.
template <class Op, int kThreads, class T>
__device__ inline T sinter_fold_lanes(const T* lanes) {
  T a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
  for (int width = kThreads / 2; width >= 1; width /= 2) {
    a = Op::apply(a, __shfl_down_sync(0xffffffffu, a, (unsigned)width));
    b = Op::apply(b, __shfl_down_sync(0xffffffffu, b, (unsigned)width));
    c = Op::apply(c, __shfl_down_sync(0xffffffffu, c, (unsigned)width));
    d = Op::apply(d, __shfl_down_sync(0xffffffffu, d, (unsigned)width));
  }
  const T result = Op::apply(Op::apply(a, c), Op::apply(b, d));
  if (kThreads == 1) return result;
  return __shfl_sync(0xffffffffu, result, (int)(threadIdx.x % 32u / kThreads * kThreads));
}

// Folds `count` values, at most kPlaces, a power of two, by neighbours.
template <class Op, int kPlaces>
struct SinterTree {
  template <class T>
  __device__ static T fold(const T* values, long long stride, long long count, T identity) {
    const T low = SinterTree<Op, kPlaces / 2>::fold(values, stride, count, identity);
    const T high = SinterTree<Op, kPlaces / 2>::fold(values + kPlaces / 2 * stride, stride,
                                                     count - kPlaces / 2, identity);
    return Op::apply(low, high);
  }
};
template <class Op>
struct SinterTree<Op, 1> {
  template <class T>
  __device__ static T fold(const T* values, long long, long long count, T identity) {
    return count > 0 ? *values : identity;
  }
};

// The same for more places than are worth unrolling: level[i] holds the fold of 2^i blocks.
template <class Op, class T>
__device__ inline T sinter_fold_many(const T* values, long long stride, long long places,
                                     long long count, T identity) {
  T level[48];
  T value = identity;
  for (long long first = 0; first < places; first += 16) {
    value = SinterTree<Op, 16>::fold(values + first * stride, stride, count - first, identity);
    int at = 0;
    for (long long block = first / 16; block % 2 != 0; block /= 2) {
      value = Op::apply(level[at++], value);
    }
    level[at] = value;
  }
  return value;
}

// Folds `count` values by neighbours, kPlaces of them to each thread of the warp. Every thread of
// the warp calls it and gets the result.
template <class Op, int kPlaces, class T>
__device__ inline T sinter_fold_by_warp(const T* values, long long count, T identity) {
  const int lane = (int)(threadIdx.x % 32u);
  T value = SinterTree<Op, kPlaces>::fold(values + lane * kPlaces, 1, count - lane * kPlaces,
                                          identity);
  for (unsigned width = 1; width < 32u; width *= 2u) {
    value = Op::apply(value, __shfl_down_sync(0xffffffffu, value, width));
  }
  return __shfl_sync(0xffffffffu, value, 0);
}
template <class Op, class T>
__device__ inline T sinter_fold_many_by_warp(const T* values, long long places, long long count,
                                             T identity) {
  const int lane = (int)(threadIdx.x % 32u);
  T value =
      sinter_fold_many<Op>(values + lane * places, 1, places, count - lane * places, identity);
  for (unsigned width = 1; width < 32u; width *= 2u) {
    value = Op::apply(value, __shfl_down_sync(0xffffffffu, value, width));
  }
  return __shfl_sync(0xffffffffu, value, 0);
}
)cuda";

constexpr std::string_view kAnglePrelude =
    "\n"
#include "large_angle_text.h"
    R"cuda(
__device__ inline float sinter_wrap_angle(float a, int quarters) {
  if (!(sinter_abs(a) > 0x1p20f)) return a;
  return __int_as_float((int)sinter_wrap_large_angle((unsigned)__float_as_int(a), quarters));
}
__device__ inline double sinter_wrap_angle(double a, int quarters) {
  if (!(sinter_abs(a) > 0x1p30)) return a;
  const unsigned long long bits = (unsigned long long)__double_as_longlong(a);
  return __longlong_as_double((long long)sinter_wrap_large_angle(bits, quarters));
}
)cuda";

}  // namespace

std::string_view fused_prelude() { return kPrelude; }

std::string_view angle_prelude() { return kAnglePrelude; }

}  // namespace sinter::backend::cuda
