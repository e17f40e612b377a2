// workspace 0
// grid 128 block 128 numbers 50000 50000 4 50000 3
extern "C" __global__ void __launch_bounds__(128) fused_rows_64cf82a36a5b8ea1(const SinterArguments<8> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[3];
  const unsigned long long n1 = (unsigned long long)arguments.operands[4];
  const unsigned long long n2 = (unsigned long long)arguments.operands[5];
  const unsigned long long n3 = (unsigned long long)arguments.operands[6];
  const unsigned long long n4 = (unsigned long long)arguments.operands[7];
  struct Shared {
    float r1[4];
    float r7[4];
  };
  __shared__ Shared shared;
  const unsigned row = blockIdx.x;
  const unsigned lane = threadIdx.x % 32u;
  const float* const x0 = (const float*)arguments.operands[0] + ((int)row * (int)n0);
  float* const x1 = (float*)arguments.operands[1] + ((int)row * (int)n1);
  float* const x2 = (float*)arguments.operands[2] + row;
  const float v3 = __int_as_float((int)0x3f000000u);
  const float v5 = __int_as_float((int)0x3f000000u);
  for (unsigned chunk = threadIdx.x / 32u; chunk < (unsigned)n2; chunk += 4u) {
    const unsigned begin = chunk * 16384u;
    const unsigned end = chunk == (unsigned)n4 ? (unsigned)n3 : begin + 16384u;
    float a1[4] = {__int_as_float((int)0xff800000u), __int_as_float((int)0xff800000u), __int_as_float((int)0xff800000u), __int_as_float((int)0xff800000u)};
    for (unsigned p = begin + lane * 4u; p - lane * 4u < end; p += 128u) {
      const int count = sinter_count(p, (unsigned)end);
      float in0[4];
      sinter_load(in0, x0 + p, count);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float v0 = in0[j];
        a1[j] = j < count ? SinterMax::apply(a1[j], v0) : a1[j];
      }
    }
    const float c1 = sinter_fold_lanes<SinterMax, 32>(a1);
    if (lane == 0u) shared.r1[chunk] = c1;
  }
  __syncthreads();
  const float v1 = sinter_fold_by_warp<SinterMax, 1>(shared.r1, (unsigned)n2, __int_as_float((int)0xff800000u));
  for (unsigned chunk = threadIdx.x / 32u; chunk < (unsigned)n2; chunk += 4u) {
    const unsigned begin = chunk * 16384u;
    const unsigned end = chunk == (unsigned)n4 ? (unsigned)n3 : begin + 16384u;
    float a7[4] = {__int_as_float((int)0x00000000u), __int_as_float((int)0x00000000u), __int_as_float((int)0x00000000u), __int_as_float((int)0x00000000u)};
    for (unsigned p = begin + lane * 4u; p - lane * 4u < end; p += 128u) {
      const int count = sinter_count(p, (unsigned)end);
      float in0[4];
      sinter_load(in0, x0 + p, count);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float v0 = in0[j];
        const float v2 = v0 - v1;
        const float v4 = fmaf(v2, v2, v3);
        const float v6 = fmaf(v4, v2, v5);
        a7[j] = j < count ? SinterSum::apply(a7[j], v6) : a7[j];
      }
    }
    const float c7 = sinter_fold_lanes<SinterSum, 32>(a7);
    if (lane == 0u) shared.r7[chunk] = c7;
  }
  __syncthreads();
  const float v7 = sinter_fold_by_warp<SinterSum, 1>(shared.r7, (unsigned)n2, __int_as_float((int)0x00000000u));
  for (unsigned chunk = threadIdx.x / 32u; chunk < (unsigned)n2; chunk += 4u) {
    const unsigned begin = chunk * 16384u;
    const unsigned end = chunk == (unsigned)n4 ? (unsigned)n3 : begin + 16384u;
    for (unsigned p = begin + lane * 4u; p - lane * 4u < end; p += 128u) {
      const int count = sinter_count(p, (unsigned)end);
      float in0[4];
      sinter_load(in0, x0 + p, count);
      float out9[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float v0 = in0[j];
        const float v2 = v0 - v1;
        const float v4 = fmaf(v2, v2, v3);
        const float v6 = fmaf(v4, v2, v5);
        const float v8 = v6 / v7;
        out9[j] = v8;
      }
      sinter_store(x1 + p, out9, count);
    }
  }
  if (threadIdx.x == 0u) {
    *x2 = v7;
  }
}
