#include "backend/cuda/code.h"

#include <optional>
#include <utility>

#include "backend/cuda/call.h"
#include "backend/cuda/session.h"
#include "backend/cuda/steps.h"
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

void add_report(const SinterCudaApi& api, const StepsCode& code, GroupReport* report) {
  for (std::size_t i = 0; i < code.steps.size(); ++i) {
    const StepsCode::ReadyStep& step = code.steps[i];
    if (step.body != nullptr) {
      add_report(api, *step.body, report);
    } else if (step.kernel == nullptr) {
      ++report->groups;
    } else if (const char* const why = api.substituted_because(step.kernel.get())) {
      report->substituted.push_back(code.program.steps[i].label + ": " + why);
    }
  }
}

}  // namespace

CudaCode::CudaCode(CudaBackend& backend, std::shared_ptr<const ir::Program> program)
    : backend_(backend), program_(std::move(program)) {
  std::vector<const ir::Group*> groups;
  std::vector<StepName> names;
  collect(*program_, &groups, &names);
  groups_.emplace(backend, groups);
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  first_step_ = backend.add_steps(std::move(names));
  try {
    Numbers numbers;
    steps_ = make_steps(*program_, &numbers);
  } catch (...) {
    backend_.remove_steps(first_step_);
    throw;
  }
}

CudaCode::~CudaCode() {
  const std::lock_guard lock(backend_.mutex());
  steps_.reset();
  backend_.remove_steps(first_step_);
}

// In the order in which make_steps() numbers them: a scan before the steps of its body.
void CudaCode::collect(const ir::Program& program, std::vector<const ir::Group*>* groups,
                       std::vector<StepName>* names) {
  for (const ir::Step& step : program.steps) {
    places_.push_back(place_of(step));
    names->push_back({op_name(step), places_.back()});
    if (step.group != nullptr) {
      groups->push_back(step.group.get());
    } else if (step.body != nullptr) {
      collect(*step.body, groups, names);
    } else if (!step.is_in_place) {
      has_kernels_ = true;
    }
  }
}

std::unique_ptr<const StepsCode> CudaCode::make_steps(const ir::Program& program,
                                                      Numbers* numbers) const {
  auto code = std::make_unique<StepsCode>(program);
  for (const ir::Step& step : program.steps) {
    StepsCode::ReadyStep ready;
    ready.number = numbers->step++;
    if (step.group != nullptr) {
      ready.group = numbers->group++;
    } else if (step.body != nullptr) {
      ready.body = make_steps(*step.body, numbers);
    } else if (!step.is_in_place) {
      ready.kernel = prepare_kernel(step, ready.number);
    }
    code->steps.push_back(std::move(ready));
  }
  return code;
}

std::unique_ptr<SinterCudaKernel, StepsCode::KernelDeleter> CudaCode::prepare_kernel(
    const ir::Step& step, std::int32_t number) const {
  const OwnedCall owned(step);
  std::optional<EpilogueForm> form;
  if (step.epilogue != nullptr) {
    form = form_of(owned.get(), *step.epilogue);
    if (!form) throw ir::InternalError("no kernel takes the epilogue of step " + step.label);
  }
  const CudaCall call(owned.get(), step.kernel, form ? &*form : nullptr);
  SinterCudaKernel* kernel = nullptr;
  backend_.check(backend_.api().prepare_kernel(backend_.context(), call.get(), &kernel),
                 place(number));
  return {kernel, StepsCode::KernelDeleter{&backend_.api()}};
}

std::unique_ptr<Session> CudaCode::new_session(std::byte* arena) const {
  return std::make_unique<CudaSession>(shared_from_this(), arena);
}

void CudaCode::clear_zeros(std::byte* arena) const {
  for (const ir::Program::Span& span : program_->zeros) {
    const std::vector<std::byte> zeros(static_cast<std::size_t>(span.bytes));
    backend_.copy_to_device(arena + span.offset, zeros.data(), zeros.size());
  }
}

void CudaCode::run_once(const Bindings& bindings, std::byte* arena) const {
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  clear_zeros(arena);
  Steps steps(*this, *steps_, arena);
  steps.bind(bindings);
  if (has_kernels_) backend_.note_kernels();
  steps.launch_all();
}

GroupReport CudaCode::group_report() const {
  GroupReport report;
  add_report(backend_.api(), *steps_, &report);
  return report;
}

}  // namespace sinter::backend::cuda
