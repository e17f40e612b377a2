#include "backend/cpu/executor.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/scan.h"
#include "backend/cpu/small_work.h"
#include "base/parallel.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace {

// What a kernel needs depends on the machine and on oneDNN: a program planned for less, by hand or
// elsewhere, would write over its neighbours.
void check_workspace(const ir::Step& step, std::int64_t needed) {
  if (step.workspace_bytes >= needed) return;
  throw ir::InternalError(fmt::format("step {} has a workspace of {} bytes, its kernel needs {}",
                                      step.label, step.workspace_bytes, needed));
}

}  // namespace

CpuExecutable::CpuExecutable(Backend& backend, std::shared_ptr<const ir::Program> program)
    : backend_(backend), program_(std::move(program)) {
  arena_ =
      static_cast<std::byte*>(backend_.allocate(static_cast<std::size_t>(program_->arena_bytes)));
  try {
    add_steps();
  } catch (...) {
    backend_.release(arena_, static_cast<std::size_t>(program_->arena_bytes));
    throw;
  }
}

CpuExecutable::CpuExecutable(Backend& backend, std::shared_ptr<const ir::Program> program,
                             std::byte* arena)
    : backend_(backend), program_(std::move(program)), arena_(arena), owns_arena_(false) {
  add_steps();
}

CpuExecutable::~CpuExecutable() {
  if (owns_arena_) backend_.release(arena_, static_cast<std::size_t>(program_->arena_bytes));
}

void CpuExecutable::add_steps() {
  in_caller_ = is_small_work(*program_);
  for (const ir::Step& step : program_->steps) add_step(step);
}

void CpuExecutable::add_address(const ir::Argument& argument) {
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

void CpuExecutable::add_step(const ir::Step& step) {
  ReadyStep ready;
  ready.first_address = addresses_.size();
  ready.input_count = step.inputs.size();
  ready.output_count = step.outputs.size();
  ready.workspace = arena_ + step.workspace.offset;
  std::vector<Dtype> input_dtypes;
  std::vector<Dtype> output_dtypes;
  std::vector<ir::Layout> inputs;
  std::vector<ir::Layout> outputs;
  for (const ir::Argument& argument : step.inputs) {
    add_address(argument);
    input_dtypes.push_back(argument.dtype);
    inputs.push_back(argument.layout);
  }
  for (const ir::Argument& argument : step.outputs) {
    add_address(argument);
    output_dtypes.push_back(argument.dtype);
    outputs.push_back(argument.layout);
  }
  if (step.group != nullptr) {
    ready.group = group_kernel(*step.group);
    check_workspace(step, static_cast<std::int64_t>(ready.group->scratch_bytes()));
  } else if (step.body != nullptr) {
    ready.scan = std::make_unique<ScanRunner>(backend_, step, arena_ + step.workspace.offset);
  } else {
    const Kernel* const kernel = find_kernel(step.op);
    if (kernel == nullptr) throw ir::InternalError("no kernel for step " + step.label);
    ready.kernel =
        kernel->prepare({step.op, step.attributes, input_dtypes, inputs, output_dtypes, outputs});
    check_workspace(step, ready.kernel->workspace_bytes());
  }
  steps_.push_back(std::move(ready));
}

void CpuExecutable::bind(const Bindings& bindings) {
  for (const ExternalAddress& external : external_) {
    const std::span<void* const> table = external.kind == ir::BufferKind::input ? bindings.inputs
                                         : external.kind == ir::BufferKind::output
                                             ? bindings.outputs
                                             : bindings.states;
    addresses_[external.position] =
        static_cast<std::byte*>(table[external.index]) + external.offset;
  }
}

void CpuExecutable::run_step(const ReadyStep& step) const {
  void* const* const addresses = addresses_.data() + step.first_address;
  if (step.group != nullptr) {
    step.group->run(addresses, step.workspace);
  } else if (step.scan != nullptr) {
    step.scan->run(addresses, addresses + step.input_count);
  } else {
    step.kernel->run(addresses, addresses + step.input_count, step.workspace);
  }
}

template <class Wants, class Done>
void CpuExecutable::run_steps(const Bindings& bindings, Wants wants, Done done) {
  bind(bindings);
  std::optional<parallel::CallerOnly> scope;
  if (in_caller_) scope.emplace();
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (!wants(i)) continue;
    run_step(steps_[i]);
    done(i);
  }
}

void CpuExecutable::run(const Bindings& bindings) {
  run_steps(
      bindings, [](std::size_t) { return true; }, [](std::size_t) {});
}

void CpuExecutable::run_watched(const Bindings& bindings,
                                const std::function<void(int, std::span<void* const>)>& after) {
  run_steps(
      bindings, [](std::size_t) { return true; },
      [&](std::size_t i) {
        const std::size_t first_output = steps_[i].first_address + steps_[i].input_count;
        after(static_cast<int>(i), {addresses_.data() + first_output, steps_[i].output_count});
      });
}

GroupReport CpuExecutable::group_report() const {
  GroupReport report;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].scan != nullptr) {
      GroupReport body = steps_[i].scan->body().group_report();
      report.groups += body.groups;
      for (std::string& group : body.interpreted) report.interpreted.push_back(std::move(group));
      for (std::string& step : body.substituted) report.substituted.push_back(std::move(step));
    }
    if (steps_[i].kernel != nullptr) {
      const char* const why = steps_[i].kernel->substituted_because();
      if (why != nullptr) report.substituted.push_back(program_->steps[i].label + ": " + why);
    }
    if (steps_[i].group == nullptr) continue;
    ++report.groups;
    const char* const why = steps_[i].group->interpreted_because();
    if (why != nullptr) report.interpreted.push_back(program_->steps[i].label + ": " + why);
  }
  return report;
}

void CpuExecutable::run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) {
  run_steps(
      bindings, [&](std::size_t i) { return chosen[i] != 0; }, [](std::size_t) {});
}

}  // namespace sinter::backend::cpu
