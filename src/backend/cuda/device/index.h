// How threads find their elements: division, walks over axes, and the widest unit of a move.
#ifndef SINTER_BACKEND_CUDA_DEVICE_INDEX_H_
#define SINTER_BACKEND_CUDA_DEVICE_INDEX_H_

#include <cstddef>
#include <cstdint>

#include "backend/cuda/device/failure.h"
#include "backend/cuda/device/launch.h"
#include "sinter/shape.h"

namespace sinter::backend::cuda {

struct Quotient {
  std::int64_t quotient, remainder;
};

// a / b and a % b. REQUIRES: a >= 0, b > 0. A GPU divides 64-bit numbers by a loop of some hundred
// instructions and 32-bit ones by twenty, and nearly all numbers here are small.
__device__ inline Quotient divide(std::int64_t a, std::int64_t b) {
  if (((a | b) >> 32) == 0) {
    const auto small_a = static_cast<std::uint32_t>(a);
    const auto small_b = static_cast<std::uint32_t>(b);
    const std::uint32_t quotient = small_a / small_b;
    return {quotient, small_a - quotient * small_b};
  }
  const std::int64_t quotient = a / b;
  return {quotient, a - quotient * b};
}

// Axes over memory, innermost last.
struct Walk {
  int count = 0;
  std::int64_t lengths[Shape::kMaxRank] = {};
  std::int64_t strides[Shape::kMaxRank] = {};

  void add(std::int64_t length, std::int64_t stride) {
    lengths[count] = length;
    strides[count++] = stride;
  }
  std::int64_t items() const {
    std::int64_t product = 1;
    for (int i = 0; i < count; ++i) product *= lengths[i];
    return product;
  }
};

// The offset of number `item` in row-major order.
__device__ inline std::int64_t offset_of(const Walk& walk, std::int64_t item) {
  std::int64_t offset = 0;
  for (int i = walk.count - 1; i > 0; --i) {
    const Quotient at = divide(item, walk.lengths[i]);
    offset += at.remainder * walk.strides[i];
    item = at.quotient;
  }
  return walk.count > 0 ? offset + item * walk.strides[0] : offset;
}

inline constexpr int kBlock = 256;  // threads of a block, where nothing else counts

__device__ inline std::int64_t thread_number() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

// Enqueues `kernel` with a thread for each of `count` items; nothing when there are none.
template <class Params>
void launch_items(const char* name, void (*kernel)(Params), std::int64_t count, cudaStream_t stream,
                  const Params& params) {
  if (count <= 0) return;
  const auto blocks = static_cast<unsigned>((count + kBlock - 1) / kBlock);
  device::check(cuda::launch(kernel, dim3(blocks), dim3(kBlock), 0, stream, params), name);
}

// ---- moves: elements of any type, in units of 1, 2, 4, 8 or 16 bytes ----

inline std::int64_t address_of(const void* memory) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(memory));
}

// The widest unit in bytes that divides all of `numbers`: lengths, strides and addresses in bytes.
template <class... Numbers>
int widest_unit(Numbers... numbers) {
  const std::int64_t all = (std::int64_t{16} | ... | static_cast<std::int64_t>(numbers));
  return static_cast<int>(all & -all);
}

// Calls `f` with a value of the type that stands for `bytes` bytes.
template <class F>
void with_unit(int bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    case 8:
      return f(std::uint64_t{});
    default:
      return f(uint4{});
  }
}

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_DEVICE_INDEX_H_
