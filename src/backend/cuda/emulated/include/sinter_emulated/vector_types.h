// CUDA's built-in vector types, with CUDA's alignments. Includes nothing: part of the text in front
// of every run-time compiled kernel.
#ifndef SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_VECTOR_TYPES_H_
#define SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_VECTOR_TYPES_H_

struct char2 {
  signed char x, y;
} __attribute__((aligned(2)));
struct char4 {
  signed char x, y, z, w;
} __attribute__((aligned(4)));
struct uchar2 {
  unsigned char x, y;
} __attribute__((aligned(2)));
struct uchar4 {
  unsigned char x, y, z, w;
} __attribute__((aligned(4)));
struct short2 {
  short x, y;
} __attribute__((aligned(4)));
struct short4 {
  short x, y, z, w;
} __attribute__((aligned(8)));
struct ushort2 {
  unsigned short x, y;
} __attribute__((aligned(4)));
struct ushort4 {
  unsigned short x, y, z, w;
} __attribute__((aligned(8)));
struct int2 {
  int x, y;
} __attribute__((aligned(8)));
struct int3 {
  int x, y, z;
};
struct int4 {
  int x, y, z, w;
} __attribute__((aligned(16)));
struct uint2 {
  unsigned int x, y;
} __attribute__((aligned(8)));
struct uint3 {
  unsigned int x, y, z;
};
struct uint4 {
  unsigned int x, y, z, w;
} __attribute__((aligned(16)));
struct longlong2 {
  long long x, y;
} __attribute__((aligned(16)));
struct ulonglong2 {
  unsigned long long x, y;
} __attribute__((aligned(16)));
struct float2 {
  float x, y;
} __attribute__((aligned(8)));
struct float3 {
  float x, y, z;
};
struct float4 {
  float x, y, z, w;
} __attribute__((aligned(16)));
struct double2 {
  double x, y;
} __attribute__((aligned(16)));

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x_size = 1, unsigned int y_size = 1, unsigned int z_size = 1)
      : x(x_size), y(y_size), z(z_size) {}
  constexpr dim3(uint3 size) : x(size.x), y(size.y), z(size.z) {}
  constexpr operator uint3() const { return uint3{x, y, z}; }
};

constexpr char2 make_char2(signed char x, signed char y) { return {x, y}; }
constexpr char4 make_char4(signed char x, signed char y, signed char z, signed char w) {
  return {x, y, z, w};
}
constexpr uchar2 make_uchar2(unsigned char x, unsigned char y) { return {x, y}; }
constexpr uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) {
  return {x, y, z, w};
}
constexpr short2 make_short2(short x, short y) { return {x, y}; }
constexpr short4 make_short4(short x, short y, short z, short w) { return {x, y, z, w}; }
constexpr ushort2 make_ushort2(unsigned short x, unsigned short y) { return {x, y}; }
constexpr ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z,
                               unsigned short w) {
  return {x, y, z, w};
}
constexpr int2 make_int2(int x, int y) { return {x, y}; }
constexpr int3 make_int3(int x, int y, int z) { return {x, y, z}; }
constexpr int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
constexpr uint2 make_uint2(unsigned int x, unsigned int y) { return {x, y}; }
constexpr uint3 make_uint3(unsigned int x, unsigned int y, unsigned int z) { return {x, y, z}; }
constexpr uint4 make_uint4(unsigned int x, unsigned int y, unsigned int z, unsigned int w) {
  return {x, y, z, w};
}
constexpr longlong2 make_longlong2(long long x, long long y) { return {x, y}; }
constexpr ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }
constexpr float2 make_float2(float x, float y) { return {x, y}; }
constexpr float3 make_float3(float x, float y, float z) { return {x, y, z}; }
constexpr float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
constexpr double2 make_double2(double x, double y) { return {x, y}; }

#endif  // SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_VECTOR_TYPES_H_
