// Libraries of run-time compiled kernels.
#ifndef SINTER_BACKEND_CUDA_EMULATED_MODULE_H_
#define SINTER_BACKEND_CUDA_EMULATED_MODULE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "backend/cuda/emulated/include/cuda_runtime.h"

namespace sinter_emulated {

// What stands before the shared object in an image. CUDA's calls are not told how long an image is.
struct ImageHeader {
  char magic[8];
  std::uint64_t bytes;  // behind the header
  std::uint64_t checksum;
};
inline constexpr char kImageMagic[8] = {'S', 'N', 'T', 'R', 'E', 'M', 'U', '1'};

std::uint64_t checksum(const char* data, std::size_t bytes);

// A shared object, open until the last library, kernel and launch that needs it is gone.
class OpenObject;

class ModuleKernel {
 public:
  std::string name;
  KernelEntry entry;
  std::size_t parameter_bytes;
  std::shared_ptr<OpenObject> object;
};

class Library {
 public:
  std::shared_ptr<OpenObject> object;
  std::map<std::string, std::shared_ptr<ModuleKernel>> kernels;  // those asked for
};

// The kernel of a cudaKernel_t, or null when it is none.
std::shared_ptr<const ModuleKernel> find_kernel(const void* handle);

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_MODULE_H_
