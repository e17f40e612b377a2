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
// Programs of ops called directly, of a process.
inline constexpr std::size_t kEagerPrograms = 1024;
// The block in which such programs run, of each thread and device; a program that needs more takes
// a block for the one call.
inline constexpr std::size_t kEagerScratchBytes = std::size_t{4} << 20;
// Memories of a program that wait for a thread that runs it: as many as there were threads at
// once, beside the first one.
inline constexpr std::size_t kIdleSessions = 15;
// Kernels of fused groups on the CPU.
inline constexpr std::size_t kGroupKernels = 1024;
// Calls of oneDNN with all that they need, and primitives in oneDNN's own cache.
inline constexpr std::size_t kVendorCalls = 256;
inline constexpr int kVendorPrimitives = 256;

}  // namespace sinter::limits

#endif  // SINTER_BASE_CACHE_LIMITS_H_
