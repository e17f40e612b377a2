// CUDA's device language for the host compiler: what a kernel may say. The same text stands in
// front of every run-time compiled kernel (SINTER_EMULATED_MODULE), so it includes no standard
// header.
//
// How a kernel runs: blocks one after the other, on the host thread that waits for the stream. The
// threads of a block are fibers: one runs until it returns or waits at a barrier or a warp
// collective, then the next. So a kernel without either costs a loop and nothing else, and two
// threads never run at the same time; what orders them is only what orders them on a GPU, and
// ThreadSanitizer, told about every fiber, sees the races.
//
//   __syncthreads       all threads of the block must come to the same line; a thread that has
//                       exited or waits elsewhere makes it a fault that names both.
//   warp collectives    wait for all lanes of the mask that have not exited (as PTX says). A lane
//                       that names a mask without itself, or lanes of one mask in different
//                       collectives, are faults. A shuffle from a lane that is not in the mask, or
//                       has exited, gives bits that are all ones.
//   atomics             on integers only, relaxed.
//   __threadfence       makes what the thread wrote before visible to whoever runs an atomic after.
//   shared memory       SINTER_SHARED(Type, name), SINTER_DYNAMIC_SHARED(Type, name): fresh for
//                       each block, all bits ones (NaN) until written.
//
// Not emulated: lanes in lockstep (code that leaves out __syncwarp because of it is wrong since
// Volta), forward progress of a thread that spins on another, __activemask, textures, float
// atomics.
#ifndef SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_DEVICE_H_
#define SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_DEVICE_H_

#include "sinter_emulated/vector_types.h"

#define __host__
#define __device__
#define __global__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__

namespace sinter_emulated {

// One place in the program that declares shared memory.
struct SharedSite {
  unsigned long bytes;
  unsigned long alignment;
  const char* name;
};

enum class Collective : int {
  kSync,
  kShuffle,
  kBallot,
  kAdd,
  kMin,
  kMax,
  kSignedMin,
  kSignedMax,
  kAnd,
  kOr,
  kXor,
};

enum { kDeviceAbi = 1 };

// The running thread, and what it can ask of the runtime. There is one, because one thread of one
// block runs at a time; run-time compiled modules are given its address when they are loaded.
struct Device {
  int abi;
  uint3 thread;
  uint3 block;
  dim3 block_size;
  dim3 grid_size;
  // Returns how many threads gave a value other than 0.
  int (*barrier)(int value, const char* file, int line);
  // Returns what the collective gives to this lane; `source` is the lane that a shuffle reads.
  unsigned long long (*collective)(Collective kind, unsigned mask, unsigned long long value,
                                   int source, const char* file, int line);
  void* (*shared_object)(const SharedSite* site);
  void* (*dynamic_shared)();
  void (*fence)();
  void (*see_fences)();
  void (*fail)(const char* what, const char* file, int line);
};

#ifdef SINTER_EMULATED_MODULE
extern "C" {
__attribute__((visibility("default"))) Device* sinter_emulated_device;
}
inline __attribute__((always_inline)) Device& device() { return *sinter_emulated_device; }
#else
extern "C" __attribute__((visibility("hidden"))) Device sinter_emulated_device;
inline __attribute__((always_inline)) Device& device() { return sinter_emulated_device; }
#endif

template <class T>
struct Same {
  using Type = T;
};

// The object of `site` in the running block.
template <class T>
inline T& shared_object(const SharedSite* site) {
  static_assert(__is_trivially_constructible(T), "shared memory is not constructed");
  return *static_cast<T*>(device().shared_object(site));
}

template <class To, class From>
inline To bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &value, sizeof to);
  return to;
}
template <class T>
inline unsigned long long widen(T value) {
  static_assert(sizeof(T) <= 8, "warp shuffles take up to 8 bytes");
  unsigned long long wide = 0;
  __builtin_memcpy(&wide, &value, sizeof value);
  return wide;
}
template <class T>
inline T narrow(unsigned long long wide) {
  T value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

// The lane within its warp of 32, by the row-major number of the thread in the block.
inline unsigned lane() {
  const Device& d = device();
  return (d.thread.x + d.block_size.x * (d.thread.y + d.block_size.y * d.thread.z)) % 32;
}

template <class T>
inline T shuffle(unsigned mask, T value, unsigned source, const char* file, int line) {
  return narrow<T>(device().collective(Collective::kShuffle, mask, widen(value),
                                       static_cast<int>(source), file, line));
}
inline unsigned reduce(Collective kind, unsigned mask, unsigned value, const char* file, int line) {
  return static_cast<unsigned>(device().collective(kind, mask, value, 0, file, line));
}

template <class T>
inline constexpr bool kInteger = false;
template <>
inline constexpr bool kInteger<int> = true;
template <>
inline constexpr bool kInteger<unsigned int> = true;
template <>
inline constexpr bool kInteger<unsigned long long> = true;
template <>
inline constexpr bool kInteger<long long> = true;
template <>
inline constexpr bool kInteger<unsigned long> = true;
template <>
inline constexpr bool kInteger<long> = true;

// Replaces *address by change(*address) in one step, and returns what was there.
template <class T, class Change>
inline T atomic_change(T* address, Change change) {
  static_assert(kInteger<T>, "atomics on integers only: the order of float additions is not fixed");
  device().see_fences();
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &old, change(old), false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
  }
  return old;
}

}  // namespace sinter_emulated

