// ScalarOp::wrap_angle for the text of the fused groups that have it: fused.cuh's companion.
#ifndef SINTER_BACKEND_CUDA_GROUPS_WRAP_ANGLE_CUH_
#define SINTER_BACKEND_CUDA_GROUPS_WRAP_ANGLE_CUH_

#include "backend/cuda/groups/fused.cuh"
#include "ir/large_angle.h"

__device__ inline float sinter_wrap_angle(float a, int quarters) {
  if (!(sinter_abs(a) > 0x1p20f)) return a;
  return __int_as_float((int)sinter_wrap_large_angle((unsigned)__float_as_int(a), quarters));
}
__device__ inline double sinter_wrap_angle(double a, int quarters) {
  if (!(sinter_abs(a) > 0x1p30)) return a;
  const unsigned long long bits = (unsigned long long)__double_as_longlong(a);
  return __longlong_as_double((long long)sinter_wrap_large_angle(bits, quarters));
}

#endif  // SINTER_BACKEND_CUDA_GROUPS_WRAP_ANGLE_CUH_
