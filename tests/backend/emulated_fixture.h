// What the tests of the emulated CUDA runtime share.
#ifndef SINTER_TESTS_BACKEND_EMULATED_FIXTURE_H_
#define SINTER_TESTS_BACKEND_EMULATED_FIXTURE_H_

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "sinter_emulated/control.h"

// Leaves the runtime as it was.
class Emulated : public testing::Test {
 protected:
  void TearDown() override {
    sinter_emulated::set_failures("");
    sinter_emulated::set_reversed(false);
    sinter_emulated::forget_errors();
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }
};

// Device memory, with or without a copy of host values.
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

// 0, 1, 2, ...
template <class T>
std::vector<T> iota(std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(i);
  return values;
}

#endif  // SINTER_TESTS_BACKEND_EMULATED_FIXTURE_H_
