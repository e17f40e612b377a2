#include "backend/cpu/scan.h"

#include <cstring>

namespace sinter::backend::cpu {

namespace {

std::int64_t step_bytes(const ir::Argument& argument, const ir::TensorType& body_type) {
  if (argument.layout.shape.rank() == body_type.shape.rank()) return 0;
  return argument.layout.strides[0] * static_cast<std::int64_t>(size_of(argument.dtype));
}

}  // namespace

ScanRunner::ScanRunner(Backend& backend, const ir::Step& step, std::byte* workspace)
    : scan_(ir::scan_attributes(step.attributes)),
      body_(backend, step.body, workspace),
      step_inputs_(step.inputs.size()),
      step_outputs_(step.outputs.size()) {
  const ir::Program& body = *step.body;
  for (const std::int64_t offset : ir::scan_workspace(body, scan_.carries).carries) {
    carry_bytes_.push_back(static_cast<std::size_t>(body.outputs[second_.size()].bytes()));
    second_.push_back(workspace + offset);
  }
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    input_strides_.push_back(step_bytes(step.inputs[i], body.inputs[i]));
  }
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    output_strides_.push_back(step_bytes(step.outputs[i], body.outputs[i]));
  }
}

void ScanRunner::copy_carries(void* const* inputs, void* const* outputs) const {
  for (std::size_t i = 0; i < scan_.carries; ++i) {
    if (carry_bytes_[i] > 0) std::memcpy(outputs[i], inputs[i], carry_bytes_[i]);
  }
}

void ScanRunner::bind_step(void* const* inputs, void* const* outputs, std::int64_t position,
                           std::int64_t left) {
  const bool is_first = left == scan_.length - 1;
  for (std::size_t i = 0; i < step_inputs_.size(); ++i) {
    if (i < scan_.carries && !is_first) {
      step_inputs_[i] = step_outputs_[i];  // what the step before wrote
    } else {
      step_inputs_[i] = static_cast<std::byte*>(inputs[i]) + position * input_strides_[i];
    }
  }
  for (std::size_t i = 0; i < step_outputs_.size(); ++i) {
    if (i < scan_.carries) {
      step_outputs_[i] = left % 2 == 0 ? outputs[i] : second_[i];
    } else {
      step_outputs_[i] = static_cast<std::byte*>(outputs[i]) + position * output_strides_[i];
    }
  }
}

void ScanRunner::run(void* const* inputs, void* const* outputs) {
  if (scan_.length == 0) {
    copy_carries(inputs, outputs);
    return;
  }
  for (std::int64_t t = 0; t < scan_.length; ++t) {
    const std::int64_t left = scan_.length - 1 - t;
    bind_step(inputs, outputs, scan_.reverse ? left : t, left);
    body_.run({step_inputs_, step_outputs_, {}});
  }
}

}  // namespace sinter::backend::cpu
