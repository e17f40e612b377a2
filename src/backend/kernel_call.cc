#include "backend/kernel_call.h"

namespace sinter::backend {

OwnedCall::OwnedCall(const ir::Step& step) : op_(step.op), attributes_(step.attributes) {
  for (const ir::Argument& argument : step.inputs) {
    input_dtypes_.push_back(argument.dtype);
    inputs_.push_back(argument.layout);
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
