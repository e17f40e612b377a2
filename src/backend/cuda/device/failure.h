// How the library fails: an exception with the status that crosses the table.
#ifndef SINTER_BACKEND_CUDA_DEVICE_FAILURE_H_
#define SINTER_BACKEND_CUDA_DEVICE_FAILURE_H_

#include <stdexcept>
#include <string>

#include "backend/cuda/api.h"
#include "backend/cuda/device/language.h"

namespace sinter::backend::cuda::device {

class Failure : public std::runtime_error {
 public:
  Failure(SinterCudaStatus status, const std::string& text)
      : std::runtime_error(text), status_(status) {}
  SinterCudaStatus status() const { return status_; }

 private:
  SinterCudaStatus status_;
};

// What a code of the runtime means to Sinter.
SinterCudaStatus status_of(cudaError_t code);

// Throws Failure unless `code` is cudaSuccess; `what` is the call: "cudaMalloc".
void check(cudaError_t code, const char* what);

}  // namespace sinter::backend::cuda::device

#endif  // SINTER_BACKEND_CUDA_DEVICE_FAILURE_H_
