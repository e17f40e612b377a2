// Runs a Program on the CPU, step after step.
#ifndef SINTER_BACKEND_CPU_EXECUTOR_H_
#define SINTER_BACKEND_CPU_EXECUTOR_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/groups/group_kernel.h"
#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

class ScanRunner;

class CpuExecutable : public Executable {
 public:
  CpuExecutable(Backend& backend, std::shared_ptr<const ir::Program> program);
  // The body of a scan, whose arena is a part of the outer program's.
  CpuExecutable(Backend& backend, std::shared_ptr<const ir::Program> program, std::byte* arena);
  ~CpuExecutable() override;

  void run(const Bindings& bindings) override;
  void run_watched(const Bindings& bindings,
                   const std::function<void(int, std::span<void* const>)>& after) override;
  GroupReport group_report() const override;
  void run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) override;

 private:
  // One step with its code: a fused group, a kernel or a scan.
  struct ReadyStep {
    std::shared_ptr<const GroupKernel> group;
    std::unique_ptr<PreparedKernel> kernel;
    std::unique_ptr<ScanRunner> scan;
    std::size_t first_address = 0;  // into addresses_: inputs, then outputs
    std::size_t input_count = 0;
    std::size_t output_count = 0;
    void* workspace = nullptr;
  };
  // An address that each run's bindings decide.
  struct ExternalAddress {
    std::size_t position = 0;  // in addresses_
    ir::BufferKind kind = ir::BufferKind::input;
    std::size_t index = 0;
    std::int64_t offset = 0;  // bytes
  };

  void add_steps();
  void add_step(const ir::Step& step);
  void add_address(const ir::Argument& argument);
  void bind(const Bindings& bindings);
  void run_step(const ReadyStep& step) const;
  // Runs steps 0, 1, ...; one that wants(i), with done(i) after it.
  template <class Wants, class Done>
  void run_steps(const Bindings& bindings, Wants wants, Done done);

  Backend& backend_;
  std::shared_ptr<const ir::Program> program_;
  std::byte* arena_ = nullptr;
  bool owns_arena_ = true;
  bool in_caller_ = false;  // the whole run is small work
  std::vector<ReadyStep> steps_;
  std::vector<void*> addresses_;
  std::vector<ExternalAddress> external_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_EXECUTOR_H_
