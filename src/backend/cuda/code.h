// A Program made ready for a CUDA device: the module of its fused groups, its kernels, and what
// errors call its steps.
#ifndef SINTER_BACKEND_CUDA_CODE_H_
#define SINTER_BACKEND_CUDA_CODE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/addresses.h"
#include "backend/cuda/backend.h"
#include "backend/cuda/groups/groups.h"

namespace sinter::backend::cuda {

// The steps of a program, or of the body of a scan.
struct StepsCode {
  explicit StepsCode(const ir::Program& of) : program(of), addresses(of) {}

  struct KernelDeleter {
    const SinterCudaApi* api;
    void operator()(SinterCudaKernel* kernel) const { api->destroy_kernel(kernel); }
  };
  // A fused group, a kernel or a scan.
  struct ReadyStep {
    std::int32_t number = 0;  // among all steps, those of bodies included
    std::size_t group = 0;    // in groups()
    std::unique_ptr<SinterCudaKernel, KernelDeleter> kernel;
    std::unique_ptr<const StepsCode> body;
  };

  const ir::Program& program;
  AddressPlan addresses;
  std::vector<ReadyStep> steps;
};

class CudaCode : public Code, public std::enable_shared_from_this<CudaCode> {
 public:
  // Throws Error when the groups cannot be compiled.
  CudaCode(CudaBackend& backend, std::shared_ptr<const ir::Program> program);
  ~CudaCode() override;
  CudaCode(const CudaCode&) = delete;
  CudaCode& operator=(const CudaCode&) = delete;

  std::int64_t arena_bytes() const override { return program_->arena_bytes; }
  std::unique_ptr<Session> new_session(std::byte* arena) const override;
  void run_once(const Bindings& bindings, std::byte* arena) const override;
  GroupReport group_report() const override;

  // For Sessions, which hold the back end's mutex while they launch.
  CudaBackend& backend() const { return backend_; }
  const ir::Program& program() const { return *program_; }
  const StepsCode& steps() const { return *steps_; }
  const Groups& groups() const { return *groups_; }
  std::int32_t first_step() const { return first_step_; }
  // Enqueues writing what ir::Program::zeros says.
  void clear_zeros(std::byte* arena) const;
  const std::string& place(std::int32_t step) const {
    return places_[static_cast<std::size_t>(step)];
  }
  // Whether it launches other than groups, which may find an error.
  bool has_kernels() const { return has_kernels_; }

 private:
  // How far the steps of a program and its scans have been numbered.
  struct Numbers {
    std::int32_t step = 0;
    std::size_t group = 0;
  };

  void collect(const ir::Program& program, std::vector<const ir::Group*>* groups,
               std::vector<StepName>* names);
  std::unique_ptr<const StepsCode> make_steps(const ir::Program& program, Numbers* numbers) const;
  std::unique_ptr<SinterCudaKernel, StepsCode::KernelDeleter> prepare_kernel(
      const ir::Step& step, std::int32_t number) const;

  CudaBackend& backend_;
  std::shared_ptr<const ir::Program> program_;
  bool has_kernels_ = false;
  std::vector<std::string> places_;
  std::optional<Groups> groups_;
  std::int32_t first_step_ = -1;  // -1: the steps have no names yet
  std::unique_ptr<const StepsCode> steps_;
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_CODE_H_
