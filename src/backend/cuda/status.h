// What the CUDA library's status codes mean to people.
#ifndef SINTER_BACKEND_CUDA_STATUS_H_
#define SINTER_BACKEND_CUDA_STATUS_H_

#include <string>

namespace sinter::backend::cuda {

// "there is no NVIDIA driver: ...": what a status means and what the library said, in one line.
// REQUIRES: status != kSinterCudaOk.
std::string problem_text(int status, const char* said);

// What the user can do about it; empty when nothing.
std::string hint_for(int status);

// Throws Error, or InternalError where the mistake is ours. `where` names the device, and the step
// when one is known.
[[noreturn]] void raise_status(int status, const std::string& where, const char* said);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_STATUS_H_
