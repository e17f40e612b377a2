// The steps of a program made ready for a device, and launched one after the other: directly, or
// into a graph while the context captures.
#ifndef SINTER_BACKEND_CUDA_STEPS_H_
#define SINTER_BACKEND_CUDA_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda/backend.h"
#include "backend/cuda/groups/groups.h"
#include "ir/scan.h"

namespace sinter::backend::cuda {

// The code of a program and of the bodies of its scans: the fused groups, in the order in which the
// steps come, and what errors call the steps.
class ProgramCode {
 public:
  ProgramCode(CudaBackend& backend, const ir::Program& program);
  ~ProgramCode();
  ProgramCode(const ProgramCode&) = delete;
  ProgramCode& operator=(const ProgramCode&) = delete;

  CudaBackend& backend() const { return backend_; }
  Groups& groups() { return *groups_; }
  std::int32_t first_step() const { return first_step_; }
  const std::string& place(std::int32_t step) const {
    return places_[static_cast<std::size_t>(step)];
  }
  bool has_kernels() const { return has_kernels_; }

 private:
  void collect(const ir::Program& program, std::vector<const ir::Group*>* groups,
               std::vector<StepName>* names);

  CudaBackend& backend_;
  bool has_kernels_ = false;
  std::vector<std::string> places_;
  std::optional<Groups> groups_;
  std::int32_t first_step_ = 0;
};

// How far the steps of a program and its scans have been numbered.
struct StepNumbers {
  std::int32_t step = 0;
  std::size_t group = 0;
};

class Scan;

class Steps {
 public:
  // `code` and `program` outlive this. `numbers` counts on.
  Steps(ProgramCode& code, const ir::Program& program, std::byte* arena, StepNumbers* numbers);
  ~Steps();
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  std::size_t size() const { return steps_.size(); }
  void bind(const Bindings& bindings);
  void launch(std::size_t step);
  void launch_all();
  // Where a step writes, as bound.
  std::span<void* const> outputs(std::size_t step) const;

 private:
  struct KernelDeleter {
    const SinterCudaApi* api;
    void operator()(SinterCudaKernel* kernel) const { api->destroy_kernel(kernel); }
  };
  // A fused group, a kernel or a scan.
  struct ReadyStep {
    std::int32_t number = 0;
    std::size_t group = 0;
    std::unique_ptr<SinterCudaKernel, KernelDeleter> kernel;
    std::unique_ptr<Scan> scan;
    std::size_t first_address = 0;  // into addresses_: inputs, then outputs
    std::size_t input_count = 0;
    std::size_t output_count = 0;
    void* workspace = nullptr;
  };
  // An address that the bindings decide.
  struct ExternalAddress {
    std::size_t position = 0;  // in addresses_
    ir::BufferKind kind = ir::BufferKind::input;
    std::size_t index = 0;
    std::int64_t offset = 0;  // bytes
  };

  void add_step(const ir::Step& step, StepNumbers* numbers);
  void add_address(const ir::Argument& argument);
  std::unique_ptr<SinterCudaKernel, KernelDeleter> prepare_kernel(const ir::Step& step,
                                                                  std::int32_t number) const;

  ProgramCode& code_;
  std::byte* arena_;
  std::vector<ReadyStep> steps_;
  std::vector<void*> addresses_;
  std::vector<ExternalAddress> external_;
};

// The body of a scan, launched once for each step with the carries by turns in two buffers.
class Scan {
 public:
  // `workspace`: what ir::scan_workspace() describes.
  Scan(ProgramCode& code, const ir::Step& step, std::byte* workspace, StepNumbers* numbers);

  void launch(void* const* inputs, void* const* outputs);

 private:
  CudaBackend& backend_;
  ir::ScanAddresses addresses_;
  Steps body_;
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_STEPS_H_
