// workspace 12544
// grid 98 block 128
extern "C" __global__ void __launch_bounds__(128) fused_outer_2aa9b4b5c973c1a7(const SinterArguments<4> arguments) {
  struct Shared {
    float r5[4][32];
  };
  __shared__ Shared shared;
  const unsigned row = blockIdx.x % 1u * 32u + threadIdx.x % 32u;
  const unsigned lane = threadIdx.x / 32u;
  const bool active = row < 32u;
  const float* const x0 = (const float*)arguments.operands[0] + (row);
  const unsigned char* const x1 = (const unsigned char*)arguments.operands[1] + (row);
  float* const x2 = (float*)arguments.operands[2] + (row);
  const float v2 = __int_as_float((int)0x00000000u);
  float a5 = __int_as_float((int)0x00000000u);
  const unsigned chunk = blockIdx.x / 1u;
  const unsigned begin = chunk * 256u;
  const unsigned end = !active ? 0u : chunk == 97u ? 25088u : begin + 256u;
  for (unsigned p = begin + lane; p < end; p += 4u) {
    const float v0 = x0[(int)(p) * 32];
    const bool v1 = x1[(int)(p) * 32] != 0;
    const float v3 = v1 ? v2 : v0;
    a5 = SinterSum::apply(a5, v3);
    x2[(int)(p) * 32] = v3;
  }
  shared.r5[lane][threadIdx.x % 32u] = a5;
  __syncthreads();
  if (!active || lane != 0u) return;
  float* const r5 = (float*)(arguments.workspace + 0);
  r5[chunk * 32u + row] = SinterSum::apply(SinterSum::apply(shared.r5[0][threadIdx.x], shared.r5[2][threadIdx.x]), SinterSum::apply(shared.r5[1][threadIdx.x], shared.r5[3][threadIdx.x]));
}
// grid 1 block 512
extern "C" __global__ void __launch_bounds__(512) fused_columns_326933978b481eb5(const SinterArguments<4> arguments) {
  struct Shared {
    float r5[16][32];
  };
  __shared__ Shared shared;
  const unsigned row = (unsigned)blockIdx.x * 32u + threadIdx.x % 32u;
  const long long part = threadIdx.x / 32u;
  const bool active = row < 32u;
  float* const x3 = (float*)arguments.operands[3] + (row);
  float* const r5 = (float*)(arguments.workspace + 0);
  const float a5 = SinterTree<SinterSum, 8>::fold(r5 + (part * 8 * 32 + row), 32, (active ? 98 - part * 8 : 0), __int_as_float((int)0x00000000u));
  shared.r5[part][threadIdx.x % 32u] = a5;
  __syncthreads();
  if (!active || part != 0) return;
  const float v5 = SinterTree<SinterSum, 16>::fold(&shared.r5[0][threadIdx.x], 32, 16, __int_as_float((int)0x00000000u));
  *x3 = v5;
}
