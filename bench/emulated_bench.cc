// How fast the emulated device is: a tiled matmul, a switch between fibers, threads without
// barriers. cmake --build build/release --target emulated_bench && build/release/bin/emulated_bench
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "backend/cuda/device/language.h"
#include "backend/cuda/device/launch.h"
#include "sinter_emulated/control.h"

namespace {

using sinter::backend::cuda::launch;

constexpr int kTile = 64;   // of c, for a block
constexpr int kDepth = 16;  // of a and b, between two barriers
constexpr int kEach = 4;    // a thread computes kEach times kEach of c

struct Tiles {
  float a[kDepth][kTile];
  float b[kDepth][kTile];
};
struct Matmul {
  const float* a;
  const float* b;
  float* c;
  int size;  // a multiple of kTile
};

// c = a b, row-major, square: 256 threads a block, two barriers a tile.
__global__ void matmul(const Matmul p) {
  SINTER_SHARED(Tiles, tiles);
  const int thread = static_cast<int>(threadIdx.x);
  const int row = static_cast<int>(blockIdx.y) * kTile;
  const int column = static_cast<int>(blockIdx.x) * kTile;
  const int my_row = thread / 16 * kEach;
  const int my_column = thread % 16 * kEach;
  float sum[kEach][kEach] = {};
  for (int k = 0; k < p.size; k += kDepth) {
    for (int i = thread; i < kTile * kDepth; i += 256) {
      tiles.a[i % kDepth][i / kDepth] = p.a[(row + i / kDepth) * p.size + k + i % kDepth];
      tiles.b[i / kTile][i % kTile] = p.b[(k + i / kTile) * p.size + column + i % kTile];
    }
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      for (int i = 0; i < kEach; ++i) {
        for (int j = 0; j < kEach; ++j) {
          sum[i][j] = fmaf(tiles.a[d][my_row + i], tiles.b[d][my_column + j], sum[i][j]);
        }
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < kEach; ++i) {
    for (int j = 0; j < kEach; ++j) {
      p.c[(row + my_row + i) * p.size + column + my_column + j] = sum[i][j];
    }
  }
}

struct Barriers {
  int count;
};
__global__ void barriers(Barriers p) {
  for (int i = 0; i < p.count; ++i) __syncthreads();
}

struct Add {
  float* x;
  int count;
};
__global__ void add_one(Add p) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < p.count) p.x[i] += 1.0F;
}

// The best of five runs, in seconds.
template <class Kernel, class Params>
double seconds(Kernel kernel, dim3 grid, dim3 block, const Params& params) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (launch(kernel, grid, block, 0, nullptr, params) != cudaSuccess) return -1.0;
    if (cudaDeviceSynchronize() != cudaSuccess) return -1.0;
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  return best;
}

}  // namespace

int main() {
  constexpr int kSize = 512;
  const std::size_t bytes = std::size_t{kSize} * kSize * sizeof(float);
  float* memory[3] = {};
  for (float*& matrix : memory) {
    if (cudaMalloc(&matrix, bytes) != cudaSuccess || cudaMemset(matrix, 0, bytes) != cudaSuccess)
      return 1;
  }
  const double matmul_time = seconds(matmul, dim3(kSize / kTile, kSize / kTile), 256,
                                     Matmul{memory[0], memory[1], memory[2], kSize});
  std::printf("matmul %d: %.2f GFLOP/s\n", kSize, 2e-9 * kSize * kSize * kSize / matmul_time);

  constexpr int kBarriers = 2000;
  for (const unsigned threads : {32U, 256U, 1024U}) {
    const std::uint64_t before = sinter_emulated::counts().switches;
    const double time = seconds(barriers, 1, threads, Barriers{kBarriers});
    const double switches = static_cast<double>(sinter_emulated::counts().switches - before) / 5;
    std::printf("barriers, %u threads: %.1f ns a switch\n", threads, 1e9 * time / switches);
  }
  const int count = kSize * kSize;
  const double add_time = seconds(add_one, count / 256, 256, Add{memory[0], count});
  std::printf("threads without barriers: %.1f ns a thread\n", 1e9 * add_time / count);
  for (float* matrix : memory) cudaFree(matrix);
  return 0;
}
