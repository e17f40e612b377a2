// NVRTC, the compiler of CUDA C++ at run time, opened when it is first needed.
#ifndef SINTER_BACKEND_CUDA_VENDOR_NVRTC_H_
#define SINTER_BACKEND_CUDA_VENDOR_NVRTC_H_

#include <string>

namespace sinter::backend::cuda::device {

// "nvrtc 13.0". Throws Failure when there is no NVRTC, here and below.
std::string compiler_version();

// Machine code for compute capability `architecture` (100 * major + 10 * minor), or PTX where this
// NVRTC is older than the device. Numbers are computed as the emulation and the CPU compute them:
// no contraction, no flushing of denormals, exact division and square root.
std::string compile(const char* source, int architecture);

}  // namespace sinter::backend::cuda::device

#endif  // SINTER_BACKEND_CUDA_VENDOR_NVRTC_H_
