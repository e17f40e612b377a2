// What only tests ask of the emulation.
//
// Errors on demand: SINTER_EMULATED_FAIL in the environment, read at the first call of the runtime,
// or set_failures(); a list with commas of
//     cudaMalloc:3       the third call from now of that function fails: those that allocate with
//                        cudaErrorMemoryAllocation, others with cudaErrorUnknown; once
//     cudaMalloc:3+      the third and all later ones
//     launch:7           the seventh kernel to run fails with cudaErrorLaunchFailure; as in CUDA
//                        all calls return it from then on, until cudaDeviceReset
//     device_lost:7      the seventh kernel to run takes the device with it: all calls return
//                        cudaErrorUnknown from then on, also after cudaDeviceReset
//     no_driver          cudaErrorInsufficientDriver, driver version 0 (what CUDA says without one)
//     old_driver         cudaErrorInsufficientDriver, driver version 12.0
//     no_device          cudaErrorNoDevice
//     no_device_code     kernels compiled ahead of time fail with cudaErrorNoKernelImageForDevice
//     no_compiler        nvrtc_functions() is null
#ifndef SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_CONTROL_H_
#define SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_CONTROL_H_

#include <cstdint>
#include <string>

namespace sinter_emulated {

// Replaces the list; counting starts anew. Throws std::invalid_argument for a text that is none.
void set_failures(const std::string& list);

// What the last fault of a kernel was: "kernel, block (1, 0, 0), thread (3, 0, 0): what". Empty:
// none.
std::string last_fault();

// Forgets all that went wrong, device_lost too. Memory, streams and graphs stay.
void forget_errors();

// Runs blocks, and the threads of a block, from the last to the first: a result that changes
// depends on an order that a GPU does not promise. Also SINTER_EMULATED_REVERSED=1 in the
// environment.
void set_reversed(bool reversed);

// Since the process started.
struct Counts {
  std::uint64_t kernels;        // run
  std::uint64_t blocks;         //
  std::uint64_t switches;       // between fibers
  std::uint64_t allocations;    // of device memory
  std::uint64_t device_bytes;   // allocated now
  std::uint64_t live_blocks;    // of device memory, now
  std::uint64_t tasks_not_run;  // launches and copies that wait in streams
};
Counts counts();

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_CONTROL_H_
