// workspace 0
// grid 128 block 128 numbers 65536 173946175488 512
extern "C" __global__ void __launch_bounds__(128) fused_map_10bd979fa4265612(const SinterArguments<7> arguments) {
  const unsigned long long n0 = (unsigned long long)arguments.operands[4];
  const unsigned long long n1 = (unsigned long long)arguments.operands[5];
  const unsigned long long n2 = (unsigned long long)arguments.operands[6];
  const unsigned p = ((unsigned)blockIdx.x * 128u + threadIdx.x) * 4u;
  if (p >= (unsigned)n0) return;
  const float* const x0 = (const float*)arguments.operands[0];
  const float* const x1 = (const float*)arguments.operands[1];
  float* const x2 = (float*)arguments.operands[2];
  unsigned char* const x3 = (unsigned char*)arguments.operands[3];
  const float v3 = __int_as_float((int)0x00000000u);
  const int count = 4;
  float in0[4];
  sinter_load(in0, x0 + p, count);
  float in1[4];
  sinter_load(in1, x1 + ((int)(sinter_modulo(p, (unsigned)n2, n1))), count);
  float out6[4];
  unsigned char out8[4];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float v0 = in0[j];
    const float v1 = in1[j];
    const float v2 = v0 + v1;
    const bool v4 = v2 < v3;
    const float v5 = v4 ? v3 : v2;
    out6[j] = v5;
    const bool v7 = v2 <= v3;
    out8[j] = v7;
  }
  sinter_store(x2 + p, out6, count);
  sinter_store(x3 + p, out8, count);
}