#define threadIdx (::sinter_emulated::device().thread)
#define blockIdx (::sinter_emulated::device().block)
#define blockDim (::sinter_emulated::device().block_size)
#define gridDim (::sinter_emulated::device().grid_size)
constexpr int warpSize = 32;

// Declares `Type& name`, shared by the block.
#define SINTER_SHARED(Type, name)                                                                \
  static constexpr ::sinter_emulated::SharedSite name##_shared_site{sizeof(Type), alignof(Type), \
                                                                    #name};                      \
  Type& name = ::sinter_emulated::shared_object<Type>(&name##_shared_site)

// Declares `Type* name`, the dynamic shared memory of the launch.
#define SINTER_DYNAMIC_SHARED(Type, name) \
  Type* name = static_cast<Type*>(::sinter_emulated::device().dynamic_shared())

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  sinter_emulated::device().barrier(0, file, line);
}
inline int __syncthreads_count(int predicate, const char* file = __builtin_FILE(),
                               int line = __builtin_LINE()) {
  return sinter_emulated::device().barrier(predicate != 0, file, line);
}
inline int __syncthreads_or(int predicate, const char* file = __builtin_FILE(),
                            int line = __builtin_LINE()) {
  return sinter_emulated::device().barrier(predicate != 0, file, line) != 0;
}
inline int __syncthreads_and(int predicate, const char* file = __builtin_FILE(),
                             int line = __builtin_LINE()) {
  return sinter_emulated::device().barrier(predicate == 0, file, line) == 0;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU, const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  sinter_emulated::device().collective(sinter_emulated::Collective::kSync, mask, 0, 0, file, line);
}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32,
                     const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const unsigned group = sinter_emulated::lane() & ~static_cast<unsigned>(width - 1);
  const unsigned from = group + (static_cast<unsigned>(source) & static_cast<unsigned>(width - 1));
  return sinter_emulated::shuffle(mask, value, from, file, line);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                        const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const unsigned lane = sinter_emulated::lane();
  const unsigned in_group = lane & static_cast<unsigned>(width - 1);
  return sinter_emulated::shuffle(mask, value, in_group < delta ? lane : lane - delta, file, line);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                          const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const unsigned lane = sinter_emulated::lane();
  const unsigned in_group = lane & static_cast<unsigned>(width - 1);
  const bool inside = in_group + delta < static_cast<unsigned>(width);
  return sinter_emulated::shuffle(mask, value, inside ? lane + delta : lane, file, line);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                         const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const unsigned lane = sinter_emulated::lane();
  const unsigned group_end = (lane & ~static_cast<unsigned>(width - 1)) + width;
  const unsigned from = lane ^ static_cast<unsigned>(lane_mask);
  return sinter_emulated::shuffle(mask, value, from < group_end ? from : lane, file, line);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, const char* file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
  return sinter_emulated::reduce(sinter_emulated::Collective::kBallot, mask, predicate != 0, file,
                                 line);
}
inline int __any_sync(unsigned mask, int predicate, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
  return sinter_emulated::reduce(sinter_emulated::Collective::kBallot, mask, predicate != 0, file,
                                 line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
  return sinter_emulated::reduce(sinter_emulated::Collective::kBallot, mask, predicate == 0, file,
                                 line) == 0;
}
template <class T>
inline T __reduce_add_sync(unsigned mask, T value, const char* file = __builtin_FILE(),
                           int line = __builtin_LINE()) {
  static_assert(sinter_emulated::kInteger<T> && sizeof(T) == 4);
  return static_cast<T>(sinter_emulated::reduce(sinter_emulated::Collective::kAdd, mask,
                                                static_cast<unsigned>(value), file, line));
}
template <class T>
inline T __reduce_min_sync(unsigned mask, T value, const char* file = __builtin_FILE(),
                           int line = __builtin_LINE()) {
  static_assert(sinter_emulated::kInteger<T> && sizeof(T) == 4);
  using sinter_emulated::Collective;
  const Collective kind = T(-1) < T(0) ? Collective::kSignedMin : Collective::kMin;
  return static_cast<T>(
      sinter_emulated::reduce(kind, mask, static_cast<unsigned>(value), file, line));
}
template <class T>
inline T __reduce_max_sync(unsigned mask, T value, const char* file = __builtin_FILE(),
                           int line = __builtin_LINE()) {
  static_assert(sinter_emulated::kInteger<T> && sizeof(T) == 4);
  using sinter_emulated::Collective;
  const Collective kind = T(-1) < T(0) ? Collective::kSignedMax : Collective::kMax;
  return static_cast<T>(
      sinter_emulated::reduce(kind, mask, static_cast<unsigned>(value), file, line));
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value,
                                  const char* file = __builtin_FILE(),
                                  int line = __builtin_LINE()) {
  return sinter_emulated::reduce(sinter_emulated::Collective::kAnd, mask, value, file, line);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, const char* file = __builtin_FILE(),
                                 int line = __builtin_LINE()) {
  return sinter_emulated::reduce(sinter_emulated::Collective::kOr, mask, value, file, line);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value,
                                  const char* file = __builtin_FILE(),
                                  int line = __builtin_LINE()) {
  return sinter_emulated::reduce(sinter_emulated::Collective::kXor, mask, value, file, line);
}

inline void __threadfence() { sinter_emulated::device().fence(); }
inline void __threadfence_block() { sinter_emulated::device().fence(); }

template <class T>
inline T atomicAdd(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address, [value](T old) { return T(old + value); });
}
template <class T>
inline T atomicSub(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address, [value](T old) { return T(old - value); });
}
template <class T>
inline T atomicMin(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address,
                                        [value](T old) { return value < old ? value : old; });
}
template <class T>
inline T atomicMax(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address,
                                        [value](T old) { return old < value ? value : old; });
}
template <class T>
inline T atomicAnd(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address, [value](T old) { return T(old & value); });
}
template <class T>
inline T atomicOr(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address, [value](T old) { return T(old | value); });
}
template <class T>
inline T atomicXor(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address, [value](T old) { return T(old ^ value); });
}
template <class T>
inline T atomicExch(T* address, typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(address, [value](T) { return value; });
}
template <class T>
inline T atomicCAS(T* address, typename sinter_emulated::Same<T>::Type expected,
                   typename sinter_emulated::Same<T>::Type value) {
  return sinter_emulated::atomic_change(
      address, [expected, value](T old) { return old == expected ? value : old; });
}
// Counts up to `limit`, then starts again at 0.
inline unsigned atomicInc(unsigned* address, unsigned limit) {
  return sinter_emulated::atomic_change(
      address, [limit](unsigned old) { return old >= limit ? 0U : old + 1U; });
}

