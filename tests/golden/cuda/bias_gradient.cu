// workspace 0
// grid 16 block 128
extern "C" __global__ void __launch_bounds__(128) fused_outer_1b1c80f9a7c73ad1(const SinterArguments<4> arguments) {
  struct Shared {
    float r5[4][32];
  };
  __shared__ Shared shared;
  const unsigned row = blockIdx.x % 16u * 32u + threadIdx.x % 32u;
  const unsigned lane = threadIdx.x / 32u;
  const bool active = row < 512u;
  const float* const x0 = (const float*)arguments.operands[0] + (row);
  const unsigned char* const x1 = (const unsigned char*)arguments.operands[1] + (row);
  float* const x2 = (float*)arguments.operands[2] + (row);
  float* const x3 = (float*)arguments.operands[3] + (row);
  const float v2 = __int_as_float((int)0x00000000u);
  float a5 = __int_as_float((int)0x00000000u);
  const unsigned begin = 0u;
  const unsigned end = !active ? 0u : 128u;
  for (unsigned p = begin + lane; p < end; p += 4u) {
    const float v0 = x0[(int)(p) * 512];
    const bool v1 = x1[(int)(p) * 512] != 0;
    const float v3 = v1 ? v2 : v0;
    a5 = SinterSum::apply(a5, v3);
    x2[(int)(p) * 512] = v3;
  }
  shared.r5[lane][threadIdx.x % 32u] = a5;
  __syncthreads();
  if (!active || lane != 0u) return;
  const float v5 = SinterSum::apply(SinterSum::apply(shared.r5[0][threadIdx.x], shared.r5[2][threadIdx.x]), SinterSum::apply(shared.r5[1][threadIdx.x], shared.r5[3][threadIdx.x]));
  *x3 = v5;
}
