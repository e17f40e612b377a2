// Kernels on the emulated device: threads, barriers, warps, shared memory, and the faults that they
// find.
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/device/language.h"
#include "backend/cuda/device/launch.h"
#include "emulated_fixture.h"

namespace {

using sinter::backend::cuda::launch;

struct Axpy {
  float a;
  const float* x;
  float* y;
  int count;
};
__global__ void axpy(const Axpy p) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < p.count) p.y[i] = fmaf(p.a, p.x[i], p.y[i]);
}

TEST_F(Emulated, RunsEveryThread) {
  const Buffer<float> x(iota<float>(1000));
  const Buffer<float> y(std::vector<float>(1000, 1.0F));
  ASSERT_EQ(launch(axpy, 8, 128, 0, nullptr, {2.0F, x.data(), y.data(), 1000}), cudaSuccess);
  const std::vector<float> result = y.read();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(result[i], 2.0F * static_cast<float>(i) + 1.0F);
}

struct Indices {
  int* out;
};
__global__ void number_all(Indices p) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  atomicAdd(&p.out[block * blockDim.x * blockDim.y * blockDim.z + thread], 1);
}

TEST_F(Emulated, ThreeDimensions) {
  const Buffer<int> out(std::vector<int>(2 * 3 * 4 * 5 * 6 * 7, 0));
  ASSERT_EQ(launch(number_all, dim3(2, 3, 4), dim3(5, 6, 7), 0, nullptr, {out.data()}),
            cudaSuccess);
  for (const int count : out.read()) ASSERT_EQ(count, 1);
}

