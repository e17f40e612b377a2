// Device memory and pinned host memory. See include/cuda_runtime.h for what is found.
#ifndef SINTER_BACKEND_CUDA_EMULATED_MEMORY_H_
#define SINTER_BACKEND_CUDA_EMULATED_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace sinter_emulated {

// While one lives, device memory may be touched: kernels and copies run. They nest.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

std::uint64_t allocations_made();
std::uint64_t device_bytes_in_use();
std::uint64_t live_device_blocks();

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_MEMORY_H_
