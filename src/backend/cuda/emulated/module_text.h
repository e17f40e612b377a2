// From CUDA text for NVRTC to text for the host compiler.
#ifndef SINTER_BACKEND_CUDA_EMULATED_MODULE_TEXT_H_
#define SINTER_BACKEND_CUDA_EMULATED_MODULE_TEXT_H_

#include <string>
#include <string_view>

namespace sinter_emulated {

// The device language in front of every module: include/sinter_emulated/device.h.
extern const char kDeviceText[];

// `source` with its __shared__ declarations rewritten, between the device language and, for each of
// its kernels, what cudaLibraryGetKernel looks for. Line numbers in messages are those of `source`.
std::string module_text(std::string_view source, std::string_view name);

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_MODULE_TEXT_H_
