#include "backend/cuda/device/module.h"

#include <cstring>

#include "backend/cuda/device/failure.h"
#include "backend/cuda/device/launch.h"

using sinter::backend::cuda::device::check;
using sinter::backend::cuda::device::Failure;
using sinter::backend::cuda::device::status_of;

namespace {

// What NVRTC gives: machine code is an ELF file; PTX a text with its 0, which begins with a
// comment. The driver is not told how many bytes there are, so it must not see anything else.
bool looks_compiled(const void* image, std::size_t bytes) {
#ifdef SINTER_CUDA_EMULATED
  return image != nullptr && bytes > 0;  // has its length inside
#else
  const auto* text = static_cast<const char*>(image);
  constexpr std::size_t kElfHeader = 64;
  if (bytes > kElfHeader && std::memcmp(text,
                                        "\x7f"
                                        "ELF",
                                        4) == 0)
    return true;
  return bytes > 2 && std::memcmp(text, "//", 2) == 0 && text[bytes - 1] == '\0';
#endif
}

}  // namespace

SinterCudaModule::SinterCudaModule(const void* image, std::size_t bytes) {
  if (!looks_compiled(image, bytes)) {
    throw Failure(kSinterCudaBadImage, "neither machine code nor PTX");
  }
  const cudaError_t code =
      cudaLibraryLoadData(&library_, image, nullptr, nullptr, 0, nullptr, nullptr, 0);
  // The driver has many words for an image that it cannot read; the image is what we gave it.
  if (code != cudaSuccess && status_of(code) == kSinterCudaLaunchFailed) {
    static_cast<void>(cudaGetLastError());
    throw Failure(kSinterCudaBadImage,
                  std::string("cudaLibraryLoadData: ") + cudaGetErrorString(code));
  }
  check(code, "cudaLibraryLoadData");
}

SinterCudaModule::~SinterCudaModule() { static_cast<void>(cudaLibraryUnload(library_)); }

cudaKernel_t SinterCudaModule::find(const char* name) const {
  const auto found = kernels_.find(name);
  if (found != kernels_.end()) return found->second;
  cudaKernel_t kernel{};
  check(cudaLibraryGetKernel(&kernel, library_, name), name);
  kernels_.emplace(name, kernel);
  return kernel;
}

void SinterCudaModule::launch(const char* name, const SinterCudaLaunch& launch,
                              const void* arguments, cudaStream_t stream) const {
  if (launch.shared_bytes > sinter::backend::cuda::kFreeSharedBytes) {
    throw Failure(kSinterCudaBadCall, std::string(name) + ": more than 48 KiB of shared memory");
  }
  void* pointers[] = {const_cast<void*>(arguments)};
  check(cudaLaunchKernel(reinterpret_cast<const void*>(find(name)),
                         dim3(launch.grid[0], launch.grid[1], launch.grid[2]),
                         dim3(launch.block[0], launch.block[1], launch.block[2]), pointers,
                         launch.shared_bytes, stream),
        name);
}
