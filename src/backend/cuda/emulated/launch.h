// Launches: what is checked before a kernel runs, and the run.
#ifndef SINTER_BACKEND_CUDA_EMULATED_LAUNCH_H_
#define SINTER_BACKEND_CUDA_EMULATED_LAUNCH_H_

#include <memory>

#include "backend/cuda/emulated/include/cuda_runtime.h"

namespace sinter_emulated {

// A launch to be made. `keep` is what its function needs to stay loaded; may be null.
struct LaunchRequest {
  KernelEntry entry;
  const void* function;
  const char* name;  // or null
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  const void* arguments;  // copied
  std::size_t argument_bytes;
  std::shared_ptr<const void> keep;
};
cudaError_t enqueue(const LaunchRequest& request, cudaStream_t stream);

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_LAUNCH_H_
