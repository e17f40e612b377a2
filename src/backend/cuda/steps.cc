#include "backend/cuda/steps.h"

#include <utility>

#include "backend/cuda/call.h"
#include "ir/internal_error.h"

namespace sinter::backend::cuda {

namespace {

std::string place_of(const ir::Step& step) {
  const std::string text = step.scope.empty() ? step.label : step.scope + ": " + step.label;
  const std::string line = step.location.to_string();
  return line.empty() ? text : text + " (" + line + ")";
}

const char* op_name(const ir::Step& step) {
  const char* const name = kernel_name(step.op);
  return name != nullptr ? name : "fused";
}

// Bytes from one step's part of an argument to the next one's; 0 where all steps share it.
std::int64_t step_bytes(const ir::Argument& argument, const ir::TensorType& body_type) {
  if (argument.layout.shape.rank() == body_type.shape.rank()) return 0;
  return argument.layout.strides[0] * static_cast<std::int64_t>(size_of(argument.dtype));
}

}  // namespace

ProgramCode::ProgramCode(CudaBackend& backend, const ir::Program& program) : backend_(backend) {
  std::vector<const ir::Group*> groups;
  std::vector<StepName> names;
  collect(program, &groups, &names);
  groups_.emplace(backend, groups);
  first_step_ = backend.add_steps(std::move(names));
}

ProgramCode::~ProgramCode() { backend_.remove_steps(first_step_); }

// In the order in which Steps numbers them: a scan before the steps of its body.
void ProgramCode::collect(const ir::Program& program, std::vector<const ir::Group*>* groups,
                          std::vector<StepName>* names) {
  for (const ir::Step& step : program.steps) {
    places_.push_back(place_of(step));
    names->push_back({op_name(step), places_.back()});
    if (step.group != nullptr) {
      groups->push_back(step.group.get());
    } else if (step.body != nullptr) {
      collect(*step.body, groups, names);
    } else {
      has_kernels_ = true;
    }
  }
}

Steps::Steps(ProgramCode& code, const ir::Program& program, std::byte* arena, StepNumbers* numbers)
    : code_(code), arena_(arena) {
  for (const ir::Step& step : program.steps) add_step(step, numbers);
}

Steps::~Steps() = default;

void Steps::add_address(const ir::Argument& argument) {
  const std::int64_t offset =
      argument.buffer.offset +
      argument.layout.offset * static_cast<std::int64_t>(size_of(argument.dtype));
  if (argument.buffer.kind == ir::BufferKind::arena) {
    addresses_.push_back(arena_ + offset);
    return;
  }
  external_.push_back({addresses_.size(), argument.buffer.kind,
                       static_cast<std::size_t>(argument.buffer.index), offset});
  addresses_.push_back(nullptr);
}

void Steps::add_step(const ir::Step& step, StepNumbers* numbers) {
  ReadyStep ready;
  ready.number = numbers->step++;
  ready.first_address = addresses_.size();
  ready.input_count = step.inputs.size();
  ready.output_count = step.outputs.size();
  std::byte* const workspace = arena_ + step.workspace.offset;
  ready.workspace = workspace;
  for (const ir::Argument& argument : step.inputs) add_address(argument);
  for (const ir::Argument& argument : step.outputs) add_address(argument);
  if (step.group != nullptr) {
    ready.group = numbers->group++;
  } else if (step.body != nullptr) {
    ready.scan = std::make_unique<Scan>(code_, step, workspace, numbers);
  } else {
    ready.kernel = prepare_kernel(step, ready.number);
  }
  steps_.push_back(std::move(ready));
}

std::unique_ptr<SinterCudaKernel, Steps::KernelDeleter> Steps::prepare_kernel(
    const ir::Step& step, std::int32_t number) const {
  std::vector<Dtype> input_dtypes;
  std::vector<Dtype> output_dtypes;
  std::vector<ir::Layout> inputs;
  std::vector<ir::Layout> outputs;
  for (const ir::Argument& argument : step.inputs) {
    input_dtypes.push_back(argument.dtype);
    inputs.push_back(argument.layout);
  }
  for (const ir::Argument& argument : step.outputs) {
    output_dtypes.push_back(argument.dtype);
    outputs.push_back(argument.layout);
  }
  const CudaCall call({step.op, step.attributes, input_dtypes, inputs, output_dtypes, outputs});
  CudaBackend& backend = code_.backend();
  SinterCudaKernel* kernel = nullptr;
  backend.check(backend.api().prepare_kernel(backend.context(), call.get(), &kernel),
                code_.place(number));
  return {kernel, KernelDeleter{&backend.api()}};
}

void Steps::bind(const Bindings& bindings) {
  for (const ExternalAddress& external : external_) {
    const std::span<void* const> table = external.kind == ir::BufferKind::input ? bindings.inputs
                                         : external.kind == ir::BufferKind::output
                                             ? bindings.outputs
                                             : bindings.states;
    addresses_[external.position] =
        static_cast<std::byte*>(table[external.index]) + external.offset;
  }
}

void Steps::launch(std::size_t index) {
  const ReadyStep& step = steps_[index];
  void* const* const inputs = addresses_.data() + step.first_address;
  void* const* const outputs = inputs + step.input_count;
  if (step.scan != nullptr) {
    step.scan->launch(inputs, outputs);
    return;
  }
  if (step.kernel == nullptr) {
    code_.groups().launch(step.group, {inputs, step.input_count + step.output_count},
                          step.workspace, code_.place(step.number));
    return;
  }
  CudaBackend& backend = code_.backend();
  backend.check(backend.api().launch_kernel(backend.context(), step.kernel.get(),
                                            code_.first_step() + step.number, inputs, outputs,
                                            step.workspace),
                code_.place(step.number));
}

void Steps::launch_all() {
  for (std::size_t i = 0; i < steps_.size(); ++i) launch(i);
}

std::span<void* const> Steps::outputs(std::size_t step) const {
  const ReadyStep& ready = steps_[step];
  return {addresses_.data() + ready.first_address + ready.input_count, ready.output_count};
}

Scan::Scan(ProgramCode& code, const ir::Step& step, std::byte* workspace, StepNumbers* numbers)
    : backend_(code.backend()),
      scan_(ir::scan_attributes(step.attributes)),
      body_(code, *step.body, workspace, numbers),
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

void Scan::copy_carries(void* const* inputs, void* const* outputs) const {
  for (std::size_t i = 0; i < scan_.carries; ++i) {
    backend_.copy(outputs[i], inputs[i], carry_bytes_[i]);
  }
}

void Scan::bind_step(void* const* inputs, void* const* outputs, std::int64_t position,
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

void Scan::launch(void* const* inputs, void* const* outputs) {
  if (scan_.length == 0) {
    copy_carries(inputs, outputs);
    return;
  }
  for (std::int64_t t = 0; t < scan_.length; ++t) {
    const std::int64_t left = scan_.length - 1 - t;
    bind_step(inputs, outputs, scan_.reverse ? left : t, left);
    body_.bind({step_inputs_, step_outputs_, {}});
    body_.launch_all();
  }
}

}  // namespace sinter::backend::cuda
