#include "backend/cuda/device/failure.h"

namespace sinter::backend::cuda::device {
namespace {

// Codes that older runtimes, or the emulation, do not name.
enum LaterCode {
  kInvalidPtx = 218,
  kNvlinkUncorrectable = 220,
  kJitCompilerNotFound = 221,
  kInvalidSource = 300,
  kContextIsDestroyed = 709,
  kCompatNotSupportedOnDevice = 804,
};

// Without libcuda.so the runtime calls the driver too old; its version, 0, tells the two apart.
bool has_driver() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess && version > 0;
}

}  // namespace

SinterCudaStatus status_of(cudaError_t code) {
  switch (static_cast<int>(code)) {
    case cudaSuccess:
      return kSinterCudaOk;
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
      return kSinterCudaNoDriver;
    case cudaErrorInsufficientDriver:
      return has_driver() ? kSinterCudaOldDriver : kSinterCudaNoDriver;
    case cudaErrorSystemDriverMismatch:
    case kCompatNotSupportedOnDevice:
    case cudaErrorUnsupportedPtxVersion:
      return kSinterCudaOldDriver;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case kJitCompilerNotFound:
      return kSinterCudaNoKernel;
    case cudaErrorMemoryAllocation:
      return kSinterCudaOutOfMemory;
    case cudaErrorInvalidKernelImage:
    case kInvalidPtx:
    case kInvalidSource:
    case cudaErrorSymbolNotFound:
      return kSinterCudaBadImage;
    // The faults after which the driver refuses all further work of the process on the device.
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case kNvlinkUncorrectable:
    case kContextIsDestroyed:
    case cudaErrorUnknown:
      return kSinterCudaDeviceLost;
    default:
      return kSinterCudaLaunchFailed;
  }
}

void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // the runtime keeps a copy, which later calls would find
  throw Failure(status_of(code), std::string(what) + ": " + cudaGetErrorString(code));
}

}  // namespace sinter::backend::cuda::device
