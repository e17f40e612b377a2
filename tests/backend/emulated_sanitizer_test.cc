// What the sanitizers find in kernels on the emulated device: each planted mistake is found, and
// kernels without one (here, and in the other tests) are not reported. The mistakes run in
// processes of their own.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "backend/cuda/device/language.h"
#include "backend/cuda/device/launch.h"
#include "emulated_fixture.h"
#include "sinter_emulated/compiler.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

namespace {

using sinter::backend::cuda::launch;

struct Values {
  int* values;
  int offset;
};
struct Tile {
  int values[64];
};

template <class Kernel>
void run(Kernel kernel, dim3 grid, dim3 block, std::size_t shared_bytes, const Values& values) {
  if (launch(kernel, grid, block, shared_bytes, nullptr, values) != cudaSuccess) std::abort();
  if (cudaDeviceSynchronize() != cudaSuccess) std::abort();
}

class EmulatedDeath : public Emulated {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

// A library of one run-time compiled kernel, `kernel`, of two threads that take `arguments`.
void run_text(const char* text, void* arguments) {
  const sinter_emulated::NvrtcFunctions* nvrtc = sinter_emulated::nvrtc_functions();
  const char* options[] = {"--gpu-architecture=sm_90"};
  nvrtcProgram program = nullptr;
  std::size_t bytes = 0;
  nvrtc->nvrtcCreateProgram(&program, text, "group.cu", 0, nullptr, nullptr);
  if (nvrtc->nvrtcCompileProgram(program, 1, options) != NVRTC_SUCCESS) std::abort();
  nvrtc->nvrtcGetCUBINSize(program, &bytes);
  std::vector<char> image(bytes);
  nvrtc->nvrtcGetCUBIN(program, image.data());
  nvrtc->nvrtcDestroyProgram(&program);
  cudaLibrary_t library = nullptr;
  cudaKernel_t kernel = nullptr;
  void* pointers[] = {arguments};
  if (cudaLibraryLoadData(&library, image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0) !=
          cudaSuccess ||
      cudaLibraryGetKernel(&kernel, library, "kernel") != cudaSuccess ||
      cudaLaunchKernel(kernel, 1, 2, pointers, 0, nullptr) != cudaSuccess ||
      cudaDeviceSynchronize() != cudaSuccess) {
    std::abort();
  }
}

#ifdef __SANITIZE_ADDRESS__

__global__ void write_shared(Values p) {
  SINTER_SHARED(Tile, tile);
  int* values = tile.values;
  values[threadIdx.x + static_cast<unsigned>(p.offset)] = 1;
}
__global__ void read_dynamic(Values p) {
  SINTER_DYNAMIC_SHARED(int, values);
  values[threadIdx.x] = 1;
  __syncthreads();
  p.values[threadIdx.x] = values[threadIdx.x + static_cast<unsigned>(p.offset)];
}
__global__ void write_global(Values p) { p.values[static_cast<int>(threadIdx.x) + p.offset] = 1; }

TEST_F(EmulatedDeath, CorrectKernelsAreNotReported) {
  const Buffer<int> buffer(64);
  run(write_shared, 2, 64, 0, {buffer.data(), 0});
  run(read_dynamic, 2, 64, 256, {buffer.data(), 0});
  run(write_global, 2, 64, 0, {buffer.data(), 0});
}

TEST_F(EmulatedDeath, OneTooFarInSharedMemory) {
  EXPECT_EXIT(run(write_shared, 1, 64, 0, {nullptr, 1}), testing::ExitedWithCode(1),
              "heap-buffer-overflow(.|\n)*write_shared");
}

TEST_F(EmulatedDeath, OneTooFarInDynamicSharedMemory) {
  const Buffer<int> buffer(64);
  EXPECT_EXIT(run(read_dynamic, 1, 64, 256, {buffer.data(), 1}), testing::ExitedWithCode(1),
              "heap-buffer-overflow(.|\n)*read_dynamic");
}

TEST_F(EmulatedDeath, OneTooFarInGlobalMemory) {
  const Buffer<int> buffer(64);
  EXPECT_EXIT(run(write_global, 1, 64, 0, {buffer.data(), 1}), testing::ExitedWithCode(1),
              "heap-buffer-overflow(.|\n)*write_global");
  EXPECT_EXIT(run(write_global, 1, 64, 0, {buffer.data(), -1}), testing::ExitedWithCode(1),
              "heap-buffer-overflow(.|\n)*write_global");
}

TEST_F(EmulatedDeath, OneTooFarInCompiledText) {
  int index = 3;
  const char* text = R"(extern "C" __global__ void kernel(const int index) {
  __shared__ int tile[4];
  tile[index] = 1;
})";
  run_text(text, &index);
  index = 4;
  EXPECT_EXIT(run_text(text, &index), testing::ExitedWithCode(1),
              "heap-buffer-overflow(.|\n)* in kernel .*group.cu:3");
}

