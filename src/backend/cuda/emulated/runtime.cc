#include "backend/cuda/emulated/runtime.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/cuda/emulated/include/sinter_emulated/control.h"
#include "backend/cuda/emulated/stream.h"

namespace sinter_emulated {
namespace {

// "cudaMalloc:3"
struct Failure {
  std::string name;
  unsigned long at;  // 1: the next call fails; 0: no more
  bool repeats;
};

struct Failures {
  std::vector<Failure> counted;
  Missing missing = Missing::kNothing;
  bool device_code_is_missing = false;
  bool compiler_is_missing = false;
};

Failures parse_failures(std::string_view list) {
  Failures failures;
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(item.size() < list.size() ? item.size() + 1 : item.size());
    const std::size_t colon = item.find(':');
    if (item == "no_driver") {
      failures.missing = Missing::kDriver;
    } else if (item == "old_driver") {
      failures.missing = Missing::kNewDriver;
    } else if (item == "no_device") {
      failures.missing = Missing::kDevice;
    } else if (item == "no_device_code") {
      failures.device_code_is_missing = true;
    } else if (item == "no_compiler") {
      failures.compiler_is_missing = true;
    } else {
      Failure failure{std::string(item.substr(0, colon)), 0, item.back() == '+'};
      const std::string_view name = failure.name;
      const bool is_known =
          name == "launch" || name == "device_lost" || name.substr(0, 4) == "cuda";
      const char* end = item.data() + item.size() - failure.repeats;
      const char* begin = colon < item.size() ? item.data() + colon + 1 : end;
      const auto [stop, code] = std::from_chars(begin, end, failure.at);
      if (!is_known || code != std::errc() || stop != end || failure.at == 0) {
        throw std::invalid_argument("SINTER_EMULATED_FAIL: cannot read '" + std::string(item) +
                                    "'");
      }
      failures.counted.push_back(std::move(failure));
    }
  }
  return failures;
}

Failures failures_of_environment() {
  const char* list = std::getenv("SINTER_EMULATED_FAIL");
  try {
    return parse_failures(list == nullptr ? "" : list);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::abort();
  }
}

Failures& failures() {
  static Failures& the_failures = *new Failures(failures_of_environment());
  return the_failures;
}

// Whether this call of `name` is one that was to fail.
bool fails_on_demand(std::string_view name) {
  for (Failure& failure : failures().counted) {
    if (failure.name != name || failure.at == 0) continue;
    if (failure.at == 1) {
      if (!failure.repeats) failure.at = 0;
      return true;
    }
    --failure.at;
  }
  return false;
}

struct StickyError {
  cudaError_t error = cudaSuccess;
  bool survives_reset = false;
  std::string what;
};
StickyError sticky;

thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorText kErrorTexts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable",
     "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidKernelImage, "cudaErrorInvalidKernelImage", "device kernel image is invalid"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorECCUncorrectable, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
    {cudaErrorUnsupportedPtxVersion, "cudaErrorUnsupportedPtxVersion",
     "the provided PTX was compiled with an unsupported toolchain."},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorSymbolNotFound, "cudaErrorSymbolNotFound", "named symbol not found"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorAssert, "cudaErrorAssert", "device-side assert triggered"},
    {cudaErrorHardwareStackError, "cudaErrorHardwareStackError", "hardware stack error"},
    {cudaErrorIllegalInstruction, "cudaErrorIllegalInstruction",
     "an illegal instruction was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorInvalidAddressSpace, "cudaErrorInvalidAddressSpace",
     "operation not supported on global/shared address space"},
    {cudaErrorInvalidPc, "cudaErrorInvalidPc", "invalid program counter"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorSystemNotReady, "cudaErrorSystemNotReady", "system not yet initialized"},
    {cudaErrorSystemDriverMismatch, "cudaErrorSystemDriverMismatch",
     "system has unsupported display driver / cuda driver combination"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText* find_text(cudaError_t error) {
  for (const ErrorText& text : kErrorTexts) {
    if (text.error == error) return &text;
  }
  return nullptr;
}

}  // namespace

std::recursive_mutex& runtime_lock() {
  static std::recursive_mutex& lock = *new std::recursive_mutex;
  return lock;
}

cudaError_t before_call(std::string_view name, InCapture in_capture) {
  switch (failures().missing) {
    case Missing::kDriver:
    case Missing::kNewDriver:
      return cudaErrorInsufficientDriver;
    case Missing::kDevice:
      return cudaErrorNoDevice;
    case Missing::kNothing:
      break;
  }
  if (sticky.error != cudaSuccess) return sticky.error;
  if (fails_on_demand(name)) {
    const bool allocates =
        name == "cudaMalloc" || name == "cudaMallocHost" || name == "cudaHostAlloc";
    return allocates ? cudaErrorMemoryAllocation : cudaErrorUnknown;
  }
  if (in_capture != InCapture::kAllowed && spoil_captures(in_capture)) {
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

cudaError_t after_call(cudaError_t error) {
  // A wait that ran a faulty kernel returns what is wrong from now on.
  if (error == cudaSuccess) error = sticky.error;
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

void set_sticky_error(cudaError_t error, const char* what) {
  if (sticky.error == cudaSuccess) sticky = {error, false, what};
}

cudaError_t sticky_error() { return sticky.error; }

Missing what_is_missing() { return failures().missing; }
bool device_code_is_missing() { return failures().device_code_is_missing; }
bool compiler_is_missing() { return failures().compiler_is_missing; }

cudaError_t fail_kernel_on_demand() {
  if (fails_on_demand("launch")) set_sticky_error(cudaErrorLaunchFailure, "on demand");
  if (fails_on_demand("device_lost")) {
    set_sticky_error(cudaErrorUnknown, "device lost, on demand");
    sticky.survives_reset = true;
  }
  return sticky.error;
}

void set_failures(const std::string& list) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  failures() = parse_failures(list);
}

std::string last_fault() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  return sticky.what;
}

void forget_errors() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  sticky = {};
  last_error = cudaSuccess;
}

}  // namespace sinter_emulated

using namespace sinter_emulated;

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  return sticky.error != cudaSuccess ? sticky.error : last_error;
}

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* text = find_text(error);
  return text == nullptr ? "unrecognized error code" : text->name;
}

const char* cudaGetErrorString(cudaError_t error) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  const ErrorText* text = find_text(error);
  if (text == nullptr) return "unrecognized error code";
  if (error != sticky.error || sticky.what.empty()) return text->text;
  thread_local std::string with_fault;
  with_fault = std::string(text->text) + " (" + sticky.what + ")";
  return with_fault.c_str();
}

cudaError_t cudaDriverGetVersion(int* version) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  if (version == nullptr) return after_call(cudaErrorInvalidValue);
  const Missing missing = what_is_missing();
  *version = missing == Missing::kDriver ? 0 : missing == Missing::kNewDriver ? 12000 : 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return after_call(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceReset() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  if (!sticky.survives_reset) {
    drop_all_tasks();
    sticky = {};
    last_error = cudaSuccess;
  }
  return sticky.error;
}
