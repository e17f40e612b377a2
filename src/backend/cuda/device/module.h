// Compiled fused groups, loaded.
#ifndef SINTER_BACKEND_CUDA_DEVICE_MODULE_H_
#define SINTER_BACKEND_CUDA_DEVICE_MODULE_H_

#include <cstddef>
#include <map>
#include <string>

#include "backend/cuda/api.h"
#include "backend/cuda/device/language.h"

// Used by one thread at a time, as its context is.
struct SinterCudaModule {
  // Throws device::Failure for an image that the driver refuses.
  SinterCudaModule(const void* image, std::size_t bytes);
  ~SinterCudaModule();
  SinterCudaModule(const SinterCudaModule&) = delete;
  SinterCudaModule& operator=(const SinterCudaModule&) = delete;

  // Enqueues the kernel `name` with one parameter, a structure.
  void launch(const char* name, const SinterCudaLaunch& launch, const void* arguments,
              cudaStream_t stream) const;

 private:
  cudaKernel_t find(const char* name) const;

  cudaLibrary_t library_ = nullptr;
  mutable std::map<std::string, cudaKernel_t, std::less<>> kernels_;  // found so far
};

#endif  // SINTER_BACKEND_CUDA_DEVICE_MODULE_H_