struct Values {
  int* values;
};
struct Tile {
  int values[256];
};
// Reverses each block's values through shared memory.
__global__ void reverse(Values p) {
  SINTER_SHARED(Tile, tile);
  int* block = p.values + blockIdx.x * blockDim.x;
  tile.values[threadIdx.x] = block[threadIdx.x];
  __syncthreads();
  block[threadIdx.x] = tile.values[blockDim.x - 1 - threadIdx.x];
}
__global__ void reverse_dynamic(Values p) {
  SINTER_DYNAMIC_SHARED(int, tile);
  int* block = p.values + blockIdx.x * blockDim.x;
  tile[threadIdx.x] = block[threadIdx.x];
  __syncthreads();
  block[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

TEST_F(Emulated, BarriersOrderThreads) {
  for (const bool reversed : {false, true}) {
    sinter_emulated::set_reversed(reversed);
    for (const std::size_t dynamic_bytes : {0, 1024}) {
      const Buffer<int> buffer(iota<int>(1024));
      ASSERT_EQ(launch(dynamic_bytes > 0 ? reverse_dynamic : reverse, 4, 256, dynamic_bytes,
                       nullptr, {buffer.data()}),
                cudaSuccess);
      const std::vector<int> result = buffer.read();
      for (int i = 0; i < 1024; ++i) EXPECT_EQ(result[i], i / 256 * 256 + 255 - i % 256);
    }
  }
}

// How many threads of the block have an odd value, three ways.
__global__ void count_odd(Values p) {
  const int odd = p.values[threadIdx.x] % 2;
  const int count = __syncthreads_count(odd);
  const int any = __syncthreads_or(odd);
  const int all = __syncthreads_and(odd);
  p.values[threadIdx.x] = count * 100 + any * 10 + all;
}

TEST_F(Emulated, BarriersVote) {
  const Buffer<int> some(iota<int>(65));
  const Buffer<int> none(std::vector<int>(65, 2));
  const Buffer<int> all(std::vector<int>(65, 3));
  for (const auto& [buffer, expected] :
       {std::pair{&some, 3210}, std::pair{&none, 0}, std::pair{&all, 6511}}) {
    ASSERT_EQ(launch(count_odd, 1, 65, 0, nullptr, {buffer->data()}), cudaSuccess);
    for (const int value : buffer->read()) EXPECT_EQ(value, expected);
  }
}

// Left: 1. Whether shared memory is the block's own, and not the zeros of a new page.
__global__ void look_at_fresh_shared(Values p) {
  SINTER_SHARED(Tile, tile);
  SINTER_DYNAMIC_SHARED(int, more);
  p.values[blockIdx.x] = tile.values[7] == -1 && more[3] == -1;
  tile.values[7] = 1;
  more[3] = 1;
}

TEST_F(Emulated, SharedMemoryIsFresh) {
  const Buffer<int> buffer(3);
  ASSERT_EQ(launch(look_at_fresh_shared, 3, 1, 64, nullptr, {buffer.data()}), cudaSuccess);
  for (const int value : buffer.read()) EXPECT_EQ(value, 1);
}

struct Warps {
  int* in;
  int* out;
  int kind;
  unsigned mask;
  int width;
};
__global__ void shuffle(Warps p) {
  const int value = p.in[threadIdx.x];
  if ((p.mask >> threadIdx.x % 32 & 1U) == 0) return;
  int result = 0;
  if (p.kind == 0) result = __shfl_sync(p.mask, value, 5, p.width);
  if (p.kind == 1) result = __shfl_down_sync(p.mask, value, 3, p.width);
  if (p.kind == 2) result = __shfl_up_sync(p.mask, value, 3, p.width);
  if (p.kind == 3) result = __shfl_xor_sync(p.mask, value, 6, p.width);
  if (p.kind == 4) result = static_cast<int>(__ballot_sync(p.mask, value % 3 == 0));
  if (p.kind == 5) result = __any_sync(p.mask, value == 40) * 10 + __all_sync(p.mask, value < 32);
  if (p.kind == 6) result = __reduce_add_sync(p.mask, value);
  if (p.kind == 7) result = __reduce_min_sync(p.mask, value - 10);
  if (p.kind == 8) result = __reduce_max_sync(p.mask, value - 100);
  if (p.kind == 9)
    result = static_cast<int>(__reduce_xor_sync(p.mask, static_cast<unsigned>(value)));
  p.out[threadIdx.x] = result;
}

// What CUDA says that lane `lane` of one warp gets, whose values are base, base + 1, ...
int expected_shuffle(int kind, int lane, int base, int width) {
  const int group = lane / width * width;
  int sum = 0;
  int ballot = 0;
  int bits = 0;
  for (int i = 0; i < 32; ++i) {
    sum += base + i;
    bits ^= base + i;
    ballot |= static_cast<int>(static_cast<unsigned>((base + i) % 3 == 0) << i);
  }
  switch (kind) {
    case 0:
      return base + group + 5 % width;
    case 1:
      return base + (lane - group + 3 < width ? lane + 3 : lane);
    case 2:
      return base + (lane - group >= 3 ? lane - 3 : lane);
    case 3:
      return base + ((lane ^ 6) < group + width ? lane ^ 6 : lane);
    case 4:
      return ballot;
    case 5:
      return (base == 32) * 10 + (base == 0);
    case 6:
      return sum;
    case 7:
      return base - 10;
    case 8:
      return base + 31 - 100;
    default:
      return bits;
  }
}

TEST_F(Emulated, WarpCollectives) {
  const Buffer<int> in(iota<int>(64));
  for (int kind = 0; kind < 10; ++kind) {
    for (const int width : {32, 16, 8, 4}) {
      const Buffer<int> out(64);
      const Warps warps{in.data(), out.data(), kind, 0xFFFFFFFFU, width};
      ASSERT_EQ(launch(shuffle, 1, 64, 0, nullptr, warps), cudaSuccess);
      const std::vector<int> result = out.read();
      for (int i = 0; i < 64; ++i) {
        EXPECT_EQ(result[i], expected_shuffle(kind, i % 32, i / 32 * 32, width))
            << "kind " << kind << ", lane " << i << ", width " << width;
      }
    }
  }
}

// The lower and the upper half of a warp go different ways, with doubles.
struct Halves {
  double* values;
};
__global__ void sum_halves(Halves p) {
  double sum = p.values[threadIdx.x];
  if (threadIdx.x % 32 < 16) {
    for (unsigned by = 8; by > 0; by /= 2) sum += __shfl_down_sync(0x0000FFFFU, sum, by, 16);
  } else {
    for (unsigned by = 1; by < 16; by *= 2) sum += __shfl_xor_sync(0xFFFF0000U, sum, by, 16);
  }
  __syncwarp();
  p.values[threadIdx.x] = sum;
}

TEST_F(Emulated, MasksOfHalfWarps) {
  for (const bool reversed : {false, true}) {
    sinter_emulated::set_reversed(reversed);
    const Buffer<double> values(iota<double>(64));
    ASSERT_EQ(launch(sum_halves, 1, 64, 0, nullptr, {values.data()}), cudaSuccess);
    const std::vector<double> result = values.read();
    EXPECT_EQ(result[0], 120.0);
    EXPECT_EQ(result[16], 376.0);
    EXPECT_EQ(result[31], 376.0);
    EXPECT_EQ(result[32], 632.0);
  }
}

TEST_F(Emulated, LanesOutsideOfTheMaskGiveOnes) {
  const Buffer<int> in(iota<int>(32));
  const Buffer<int> out(std::vector<int>(32, 7));
  // Lane 13 would read lane 16, which is not in the mask.
  ASSERT_EQ(launch(shuffle, 1, 32, 0, nullptr, {in.data(), out.data(), 1, 0xFFFFU, 32}),
            cudaSuccess);
  const std::vector<int> result = out.read();
  EXPECT_EQ(result[12], 15);
  EXPECT_EQ(result[13], -1);
  EXPECT_EQ(result[16], 7);
}

struct Counters {
  unsigned long long* sums;
  int* smallest;
  unsigned* ring;
};
__global__ void count(Counters p) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&p.sums[0], 1);
  atomicMax(&p.sums[1], static_cast<unsigned long long>(i));
  atomicMin(p.smallest, -i);
  atomicInc(p.ring, 9);
  atomicCAS(&p.sums[2], 0ULL, 5ULL);
  atomicExch(&p.sums[3], 8ULL);
  atomicOr(&p.sums[4], 1ULL << (i % 64));
}

