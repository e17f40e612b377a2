#include "backend/cuda/steps.h"

#include "ir/scan.h"

namespace sinter::backend::cuda {

// The body of a scan, launched once for each step with the carries by turns in two buffers.
class Scan {
 public:
  // `workspace`: what ir::scan_workspace() describes.
  Scan(const CudaCode& code, const StepsCode& body, const ir::Step& step, std::byte* workspace)
      : backend_(code.backend()), addresses_(step, workspace), body_(code, body, workspace) {}

  void launch(void* const* inputs, void* const* outputs) {
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

 private:
  CudaBackend& backend_;
  ir::ScanAddresses addresses_;
  Steps body_;
};

Steps::Steps(const CudaCode& code, const StepsCode& steps, std::byte* arena)
    : code_(code), steps_(steps), arena_(arena), table_(steps.addresses.size()) {
  steps_.addresses.bind_arena(arena_, table_.data());
  for (std::size_t i = 0; i < size(); ++i) {
    if (steps_.steps[i].body == nullptr) continue;
    scans_.resize(size());
    scans_[i] = std::make_unique<Scan>(code_, *steps_.steps[i].body, steps_.program.steps[i],
                                       arena_ + steps_.addresses.step(i).workspace);
  }
}

Steps::~Steps() = default;

void Steps::launch(std::size_t index) {
  if (steps_.program.steps[index].is_in_place) return;
  const StepsCode::ReadyStep& step = steps_.steps[index];
  const AddressPlan::StepPlan& plan = steps_.addresses.step(index);
  void* const* const inputs = table_.data() + plan.first;
  void* const* const outputs = inputs + plan.input_count;
  void* const workspace = arena_ + plan.workspace;
  if (step.body != nullptr) {
    scans_[index]->launch(inputs, outputs);
    return;
  }
  if (step.kernel == nullptr) {
    code_.groups().launch(step.group, {inputs, plan.input_count + plan.output_count}, workspace,
                          code_.place(step.number));
    return;
  }
  CudaBackend& backend = code_.backend();
  backend.check(
      backend.api().launch_kernel(backend.context(), step.kernel.get(),
                                  code_.first_step() + step.number, inputs, outputs, workspace),
      code_.place(step.number));
}

void Steps::launch_all() {
  for (std::size_t i = 0; i < size(); ++i) launch(i);
}

}  // namespace sinter::backend::cuda
