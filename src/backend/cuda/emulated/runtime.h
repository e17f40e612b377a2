// What the calls of the runtime share: the lock, errors, errors on demand. Objects that live as
// long as the process are never destroyed, here and in the files beside this: users with static
// storage call the runtime until the end.
#ifndef SINTER_BACKEND_CUDA_EMULATED_RUNTIME_H_
#define SINTER_BACKEND_CUDA_EMULATED_RUNTIME_H_

#include <mutex>
#include <string_view>

#include "backend/cuda/emulated/include/cuda_runtime.h"

namespace sinter_emulated {

// Held during each call, and so while kernels run.
std::recursive_mutex& runtime_lock();

// What a call does to a capture.
enum class InCapture {
  kAllowed,
  // Forbidden while any capture in global mode goes on, or a capture of this thread that is not
  // relaxed: calls that may wait for the device (cudaMalloc).
  kUnsafe,
  // Forbidden whenever anything is captured: calls that wait for all streams.
  kForbidden,
};

// What has to be wrong with the call `name` before it starts: an error on demand, no driver, an
// error that stays, a capture that forbids it. Allocating calls fail on demand with another error.
cudaError_t before_call(std::string_view name, InCapture in_capture);
// Keeps the error for cudaGetLastError, and returns it.
cudaError_t after_call(cudaError_t error);

// Every call of the runtime goes through here: `body` runs under the lock.
template <class Body>
cudaError_t call(std::string_view name, InCapture in_capture, const Body& body) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  cudaError_t error = before_call(name, in_capture);
  if (error == cudaSuccess) error = body();
  return after_call(error);
}

// An error that all later calls return. `what` is added to cudaGetErrorString; may be empty.
void set_sticky_error(cudaError_t error, const char* what);
cudaError_t sticky_error();

// Errors on demand.
enum class Missing { kNothing, kDriver, kNewDriver, kDevice };
Missing what_is_missing();
bool device_code_is_missing();
bool compiler_is_missing();
// Called before each kernel runs; sets the error when this one is to fail, and returns it.
cudaError_t fail_kernel_on_demand();

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_RUNTIME_H_
