#include "backend/kernel_call.h"

namespace sinter::backend {

OwnedCall::OwnedCall(const ir::Step& step) : op_(step.op), attributes_(step.attributes) {
  for (std::size_t i = 0; i < ir::own_inputs(step); ++i) {
    input_dtypes_.push_back(step.inputs[i].dtype);
    inputs_.push_back(step.inputs[i].layout);
  }
  if (step.epilogue != nullptr) {
    output_dtypes_.push_back(step.result.dtype);
    outputs_.push_back(ir::dense_layout(step.result.shape));
    return;
  }
  for (const ir::Argument& argument : step.outputs) {
    output_dtypes_.push_back(argument.dtype);
    outputs_.push_back(argument.layout);
  }
}

OwnedCall::OwnedCall(const KernelCall& call)
    : op_(call.op),
      attributes_(call.attributes),
      input_dtypes_(call.input_dtypes.begin(), call.input_dtypes.end()),
      inputs_(call.inputs.begin(), call.inputs.end()),
      output_dtypes_(call.output_dtypes.begin(), call.output_dtypes.end()),
      outputs_(call.outputs.begin(), call.outputs.end()) {}

}  // namespace sinter::backend
