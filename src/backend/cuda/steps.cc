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
      addresses_(step, workspace),
      body_(code, *step.body, workspace, numbers) {}

void Scan::launch(void* const* inputs, void* const* outputs) {
  if (addresses_.length() == 0) {
    for (std::size_t i = 0; i < addresses_.carry_bytes().size(); ++i) {
      backend_.copy(outputs[i], inputs[i], addresses_.carry_bytes()[i]);
    }
  }
  for (std::int64_t t = 0; t < addresses_.length(); ++t) {
    addresses_.bind_step(t, inputs, outputs);
    body_.bind({addresses_.inputs(), addresses_.outputs(), {}});
    body_.launch_all();
  }
}

}  // namespace sinter::backend::cuda
