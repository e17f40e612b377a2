// A Program made ready for the CPU: each step with its code.
#ifndef SINTER_BACKEND_CPU_CODE_H_
#define SINTER_BACKEND_CPU_CODE_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "backend/addresses.h"
#include "backend/backend.h"
#include "backend/cpu/groups/group_kernel.h"
#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

class CpuCode : public Code, public std::enable_shared_from_this<CpuCode> {
 public:
  // Throws InternalError for a step whose workspace is smaller than what its kernel needs.
  CpuCode(Backend& backend, std::shared_ptr<const ir::Program> program);

  std::int64_t arena_bytes() const override { return program_->arena_bytes; }
  std::unique_ptr<Session> new_session(std::byte* arena) const override;
  void run_once(const Bindings& bindings, std::byte* arena) const override;
  GroupReport group_report() const override;

  // For Sessions.
  Backend& backend() const { return backend_; }
  const ir::Program& program() const { return *program_; }
  const AddressPlan& addresses() const { return addresses_; }
  bool has_scans() const { return has_scans_; }
  // Whether the whole run is small work, which the calling thread does alone.
  bool runs_in_caller() const { return in_caller_; }
  // The body of step `index`; null: it is no scan.
  const std::shared_ptr<const CpuCode>& body(std::size_t index) const { return steps_[index].body; }
  // Writes what ir::Program::zeros says.
  void clear_zeros(std::byte* arena) const;
  // Runs step `index`, which is no scan, on a table of addresses().
  void run_step(std::size_t index, void* const* table, std::byte* arena) const;

 private:
  // A fused group, a kernel, a scan or nothing.
  struct ReadyStep {
    std::shared_ptr<const GroupKernel> group;
    std::shared_ptr<const PreparedKernel> kernel;
    std::shared_ptr<const CpuCode> body;
  };

  ReadyStep make_step(const ir::Step& step) const;

  Backend& backend_;
  std::shared_ptr<const ir::Program> program_;
  AddressPlan addresses_;
  bool in_caller_ = false;
  bool has_scans_ = false;
  std::vector<ReadyStep> steps_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_CODE_H_