inline int __float_as_int(float value) { return sinter_emulated::bits<int>(value); }
inline float __int_as_float(int value) { return sinter_emulated::bits<float>(value); }
inline unsigned __float_as_uint(float value) { return sinter_emulated::bits<unsigned>(value); }
inline float __uint_as_float(unsigned value) { return sinter_emulated::bits<float>(value); }
inline long long __double_as_longlong(double value) {
  return sinter_emulated::bits<long long>(value);
}
inline double __longlong_as_double(long long value) { return sinter_emulated::bits<double>(value); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline double __dsqrt_rn(double a) { return __builtin_sqrt(a); }

inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __popcll(unsigned long long value) { return __builtin_popcountll(value); }
inline int __clz(int value) {
  return value == 0 ? 32 : __builtin_clz(static_cast<unsigned>(value));
}
inline int __clzll(long long value) {
  return value == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(value));
}
inline int __ffs(int value) { return __builtin_ffs(value); }
inline int __ffsll(long long value) { return __builtin_ffsll(value); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<unsigned long long>(a) * b) >> 32);
}
inline int __mulhi(int a, int b) { return static_cast<int>((static_cast<long long>(a) * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>((static_cast<Wide>(a) * b) >> 64);
}
// CUDA's min and max of floats are fminf and fmaxf, which lose NaN: kernels say what they mean
// instead.
template <class T>
constexpr T min(T a, T b) {
  static_assert(sinter_emulated::kInteger<T>, "min of integers of one type only");
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, T b) {
  static_assert(sinter_emulated::kInteger<T>, "max of integers of one type only");
  return a < b ? b : a;
}
template <class T>
inline T __ldg(const T* address) {
  return *address;
}
#define __trap() ::sinter_emulated::device().fail("__trap()", __FILE__, __LINE__)

#ifdef SINTER_EMULATED_MODULE
// What <math.h> gives to kernels that are compiled ahead of time.
inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float rintf(float a) { return __builtin_rintf(a); }
inline double rint(double a) { return __builtin_rint(a); }
inline float sqrtf(float a) { return __builtin_sqrtf(a); }
inline double sqrt(double a) { return __builtin_sqrt(a); }
inline float fabsf(float a) { return __builtin_fabsf(a); }
inline double fabs(double a) { return __builtin_fabs(a); }
inline float floorf(float a) { return __builtin_floorf(a); }
inline double floor(double a) { return __builtin_floor(a); }
inline float ceilf(float a) { return __builtin_ceilf(a); }
inline double ceil(double a) { return __builtin_ceil(a); }
inline float truncf(float a) { return __builtin_truncf(a); }
inline double trunc(double a) { return __builtin_trunc(a); }
inline float fminf(float a, float b) { return __builtin_fminf(a, b); }
inline double fmin(double a, double b) { return __builtin_fmin(a, b); }
inline float fmaxf(float a, float b) { return __builtin_fmaxf(a, b); }
inline double fmax(double a, double b) { return __builtin_fmax(a, b); }
inline float copysignf(float a, float b) { return __builtin_copysignf(a, b); }
inline double copysign(double a, double b) { return __builtin_copysign(a, b); }
inline bool isnan(float a) { return __builtin_isnan(a); }
inline bool isnan(double a) { return __builtin_isnan(a); }
inline bool isinf(float a) { return __builtin_isinf(a); }
inline bool isinf(double a) { return __builtin_isinf(a); }

namespace sinter_emulated {
// Run-time compiled kernels take one structure; the compiler of the emulation adds a call of these
// two for each kernel.
template <class P>
inline void call_kernel(void (*kernel)(P), const void* arguments) {
  kernel(*static_cast<const P*>(arguments));
}
template <class P>
constexpr unsigned long parameter_bytes(void (*)(P)) {
  return sizeof(P);
}
}  // namespace sinter_emulated
#endif

#endif  // SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_DEVICE_H_
