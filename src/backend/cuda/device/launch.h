// Starts kernels, on a GPU and in the emulation.
#ifndef SINTER_BACKEND_CUDA_DEVICE_LAUNCH_H_
#define SINTER_BACKEND_CUDA_DEVICE_LAUNCH_H_

#include <cstddef>
#include <type_traits>

#include "backend/cuda/device/language.h"

namespace sinter::backend::cuda {

// Dynamic shared memory up to this many bytes needs no permission.
inline constexpr std::size_t kFreeSharedBytes = 48 * 1024;

// Enqueues `kernel` on `stream`: `grid` blocks of `block` threads, each block with `shared_bytes`
// of dynamic shared memory. `params` is copied before it returns. Returns what is wrong with the
// launch; what goes wrong in the kernel is returned by a later call.
template <class Params>
cudaError_t launch(void (*kernel)(Params), dim3 grid, dim3 block, std::size_t shared_bytes,
                   cudaStream_t stream, const std::type_identity_t<Params>& params) {
  static_assert(std::is_trivially_copyable_v<Params>);
  static_assert(sizeof(Params) <= 4096, "4096 bytes of parameters on every architecture");
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shared_bytes > kFreeSharedBytes) {
    const cudaError_t error = cudaFuncSetAttribute(
        function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return error;
  }
#ifdef SINTER_CUDA_EMULATED
  return sinter_emulated::launch_kernel(kernel, grid, block, shared_bytes, stream, params);
#else
  void* arguments[] = {const_cast<Params*>(&params)};
  return cudaLaunchKernel(function, grid, block, arguments, shared_bytes, stream);
#endif
}

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_DEVICE_LAUNCH_H_
