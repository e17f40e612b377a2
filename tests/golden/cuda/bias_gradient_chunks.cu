// workspace 12544
// grid 98 block 128 numbers 135291469824 1 32 25088 97 32 32 32 0
extern "C" __global__ void __launch_bounds__(128) fused_outer_3a51155ff446cdd5(const SinterArguments<13> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[4];
  const unsigned long long n1 = (unsigned long long)arguments.operands[5];
  const unsigned long long n2 = (unsigned long long)arguments.operands[6];
  const unsigned long long n3 = (unsigned long long)arguments.operands[7];
  const unsigned long long n4 = (unsigned long long)arguments.operands[8];
  const unsigned long long n5 = (unsigned long long)arguments.operands[9];
  const unsigned long long n6 = (unsigned long long)arguments.operands[10];
  const unsigned long long n7 = (unsigned long long)arguments.operands[11];
  const unsigned long long n8 = (unsigned long long)arguments.operands[12];
  struct Shared {
    float r5[4][32];
  };
  __shared__ Shared shared;
  const unsigned row = sinter_modulo(blockIdx.x, (unsigned)n1, n0) * 32u + threadIdx.x % 32u;
  const unsigned lane = threadIdx.x / 32u;
  const bool active = row < (unsigned)n2;
  const float* const x0 = (const float*)arguments.operands[0] + row;
  const unsigned char* const x1 = (const unsigned char*)arguments.operands[1] + row;
  float* const x2 = (float*)arguments.operands[2] + row;
  const float v2 = __int_as_float((int)0x00000000u);
  float a5 = __int_as_float((int)0x00000000u);
  const unsigned chunk = sinter_divide(blockIdx.x, n0);
  const unsigned begin = chunk * 256u;
  const unsigned end = !active ? 0u : chunk == (unsigned)n4 ? (unsigned)n3 : begin + 256u;
  for (unsigned p = begin + lane; p < end; p += 4u) {
    const float v0 = x0[(int)p * (int)n5];
    const bool v1 = x1[(int)p * (int)n6] != 0;
    const float v3 = v1 ? v2 : v0;
    a5 = SinterSum::apply(a5, v3);
    x2[(int)p * (int)n7] = v3;
  }
  shared.r5[lane][threadIdx.x % 32u] = a5;
  __syncthreads();
  if (!active || lane != 0u) return;
  float* const r5 = (float*)(arguments.workspace + n8);
  r5[chunk * (unsigned)n2 + row] = SinterSum::apply(SinterSum::apply(shared.r5[0][threadIdx.x], shared.r5[2][threadIdx.x]), SinterSum::apply(shared.r5[1][threadIdx.x], shared.r5[3][threadIdx.x]));
}
// grid 1 block 512 numbers 32 0 98
extern "C" __global__ void __launch_bounds__(512) fused_columns_09cd8acc8d655910(const SinterArguments<7> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[4];
  const unsigned long long n1 = (unsigned long long)arguments.operands[5];
  const unsigned long long n2 = (unsigned long long)arguments.operands[6];
  struct Shared {
    float r5[16][32];
  };
  __shared__ Shared shared;
  const unsigned row = (unsigned)blockIdx.x * 32u + threadIdx.x % 32u;
  const long long part = threadIdx.x / 32u;
  const bool active = row < (unsigned)n0;
  float* const x3 = (float*)arguments.operands[3] + row;
  float* const r5 = (float*)(arguments.workspace + n1);
  const float a5 = SinterTree<SinterSum, 8>::fold(r5 + (part * 8 * (unsigned)n0 + row), (unsigned)n0, (active ? (long long)(unsigned)n2 - part * 8 : 0), __int_as_float((int)0x00000000u));
  shared.r5[part][threadIdx.x % 32u] = a5;
  __syncthreads();
  if (!active || part != 0) return;
  const float v5 = SinterTree<SinterSum, 16>::fold(&shared.r5[0][threadIdx.x], 32, 16, __int_as_float((int)0x00000000u));
  *x3 = v5;
}
