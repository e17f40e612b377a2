// What the text of fused groups calls, in the language of language.h. CMake puts this file, after
// the headers it includes, in front of that text. Kept small: every program compiles it again.
//
// The trees are those of ir/reduction.h; a place without a value holds the identity, which changes
// no bit.
#ifndef SINTER_BACKEND_CUDA_GROUPS_FUSED_CUH_
#define SINTER_BACKEND_CUDA_GROUPS_FUSED_CUH_

#include "backend/cuda/device/language.h"
#include "base/half.h"

template <int kOperands>
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
  T value =
      SinterTree<Op, kPlaces>::fold(values + lane * kPlaces, 1, count - lane * kPlaces, identity);
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

#endif  // SINTER_BACKEND_CUDA_GROUPS_FUSED_CUH_
