// One CUDA device, through the CUDA library. Work is enqueued and runs on the device's own time;
// copy_to_host() and synchronize() wait for it, and throw what went wrong meanwhile.
#ifndef SINTER_BACKEND_CUDA_BACKEND_H_
#define SINTER_BACKEND_CUDA_BACKEND_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/api.h"

namespace sinter::backend::cuda {

// What errors say about a step.
struct StepName {
  std::string op;     // "gather"
  std::string place;  // "embedding: gather (model.cc:12)"
};

// Any thread may call; calls take turns. Once the device is lost every call throws, saying so,
// except release().
class CudaBackend : public Backend {
 public:
  // `api` lives as long as this. Throws Error when the device cannot be used.
  CudaBackend(const SinterCudaApi* api, int device);
  ~CudaBackend() override;
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  const char* name() const override { return name_.c_str(); }
  bool is_host() const override { return false; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory, std::size_t bytes) override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void synchronize() override;
  bool accepts(const KernelCall& call, int input) override;
  bool group_accepts(const ir::Layout& layout) override;
  FusionLimits fusion_limits() const override;
  std::vector<std::string> candidates(const KernelCall& call) override;
  std::optional<PreparedCall> prepare(const KernelCall& call, const std::string& candidate,
                                      const ir::Group* epilogue) override;
  std::int64_t workspace_bytes(const ir::Group& group) override;
  std::shared_ptr<const Code> prepare(std::shared_ptr<const ir::Program> program) override;

  // The device as it was described at the start.
  const SinterCudaDevice& device() const { return device_; }
  // 100 * major + 10 * minor
  int architecture() const { return 100 * device_.major + 10 * device_.minor; }
  bool is_emulated() const { return device_.is_emulated != 0; }

  // For Code and Sessions, which hold the mutex while they use the context.
  std::recursive_mutex& mutex() { return mutex_; }
  const SinterCudaApi& api() const { return *api_; }
  SinterCudaContext* context() const { return context_; }
  // Throws Error when the device is lost.
  void check_usable() const;
  // Throws what a failing call of the library means. `place` names the step or what was tried;
  // empty: the device says enough.
  void check(int status, const std::string& place = "");
  // Device memory; `purpose` is for the message when there is not enough.
  void* allocate_for(std::size_t bytes, const std::string& purpose);

  // Gives numbers to steps, the first one returned and those after it, by which kernels report
  // errors.
  std::int32_t add_steps(std::vector<StepName> names);
  // Waits, and keeps an error of these steps for the next call that waits.
  void remove_steps(std::int32_t first) noexcept;
  // Kernels that may report errors were enqueued.
  void note_kernels() { has_kernels_ = true; }

 private:
  std::string take_kernel_error();
  void throw_kernel_error();

  const SinterCudaApi* api_;
  std::string name_;
  SinterCudaDevice device_{};
  SinterCudaContext* context_ = nullptr;
  std::recursive_mutex mutex_;
  std::string lost_;           // why the device is lost; empty: it is not
  bool has_kernels_ = false;   // enqueued since errors were last looked for
  std::string pending_error_;  // of steps that are gone
  std::map<std::int32_t, std::vector<StepName>> steps_;
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_BACKEND_H_