TEST_F(Emulated, Atomics) {
  const Buffer<unsigned long long> sums(std::vector<unsigned long long>(5, 0));
  const Buffer<int> smallest(std::vector<int>(1, 0));
  const Buffer<unsigned> ring(std::vector<unsigned>(1, 0));
  ASSERT_EQ(launch(count, 5, 65, 0, nullptr, {sums.data(), smallest.data(), ring.data()}),
            cudaSuccess);
  EXPECT_EQ(sums.read(), (std::vector<unsigned long long>{325, 324, 5, 8, ~0ULL}));
  EXPECT_EQ(smallest.read()[0], -324);
  EXPECT_EQ(ring.read()[0], 5U);
}

// A thread that waits for nothing costs no switch.
TEST_F(Emulated, ThreadsWithoutBarriersShareAStack) {
  const Buffer<float> x(iota<float>(1024));
  const Buffer<float> y(iota<float>(1024));
  const std::uint64_t before = sinter_emulated::counts().switches;
  ASSERT_EQ(launch(axpy, 4, 256, 0, nullptr, {2.0F, x.data(), y.data(), 1024}), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  const std::uint64_t switches = sinter_emulated::counts().switches - before;
  EXPECT_TRUE(switches == 8 || switches == 4 * 257)
      << switches;  // the second under ThreadSanitizer
}

__global__ void exits_early(Values p) {
  if (static_cast<int>(threadIdx.x) == p.values[0]) return;
  __syncthreads();
}
__global__ void other_barrier(Values p) {
  if (static_cast<int>(threadIdx.x) < p.values[0]) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void waits_for_a_lane_at_a_barrier(Values) {
  if (threadIdx.x != 9) __syncwarp();
  __syncthreads();
  if (threadIdx.x == 9) __syncwarp();
}
__global__ void mask_without_itself(Values p) {
  __shfl_sync(static_cast<unsigned>(p.values[0]), 1, 0);
}
__global__ void different_collectives(Values) {
  if (threadIdx.x % 2 == 0) {
    __syncwarp();
  } else {
    __ballot_sync(0xFFFFFFFFU, 1);
  }
}
struct Large {
  char bytes[40 * 1024];
};
__global__ void too_much_shared(Values p) {
  SINTER_SHARED(Large, one);
  SINTER_SHARED(Large, two);
  one.bytes[0] = two.bytes[0];
  p.values[0] = one.bytes[0];
}
__global__ void traps(Values) {
  if (threadIdx.x == 3) __trap();
}

struct FaultCase {
  void (*kernel)(Values);
  const char* name;
  int value;
  std::vector<std::string> expected;
};

TEST_F(Emulated, FaultsNameKernelBlockAndThread) {
  const FaultCase cases[] = {
      {exits_early,
       "exits_early",
       7,
       {"thread (0, 0, 0)", "63 of 64", "thread (7, 0, 0) has exited"}},
      {other_barrier, "other_barrier", 40, {"thread (40, 0, 0): is at the barrier", "(0, 0, 0)"}},
      {waits_for_a_lane_at_a_barrier, "waits_for_a_lane", 0, {"waits for ever", "(9, 0, 0)"}},
      {mask_without_itself, "mask_without_itself", 0xFFFB, {"thread (2, 0, 0)", "0x0000fffb"}},
      {different_collectives, "different_collectives", 0, {"thread (1, 0, 0)", "lane 0"}},
      {too_much_shared, "too_much_shared", 0, {"49152 bytes of static shared memory", "'two'"}},
      {traps, "traps", 0, {"thread (3, 0, 0): __trap() at "}},
  };
  for (const FaultCase& fault : cases) {
    const Buffer<int> values(std::vector<int>(1, fault.value));
    ASSERT_EQ(launch(fault.kernel, dim3(1, 2), 64, 0, nullptr, {values.data()}), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    // As in CUDA, for good.
    EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
    const std::string text = cudaGetErrorString(cudaErrorLaunchFailure);
    EXPECT_NE(text.find(fault.name), std::string::npos) << text;
    EXPECT_NE(text.find("block (0, 0, 0)"), std::string::npos) << text;
    for (const std::string& part : fault.expected) {
      EXPECT_NE(text.find(part), std::string::npos) << text << "\nwithout: " << part;
    }
    EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
    EXPECT_EQ(sinter_emulated::last_fault(), "");
    // The device works again.
    EXPECT_EQ(values.read(), std::vector<int>{fault.value});
  }
}

__global__ void writes_past_shared(Values p) {
  SINTER_SHARED(Tile, tile);
  int* values = tile.values;
  values[p.values[0]] = 1;
}

TEST_F(Emulated, GuardsOfSharedMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer finds it first";
#endif
  const Buffer<int> values(std::vector<int>(1, 256));
  ASSERT_EQ(launch(writes_past_shared, 1, 1, 0, nullptr, {values.data()}), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_NE(sinter_emulated::last_fault().find("past the end of tile"), std::string::npos);
}

TEST_F(Emulated, LaunchesAreChecked) {
  const Axpy nothing{};
  EXPECT_EQ(launch(axpy, 0, 32, 0, nullptr, nothing), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(axpy, 1, 1025, 0, nullptr, nothing), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(axpy, 1, dim3(32, 33), 0, nullptr, nothing), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(axpy, dim3(1, 65536), 32, 0, nullptr, nothing), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(axpy, 1, dim3(1, 1, 65), 0, nullptr, nothing), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(axpy, 1, 1, 227 * 1024 + 1, nullptr, nothing), cudaErrorInvalidValue);
  EXPECT_EQ(launch(axpy, 1, 1, 227 * 1024, nullptr, nothing), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaLaunchKernel(reinterpret_cast<const void*>(&axpy), 1, 1, nullptr, 0, nullptr),
            cudaErrorInvalidDeviceFunction);
}

}  // namespace
