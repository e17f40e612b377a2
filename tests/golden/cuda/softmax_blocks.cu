// workspace 2560
// grid 77 block 128 numbers 175391867095 306 1 5000000 305 0
extern "C" __global__ void __launch_bounds__(128) fused_chunks_b0d1c30d390673b0(const SinterArguments<9> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[3];
  const unsigned long long n1 = (unsigned long long)arguments.operands[4];
  const unsigned long long n2 = (unsigned long long)arguments.operands[5];
  const unsigned long long n3 = (unsigned long long)arguments.operands[6];
  const unsigned long long n4 = (unsigned long long)arguments.operands[7];
  const unsigned long long n5 = (unsigned long long)arguments.operands[8];
  const unsigned unit = (unsigned)blockIdx.x * 4u + threadIdx.x / 32u;
  const unsigned row = sinter_divide(unit, n0);
  const unsigned chunk = sinter_modulo(unit, (unsigned)n1, n0);
  const unsigned lane = threadIdx.x % 32u;
  if (row >= (unsigned)n2) return;
  const float* const x0 = (const float*)arguments.operands[0];
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
  float* const r1 = (float*)(arguments.workspace + n5);
  const float c1 = sinter_fold_lanes<SinterMax, 32>(a1);
  if (lane == 0u) r1[unit] = c1;
}
// grid 77 block 128 numbers 175391867095 306 1 0 5000000 305 1280
extern "C" __global__ void __launch_bounds__(128) fused_chunks_567900e0dfbda0ec(const SinterArguments<10> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[3];
  const unsigned long long n1 = (unsigned long long)arguments.operands[4];
  const unsigned long long n2 = (unsigned long long)arguments.operands[5];
  const unsigned long long n3 = (unsigned long long)arguments.operands[6];
  const unsigned long long n4 = (unsigned long long)arguments.operands[7];
  const unsigned long long n5 = (unsigned long long)arguments.operands[8];
  const unsigned long long n6 = (unsigned long long)arguments.operands[9];
  const unsigned unit = (unsigned)blockIdx.x * 4u + threadIdx.x / 32u;
  const unsigned row = sinter_divide(unit, n0);
  const unsigned chunk = sinter_modulo(unit, (unsigned)n1, n0);
  const unsigned lane = threadIdx.x % 32u;
  if (row >= (unsigned)n2) return;
  const float* const x0 = (const float*)arguments.operands[0];
  const float v3 = __int_as_float((int)0x3f000000u);
  const float v5 = __int_as_float((int)0x3f000000u);
  float* const r1 = (float*)(arguments.workspace + n3);
  const float v1 = sinter_fold_by_warp<SinterMax, 16>(r1 + row * (unsigned)n1, (unsigned)n1, __int_as_float((int)0xff800000u));
  const unsigned begin = chunk * 16384u;
  const unsigned end = chunk == (unsigned)n5 ? (unsigned)n4 : begin + 16384u;
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
  float* const r7 = (float*)(arguments.workspace + n6);
  const float c7 = sinter_fold_lanes<SinterSum, 32>(a7);
  if (lane == 0u) r7[unit] = c7;
}
// grid 77 block 128 numbers 175391867095 306 1 0 1280 5000000 305
extern "C" __global__ void __launch_bounds__(128) fused_chunks_e654b8bdd73f4673(const SinterArguments<10> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[3];
  const unsigned long long n1 = (unsigned long long)arguments.operands[4];
  const unsigned long long n2 = (unsigned long long)arguments.operands[5];
  const unsigned long long n3 = (unsigned long long)arguments.operands[6];
  const unsigned long long n4 = (unsigned long long)arguments.operands[7];
  const unsigned long long n5 = (unsigned long long)arguments.operands[8];
  const unsigned long long n6 = (unsigned long long)arguments.operands[9];
  const unsigned unit = (unsigned)blockIdx.x * 4u + threadIdx.x / 32u;
  const unsigned row = sinter_divide(unit, n0);
  const unsigned chunk = sinter_modulo(unit, (unsigned)n1, n0);
  const unsigned lane = threadIdx.x % 32u;
  if (row >= (unsigned)n2) return;
  const float* const x0 = (const float*)arguments.operands[0];
  float* const x1 = (float*)arguments.operands[1];
  const float v3 = __int_as_float((int)0x3f000000u);
  const float v5 = __int_as_float((int)0x3f000000u);
  float* const r1 = (float*)(arguments.workspace + n3);
  const float v1 = sinter_fold_by_warp<SinterMax, 16>(r1 + row * (unsigned)n1, (unsigned)n1, __int_as_float((int)0xff800000u));
  float* const r7 = (float*)(arguments.workspace + n4);
  const float v7 = sinter_fold_by_warp<SinterSum, 16>(r7 + row * (unsigned)n1, (unsigned)n1, __int_as_float((int)0x00000000u));
  const unsigned begin = chunk * 16384u;
  const unsigned end = chunk == (unsigned)n6 ? (unsigned)n5 : begin + 16384u;
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
// grid 1 block 128 numbers 1 1280 306
extern "C" __global__ void __launch_bounds__(128) fused_row_66563efe5cba9c22(const SinterArguments<6> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[3];
  const unsigned long long n1 = (unsigned long long)arguments.operands[4];
  const unsigned long long n2 = (unsigned long long)arguments.operands[5];
  const unsigned row = (unsigned)blockIdx.x * 4u + threadIdx.x / 32u;
  const unsigned lane = threadIdx.x % 32u;
  if (row >= (unsigned)n0) return;
  float* const x2 = (float*)arguments.operands[2];
  float* const r7 = (float*)(arguments.workspace + n1);
  const float v7 = sinter_fold_by_warp<SinterSum, 16>(r7 + row * (unsigned)n2, (unsigned)n2, __int_as_float((int)0x00000000u));
  __syncwarp();
  if (lane == 0u) {
    *x2 = v7;
  }
}
