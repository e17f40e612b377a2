// A kernel call as planner and kernels see it, before there are addresses.
#ifndef SINTER_BACKEND_KERNEL_CALL_H_
#define SINTER_BACKEND_KERNEL_CALL_H_

#include <span>
#include <vector>

#include "ir/program.h"

namespace sinter::backend {

struct KernelCall {
  ir::OpId op = ir::OpId::count;
  const ir::Attributes& attributes;
  std::span<const Dtype> input_dtypes;
  std::span<const ir::Layout> inputs;
  std::span<const Dtype> output_dtypes;
  std::span<const ir::Layout> outputs;  // dense
};

// What a KernelCall refers to: the one place where a step becomes a call.
class OwnedCall {
 public:
  explicit OwnedCall(const ir::Step& step);
  explicit OwnedCall(const KernelCall& call);

  // Valid while this lives and is not moved.
  KernelCall get() const {
    return {op_, attributes_, input_dtypes_, inputs_, output_dtypes_, outputs_};
  }

 private:
  ir::OpId op_;
  ir::Attributes attributes_;
  std::vector<Dtype> input_dtypes_;
  std::vector<ir::Layout> inputs_;
  std::vector<Dtype> output_dtypes_;
  std::vector<ir::Layout> outputs_;
};

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_KERNEL_CALL_H_
