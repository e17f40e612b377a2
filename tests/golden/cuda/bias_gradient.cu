// workspace 0
// grid 16 block 128 numbers 152471339008 16 512 128 512 512 512
extern "C" __global__ void __launch_bounds__(128) fused_outer_c57c53b173f220b5(const SinterArguments<11> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[4];
  const unsigned long long n1 = (unsigned long long)arguments.operands[5];
  const unsigned long long n2 = (unsigned long long)arguments.operands[6];
  const unsigned long long n3 = (unsigned long long)arguments.operands[7];
  const unsigned long long n4 = (unsigned long long)arguments.operands[8];
  const unsigned long long n5 = (unsigned long long)arguments.operands[9];
  const unsigned long long n6 = (unsigned long long)arguments.operands[10];
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
  float* const x3 = (float*)arguments.operands[3] + row;
  const float v2 = __int_as_float((int)0x00000000u);
  float a5 = __int_as_float((int)0x00000000u);
  const unsigned begin = 0u;
  const unsigned end = !active ? 0u : (unsigned)n3;
  for (unsigned p = begin + lane; p < end; p += 4u) {
    const float v0 = x0[(int)p * (int)n4];
    const bool v1 = x1[(int)p * (int)n5] != 0;
    const float v3 = v1 ? v2 : v0;
    a5 = SinterSum::apply(a5, v3);
    x2[(int)p * (int)n6] = v3;
  }
  shared.r5[lane][threadIdx.x % 32u] = a5;
  __syncthreads();
  if (!active || lane != 0u) return;
  const float v5 = SinterSum::apply(SinterSum::apply(shared.r5[0][threadIdx.x], shared.r5[2][threadIdx.x]), SinterSum::apply(shared.r5[1][threadIdx.x], shared.r5[3][threadIdx.x]));
  *x3 = v5;
}
