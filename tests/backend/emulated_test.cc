// The emulation of the CUDA runtime: what kernels and the host see of it.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/device/language.h"
#include "backend/cuda/device/launch.h"
#include "sinter_emulated/control.h"

namespace {

using sinter::backend::cuda::launch;


class Emulated : public testing::Test {
 protected:
  void TearDown() override {
    sinter_emulated::set_failures("");
    sinter_emulated::set_reversed(false);
    sinter_emulated::forget_errors();
    cudaDeviceSynchronize();
    cudaGetLastError();
    sinter_emulated::forget_errors();
  }
};

// Device memory with a copy of host values.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count) : count_(count) {
    EXPECT_EQ(cudaMalloc(&data_, count * sizeof(T)), cudaSuccess);
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    EXPECT_EQ(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice),
              cudaSuccess);
  }
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
              cudaSuccess);
    return values;
  }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

std::vector<float> iota(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

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
  const Buffer<float> x(iota(1000));
  const Buffer<float> y(std::vector<float>(1000, 1.0F));
  ASSERT_EQ(launch(axpy, 8, 128, 0, nullptr, {2.0F, x.data(), y.data(), 1000}), cudaSuccess);
  const std::vector<float> result = y.read();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(result[i], 2.0F * static_cast<float>(i) + 1.0F);
}

struct Reverse {
  int* values;
};
struct Tile {
  int values[256];
};
// Reverses each block's values through shared memory.
__global__ void reverse(Reverse p) {
  SINTER_SHARED(Tile, tile);
  int* block = p.values + blockIdx.x * blockDim.x;
  tile.values[threadIdx.x] = block[threadIdx.x];
  __syncthreads();
  block[threadIdx.x] = tile.values[blockDim.x - 1 - threadIdx.x];
}

TEST_F(Emulated, BarriersOrderThreads) {
  std::vector<int> values(4 * 256);
  for (int i = 0; i < 1024; ++i) values[i] = i;
  for (const bool reversed : {false, true}) {
    sinter_emulated::set_reversed(reversed);
    const Buffer<int> buffer(values);
    ASSERT_EQ(launch(reverse, 4, 256, 0, nullptr, {buffer.data()}), cudaSuccess);
    const std::vector<int> result = buffer.read();
    for (int i = 0; i < 1024; ++i) EXPECT_EQ(result[i], i / 256 * 256 + 255 - i % 256);
  }
}

}  // namespace
