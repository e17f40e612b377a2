#include "backend/cuda/status.h"

#include "backend/cuda/api.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {

namespace {

const char* meaning(int status) {
  switch (status) {
    case kSinterCudaNoDriver:
      return "there is no NVIDIA driver, or no GPU that it knows";
    case kSinterCudaOldDriver:
      return "the NVIDIA driver is too old";
    case kSinterCudaNoKernel:
      return "the CUDA library has no code for this GPU's architecture";
    case kSinterCudaOutOfMemory:
      return "out of memory";
    case kSinterCudaNoCompiler:
      return "the CUDA compiler library NVRTC was not found";
    case kSinterCudaCompileError:
      return "NVRTC refuses the generated code";
    case kSinterCudaBadImage:
      return "the driver refuses the compiled code";
    case kSinterCudaBadCall:
      return "there is no CUDA kernel for this call";
    case kSinterCudaLaunchFailed:
      return "the device found a fault";
    case kSinterCudaDeviceLost:
      return "the device is lost";
    case kSinterCudaNotTaken:
      return "the kernel does not take what follows on its result";
    default:
      return "the CUDA library failed";
  }
}

}  // namespace

std::string problem_text(int status, const char* said) {
  std::string text = meaning(status);
  if (said != nullptr && said[0] != '\0') text += std::string(" (") + said + ")";
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

std::string hint_for(int status) {
  switch (status) {
    case kSinterCudaNoDriver:
      return "--device cpu runs without a GPU";
    case kSinterCudaOldDriver:
      return "install a newer driver; --device cpu runs without one";
    case kSinterCudaNoKernel:
      return "GPUs of compute capability 8.0 (Ampere) and newer are supported";
    case kSinterCudaOutOfMemory:
      return "a smaller batch needs less; --plan prints what a job needs";
    case kSinterCudaNoCompiler:
      return "install the CUDA toolkit, or its package cuda-nvrtc alone (libnvrtc.so.13)";
    case kSinterCudaBadImage:
      return "the driver may be older than the CUDA toolkit";
    case kSinterCudaLaunchFailed:
      return "the device may be used again; the values of this step are lost";
    case kSinterCudaDeviceLost:
      return "the CPU stays usable; the device needs a new process";
    default:
      return "";
  }
}

void raise_status(int status, const std::string& where, const char* said) {
  const std::string what = problem_text(status, said);
  if (status == kSinterCudaCompileError) {
    throw ir::InternalError(where + ": " + what + "; this is a bug: please report it");
  }
  raise({.where = where, .what = what, .got = {}, .expected = {}, .hint = hint_for(status)});
}

}  // namespace sinter::backend::cuda
