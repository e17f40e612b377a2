#include "backend/cpu/code.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/session.h"
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

void append(std::vector<std::string>& list, std::vector<std::string>&& more) {
  for (std::string& each : more) list.push_back(std::move(each));
}

}  // namespace

CpuCode::CpuCode(Backend& backend, std::shared_ptr<const ir::Program> program)
    : backend_(backend),
      program_(std::move(program)),
      addresses_(*program_),
      in_caller_(is_small_work(*program_)) {
  for (const ir::Step& step : program_->steps) {
    steps_.push_back(make_step(step));
    has_scans_ = has_scans_ || step.body != nullptr;
  }
}

CpuCode::ReadyStep CpuCode::make_step(const ir::Step& step) const {
  ReadyStep ready;
  if (step.is_in_place) return ready;
  if (step.group != nullptr) {
    ready.group = group_kernel(*step.group);
    check_workspace(step, static_cast<std::int64_t>(ready.group->scratch_bytes()));
  } else if (step.body != nullptr) {
    ready.body = std::make_shared<const CpuCode>(backend_, step.body);
  } else {
    const Kernel* const kernel = find_kernel(step.op);
    if (kernel == nullptr) throw ir::InternalError("no kernel for step " + step.label);
    ready.kernel = std::dynamic_pointer_cast<const PreparedKernel>(step.prepared);
    if (ready.kernel == nullptr) {
      ready.kernel =
          prepare_kernel(*kernel, OwnedCall(step).get(), step.kernel, step.epilogue.get());
    }
    if (ready.kernel == nullptr) {
      throw ir::InternalError("no kernel takes the epilogue of step " + step.label);
    }
    check_workspace(step, ready.kernel->workspace_bytes());
  }
  return ready;
}

std::unique_ptr<Session> CpuCode::new_session(std::byte* arena) const {
  return std::make_unique<CpuSession>(shared_from_this(), arena);
}

void CpuCode::run_step(std::size_t index, void* const* table, std::byte* arena) const {
  const AddressPlan::StepPlan& plan = addresses_.step(index);
  const ReadyStep& step = steps_[index];
  void* const* const inputs = table + plan.first;
  void* const workspace = arena + plan.workspace;
  if (step.group != nullptr) {
    step.group->run(inputs, workspace);
  } else if (step.kernel != nullptr) {
    step.kernel->run(inputs, inputs + plan.input_count, workspace);
  }
}

void CpuCode::clear_zeros(std::byte* arena) const {
  for (const ir::Program::Span& span : program_->zeros) {
    std::memset(arena + span.offset, 0, static_cast<std::size_t>(span.bytes));
  }
}

void CpuCode::run_once(const Bindings& bindings, std::byte* arena) const {
  if (has_scans_) return CpuSession(shared_from_this(), arena).run(bindings);
  constexpr std::size_t kFewAddresses = 16;
  std::array<void*, kFewAddresses> few;
  std::vector<void*> many;
  void** table = few.data();
  if (addresses_.size() > few.size()) {
    many.resize(addresses_.size());
    table = many.data();
  }
  clear_zeros(arena);
  addresses_.bind_arena(arena, table);
  addresses_.bind(bindings, table);
  std::optional<parallel::CallerOnly> scope;
  if (in_caller_) scope.emplace();
  for (std::size_t i = 0; i < steps_.size(); ++i) run_step(i, table, arena);
}

GroupReport CpuCode::group_report() const {
  GroupReport report;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const ReadyStep& step = steps_[i];
    if (step.body != nullptr) {
      GroupReport body = step.body->group_report();
      report.groups += body.groups;
      append(report.interpreted, std::move(body.interpreted));
      append(report.substituted, std::move(body.substituted));
    } else if (step.kernel != nullptr) {
      const char* const why = step.kernel->substituted_because();
      if (why != nullptr) report.substituted.push_back(program_->steps[i].label + ": " + why);
    } else if (step.group != nullptr) {
      ++report.groups;
      const char* const why = step.group->interpreted_because();
      if (why != nullptr) report.interpreted.push_back(program_->steps[i].label + ": " + why);
    }
  }
  return report;
}

}  // namespace sinter::backend::cpu
