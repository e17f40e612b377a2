// Calls of structured ops as they cross the boundary to the CUDA library.
#ifndef SINTER_BACKEND_CUDA_CALL_H_
#define SINTER_BACKEND_CUDA_CALL_H_

#include <vector>

#include "backend/backend.h"
#include "backend/cuda/api.h"

namespace sinter::backend::cuda {

// The name by which the library knows the kernel of an op: that of the op. Null for an op that has
// no kernel of its own.
const char* kernel_name(ir::OpId op);

// A KernelCall in the library's terms. Throws InternalError for an op without a kernel.
class CudaCall {
 public:
  // `call`'s attributes outlive this.
  explicit CudaCall(const KernelCall& call);
  CudaCall(const CudaCall&) = delete;
  CudaCall& operator=(const CudaCall&) = delete;

  const SinterCudaCall* get() const { return &call_; }

 private:
  std::vector<SinterCudaTensor> inputs_;
  std::vector<SinterCudaTensor> outputs_;
  std::vector<SinterCudaAttribute> attributes_;
  SinterCudaCall call_{};
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_CALL_H_
