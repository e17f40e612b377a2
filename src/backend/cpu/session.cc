#include "backend/cpu/session.h"

#include <cstring>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "ir/scan.h"

namespace sinter::backend::cpu {

// Runs the body of a scan once for each step, on the scan's part of the arena.
class ScanSession {
 public:
  // `workspace`: what ir::scan_workspace() describes.
  ScanSession(std::shared_ptr<const CpuCode> body, const ir::Step& step, std::byte* workspace)
      : addresses_(step, workspace), body_(std::move(body), workspace) {}

  // Addresses of the scan's inputs and outputs. Allocates nothing.
  void run(void* const* inputs, void* const* outputs) {
    if (addresses_.length() == 0) {
      for (std::size_t i = 0; i < addresses_.carry_bytes().size(); ++i) {
        const std::size_t bytes = addresses_.carry_bytes()[i];
        if (bytes > 0) std::memcpy(outputs[i], inputs[i], bytes);
      }
    }
    for (std::int64_t t = 0; t < addresses_.length(); ++t) {
      addresses_.bind_step(t, inputs, outputs);
      body_.run({addresses_.inputs(), addresses_.outputs(), {}});
    }
  }

 private:
  ir::ScanAddresses addresses_;
  CpuSession body_;
};

CpuSession::CpuSession(std::shared_ptr<const CpuCode> code, std::byte* arena)
    : code_(std::move(code)), own_arena_(nullptr, {}), arena_(arena) {
  const auto bytes = static_cast<std::size_t>(code_->arena_bytes());
  if (arena_ == nullptr) {
    Backend& backend = code_->backend();
    own_arena_ = {static_cast<std::byte*>(backend.allocate(bytes)), ArenaDeleter{&backend, bytes}};
    arena_ = own_arena_.get();
  }
  code_->clear_zeros(arena_);
  const AddressPlan& addresses = code_->addresses();
  table_.resize(addresses.size());
  addresses.bind_arena(arena_, table_.data());
  if (!code_->has_scans()) return;
  scans_.resize(addresses.step_count());
  for (std::size_t i = 0; i < scans_.size(); ++i) {
    if (code_->body(i) == nullptr) continue;
    scans_[i] = std::make_unique<ScanSession>(code_->body(i), code_->program().steps[i],
                                              arena_ + addresses.step(i).workspace);
  }
}

CpuSession::~CpuSession() = default;

template <class Wants, class Done>
void CpuSession::run_steps(const Bindings& bindings, Wants wants, Done done) {
  const AddressPlan& addresses = code_->addresses();
  addresses.bind(bindings, table_.data());
  std::optional<parallel::CallerOnly> scope;
  if (code_->runs_in_caller()) scope.emplace();
  for (std::size_t i = 0; i < addresses.step_count(); ++i) {
    if (!wants(i)) continue;
    if (!scans_.empty() && scans_[i] != nullptr) {
      const AddressPlan::StepPlan& plan = addresses.step(i);
      void* const* const inputs = table_.data() + plan.first;
      scans_[i]->run(inputs, inputs + plan.input_count);
    } else {
      code_->run_step(i, table_.data(), arena_);
    }
    done(i);
  }
}

void CpuSession::run(const Bindings& bindings) {
  run_steps(
      bindings, [](std::size_t) { return true; }, [](std::size_t) {});
}

void CpuSession::run_watched(const Bindings& bindings,
                             const std::function<void(int, std::span<void* const>)>& after) {
  run_steps(
      bindings, [](std::size_t) { return true; },
      [&](std::size_t i) {
        after(static_cast<int>(i), code_->addresses().outputs(i, table_.data()));
      });
}

void CpuSession::run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) {
  run_steps(
      bindings, [&](std::size_t i) { return chosen[i] != 0; }, [](std::size_t) {});
}

}  // namespace sinter::backend::cpu
