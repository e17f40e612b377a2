#include "ir/scan.h"

#include <fmt/format.h>

#include "ir/internal_error.h"

namespace sinter::ir {

namespace {

constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Bytes from one step's part of an argument to the next one's; 0 where all steps share it.
std::int64_t step_bytes(const Argument& argument, const TensorType& body_type) {
  if (argument.layout.shape.rank() == body_type.shape.rank()) return 0;
  return argument.layout.strides[0] * static_cast<std::int64_t>(size_of(argument.dtype));
}

std::string check_types(const Step& step, const ScanAttributes& scan) {
  const Program& body = *step.body;
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const Argument& input = step.inputs[i];
    const TensorType& taken = body.inputs[i];
    const bool is_sequence = input.layout.shape.rank() == taken.shape.rank() + 1;
    if (input.dtype != taken.dtype || (i < scan.carries && is_sequence) ||
        (is_sequence && input.layout.shape[0] != scan.length) ||
        (is_sequence ? step_layout(input.layout).shape : input.layout.shape) != taken.shape ||
        !scan_accepts(input.layout, taken)) {
      return fmt::format("the body does not take input {} as it lies there", i);
    }
  }
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    const Argument& output = step.outputs[i];
    const TensorType& made = body.outputs[i];
    const bool is_carry = i < scan.carries;
    const bool fits = output.dtype == made.dtype && is_dense(output.layout) &&
                      (is_carry ? output.layout.shape == made.shape && body.inputs[i] == made
                                : output.layout.shape.rank() == made.shape.rank() + 1 &&
                                      output.layout.shape[0] == scan.length &&
                                      step_layout(output.layout).shape == made.shape);
    if (!fits) return fmt::format("the body does not make output {}", i);
  }
  return "";
}

}  // namespace

ScanAttributes scan_attributes(const Attributes& attributes) {
  ScanAttributes scan;
  const std::int64_t carries = attributes.integer("carries");
  scan.length = attributes.integer("length");
  if (carries < 0) throw InternalError("scan: a negative number of carries");
  scan.carries = static_cast<std::size_t>(carries);
  scan.reverse = attributes.integer("reverse") != 0;
  return scan;
}

Layout step_layout(const Layout& sequence) {
  const std::vector<std::int64_t> lengths = sequence.shape.to_vector();
  return {Shape(std::vector<std::int64_t>(lengths.begin() + 1, lengths.end())), 0,
          std::vector<std::int64_t>(sequence.strides.begin() + 1, sequence.strides.end())};
}

bool scan_accepts(const Layout& input, const TensorType& body_input) {
  const bool is_sequence = input.shape.rank() == body_input.shape.rank() + 1;
  return is_dense(is_sequence ? step_layout(input) : input);
}

ScanWorkspace scan_workspace(const Program& body, std::size_t carries) {
  ScanWorkspace workspace;
  workspace.bytes = aligned(body.arena_bytes);
  for (std::size_t i = 0; i < carries; ++i) {
    workspace.carries.push_back(workspace.bytes);
    workspace.bytes += aligned(body.outputs[i].bytes());
  }
  return workspace;
}

ScanAddresses::ScanAddresses(const Step& step, std::byte* workspace)
    : scan_(scan_attributes(step.attributes)),
      inputs_(step.inputs.size()),
      outputs_(step.outputs.size()) {
  const Program& body = *step.body;
  for (const std::int64_t offset : scan_workspace(body, scan_.carries).carries) {
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

void ScanAddresses::bind_step(std::int64_t step, void* const* inputs, void* const* outputs) {
  const std::int64_t left = scan_.length - 1 - step;
  const std::int64_t position = scan_.reverse ? left : step;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (i < scan_.carries && step > 0) {
      inputs_[i] = outputs_[i];  // what the step before wrote
    } else {
      inputs_[i] = static_cast<std::byte*>(inputs[i]) + position * input_strides_[i];
    }
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (i < scan_.carries) {
      outputs_[i] = left % 2 == 0 ? outputs[i] : second_[i];
    } else {
      outputs_[i] = static_cast<std::byte*>(outputs[i]) + position * output_strides_[i];
    }
  }
}

std::string check_scan_step(const Step& step) {
  const ScanAttributes scan = scan_attributes(step.attributes);
  const Program& body = *step.body;
  if (scan.length < 0) return "the length is negative";
  if (!body.states.empty()) return "the body uses States";
  if (step.inputs.size() != body.inputs.size() || step.outputs.size() != body.outputs.size() ||
      scan.carries > step.inputs.size() || scan.carries > step.outputs.size()) {
    return "the body does not have the inputs and outputs of the step";
  }
  const std::string wrong = check_types(step, scan);
  if (!wrong.empty()) return wrong;
  const std::int64_t needed = scan_workspace(body, scan.carries).bytes;
  if (step.workspace_bytes < needed) {
    return fmt::format("the workspace has {} bytes, the body and its carries need {}",
                       step.workspace_bytes, needed);
  }
  return "";
}

}  // namespace sinter::ir