TEST_F(EmulatedDeath, FreedGlobalMemory) {
  int* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 256), cudaSuccess);
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EXIT(run(write_global, 1, 64, 0, {memory, 0}), testing::ExitedWithCode(1),
              "heap-use-after-free(.|\n)*write_global");
}

TEST_F(EmulatedDeath, TheHostTouchesDeviceMemory) {
  const Buffer<int> buffer(std::vector<int>(64, 1));
  EXPECT_EXIT(std::exit(buffer.data()[3] == 1 ? 2 : 3), testing::ExitedWithCode(1),
              "use-after-poison");
}

#endif  // __SANITIZE_ADDRESS__

#ifdef __SANITIZE_THREAD__

// All but the last thread read what the next one writes; `offset` says what is left out.
__global__ void shift(Values p) {
  SINTER_SHARED(Tile, tile);
  tile.values[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (p.offset != 1) __syncthreads();
  const int next = threadIdx.x + 1 < blockDim.x ? tile.values[threadIdx.x + 1] : 0;
  if (p.offset != 2) __syncthreads();
  tile.values[threadIdx.x] = next;
  p.values[blockIdx.x * blockDim.x + threadIdx.x] = next;
}
// The same within a warp, through global memory.
__global__ void shift_in_warp(Values p) {
  int* values = p.values + blockIdx.x * blockDim.x;
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (p.offset == 1) {
    // The halves of the warp do not wait for each other.
    __syncwarp(threadIdx.x < 16 ? 0x0000FFFFU : 0xFFFF0000U);
  } else {
    __syncwarp();
  }
  const int next = threadIdx.x + 1 < blockDim.x ? values[threadIdx.x + 1] : 0;
  const unsigned all = __ballot_sync(0xFFFFFFFFU, next != 0);
  if (p.offset != 2) __syncwarp();
  values[threadIdx.x] = static_cast<int>(all);
}
// Every block writes at an offset that only a stride of 64 keeps apart.
__global__ void write_blocks(Values p) {
  p.values[blockIdx.x * static_cast<unsigned>(p.offset) + threadIdx.x] = 1;
}
// The last block to arrive adds what all have written; `offset` 1 leaves the fence out.
struct LastBlock {
  unsigned* arrived;
  int* partial;
  int* sum;
  int fences;
};
__global__ void last_block_adds(LastBlock p) {
  p.partial[blockIdx.x] = static_cast<int>(blockIdx.x);
  if (p.fences != 0) __threadfence();
  if (atomicAdd(p.arrived, 1) != gridDim.x - 1) return;
  int sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += p.partial[i];
  *p.sum = sum;
}
__global__ void count(Values p) { atomicAdd(p.values, 1); }

void run_last_block(int fences) {
  const Buffer<unsigned> arrived(std::vector<unsigned>{0});
  const Buffer<int> partial(8);
  const Buffer<int> sum(1);
  if (launch(last_block_adds, 8, 1, 0, nullptr,
             {arrived.data(), partial.data(), sum.data(), fences}) != cudaSuccess) {
    std::abort();
  }
  if (sum.read()[0] != 28) std::abort();
}

constexpr int kRaceFound = 66;  // ThreadSanitizer's exit status

// Ends the process: ThreadSanitizer changes its status if it has found something.
template <class Kernel>
void run_and_exit(Kernel kernel, dim3 grid, dim3 block, int offset) {
  const Buffer<int> buffer(std::vector<int>(1024, 0));
  run(kernel, grid, block, 0, {buffer.data(), offset});
  std::exit(0);
}

TEST_F(EmulatedDeath, CorrectKernelsAreNotReported) {
  EXPECT_EXIT(run_and_exit(shift, 3, 64, 0), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(run_and_exit(shift_in_warp, 3, 32, 0), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(run_and_exit(write_blocks, 4, 64, 64), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(run_and_exit(count, 4, 64, 0), testing::ExitedWithCode(0), "");
  EXPECT_EXIT((run_last_block(1), std::exit(0)), testing::ExitedWithCode(0), "");
}

TEST_F(EmulatedDeath, MissingBarriers) {
  EXPECT_EXIT(run_and_exit(shift, 1, 64, 1), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*shift");
  EXPECT_EXIT(run_and_exit(shift, 1, 64, 2), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*shift");
}

TEST_F(EmulatedDeath, AMaskThatDoesNotHoldAllThatRead) {
  EXPECT_EXIT(run_and_exit(shift_in_warp, 1, 32, 1), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*shift_in_warp");
}

// All lanes wait for each other in it, but for nothing that they have read or written.
TEST_F(EmulatedDeath, AVoteDoesNotOrderMemory) {
  EXPECT_EXIT(run_and_exit(shift_in_warp, 1, 32, 2), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*shift_in_warp");
}

TEST_F(EmulatedDeath, MissingBarriersInCompiledText) {
  int has_barrier = 1;
  const char* text = R"(extern "C" __global__ void kernel(const int has_barrier) {
  __shared__ int tile[2];
  tile[threadIdx.x] = 1;
  if (has_barrier) __syncthreads();
  if (tile[1 - threadIdx.x] == 0) __trap();
  __syncthreads();
})";
  EXPECT_EXIT((run_text(text, &has_barrier), std::exit(0)), testing::ExitedWithCode(0), "");
  has_barrier = 0;
  EXPECT_EXIT((run_text(text, &has_barrier), std::exit(0)), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*kernel .*group.cu:");
}

TEST_F(EmulatedDeath, RacesBetweenBlocks) {
  EXPECT_EXIT(run_and_exit(write_blocks, 4, 64, 63), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*write_blocks");
  EXPECT_EXIT((run_last_block(0), std::exit(0)), testing::ExitedWithCode(kRaceFound),
              "data race(.|\n)*last_block_adds");
}

// More threads than there can be fibers: in epochs, with races found within one.
TEST_F(EmulatedDeath, LaunchesWithManyThreads) {
  const Buffer<int> buffer(std::vector<int>(40 * 256, 0));
  run(write_blocks, 40, 256, 0, {buffer.data(), 256});
  for (const int value : buffer.read()) ASSERT_EQ(value, 1);
}

// Launches of one stream come one after the other.
TEST_F(EmulatedDeath, LaunchesAreOrdered) {
  const Buffer<int> buffer(std::vector<int>(1024, 0));
  for (int i = 0; i < 3; ++i) run(write_blocks, 4, 64, 0, {buffer.data(), 64});
  run(shift, 4, 64, 0, {buffer.data(), 0});
  EXPECT_EQ(buffer.read()[0], 1);
}

#endif  // __SANITIZE_THREAD__

}  // namespace

#endif
