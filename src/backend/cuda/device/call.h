// A call of a structured op as it came through the table, in the form that kernels take.
#ifndef SINTER_BACKEND_CUDA_DEVICE_CALL_H_
#define SINTER_BACKEND_CUDA_DEVICE_CALL_H_

#include <optional>
#include <string>
#include <vector>

#include "backend/cuda/api.h"
#include "backend/cuda/kernels/provider.h"

namespace sinter::backend::cuda::device {

// Owns what backend::KernelCall refers to. Throws Failure for an op without a kernel and for
// numbers that no tensor has.
class DecodedCall {
 public:
  explicit DecodedCall(const SinterCudaCall& call);

  KernelCall get() const {
    return {entry_->op, attributes_, input_dtypes_, inputs_, output_dtypes_, outputs_};
  }
  bool accepts(int input) const;
  std::vector<const char*> candidates() const { return candidates_of(*entry_, get()); }
  // The call's kernel with its epilogue. Throws Failure where it does not take that.
  ChosenKernel prepare() const;

 private:
  const KernelEntry* entry_;
  std::string kernel_;
  std::optional<EpilogueForm> epilogue_;
  ir::Attributes attributes_;
  std::vector<Dtype> input_dtypes_, output_dtypes_;
  std::vector<ir::Layout> inputs_, outputs_;
};

}  // namespace sinter::backend::cuda::device

#endif  // SINTER_BACKEND_CUDA_DEVICE_CALL_H_
