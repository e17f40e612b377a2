// What the library keeps to use it again, and how much of each: all bounds in one place, listed in
// docs/switches.md. Beyond a bound, what was used longest ago goes first.
#ifndef SINTER_BASE_CACHE_LIMITS_H_
#define SINTER_BASE_CACHE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace sinter::limits {

inline constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;

// Free blocks of Tensors' memory, a device: as many bytes as were in use at once, and at least so
// many.
inline constexpr std::int64_t kFreeBytes = 16 * kMebibyte;
// Programs of ops called directly, of a process: their number, and the bytes of their arenas.
inline constexpr std::size_t kEagerPrograms = 1024;
inline constexpr std::int64_t kEagerArenaBytes = 32 * kMebibyte;
// Programs of a compiled function, one a signature.
inline constexpr std::size_t kProgramsOfAFunction = 16;
// Kernels of fused groups on the CPU.
inline constexpr std::size_t kGroupKernels = 1024;
// Calls of oneDNN with all that they need, and primitives in oneDNN's own cache.
inline constexpr std::size_t kVendorCalls = 256;
inline constexpr int kVendorPrimitives = 256;

}  // namespace sinter::limits

#endif  // SINTER_BASE_CACHE_LIMITS_H_
