// Calls of structured ops as they cross the boundary to the CUDA library.
#ifndef SINTER_BACKEND_CUDA_CALL_H_
#define SINTER_BACKEND_CUDA_CALL_H_

#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/api.h"
#include "backend/epilogue_form.h"

namespace sinter::backend::cuda {

// The name by which the library knows the kernel of an op: that of the op. Null for an op that has
// no kernel of its own.
const char* kernel_name(ir::OpId op);

// A KernelCall in the library's terms. Throws InternalError for an op without a kernel.
class CudaCall {
 public:
  // By the kernel of a name (empty: the first that serves) and with an epilogue (null: none).
  // `call`'s attributes outlive this.
  explicit CudaCall(const KernelCall& call, std::string kernel = {},
                    const EpilogueForm* epilogue = nullptr);
  CudaCall(const CudaCall&) = delete;
  CudaCall& operator=(const CudaCall&) = delete;

  const SinterCudaCall* get() const { return &call_; }

 private:
  std::vector<SinterCudaTensor> inputs_;
  std::vector<SinterCudaTensor> outputs_;
  std::vector<SinterCudaAttribute> attributes_;
  std::string kernel_;
  SinterCudaEpilogue epilogue_{};
  SinterCudaCall call_{};
};

// The form in which an epilogue on the call's result crosses; nothing where it has none, so that
// no kernel of the library takes it.
std::optional<EpilogueForm> form_of(const KernelCall& call, const ir::Group& epilogue);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_CALL_H_
