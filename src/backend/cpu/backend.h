// The CPU: oneDNN contractions, fused groups as machine code, everything else in plain C++. Runs on
// the calling thread and OpenMP's; a call returns when its work is done.
#ifndef SINTER_BACKEND_CPU_BACKEND_H_
#define SINTER_BACKEND_CPU_BACKEND_H_

#include <memory>

#include "backend/backend.h"

namespace sinter::backend::cpu {

class CpuBackend : public Backend {
 public:
  const char* name() const override { return "cpu"; }
  bool is_host() const override { return true; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory, std::size_t bytes) override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void synchronize() override {}
  bool accepts(const KernelCall& call, int input) override;
  bool group_accepts(const ir::Layout& layout) override;
  FusionLimits fusion_limits() const override;
  std::vector<std::string> candidates(const KernelCall& call) override;
  std::optional<PreparedCall> prepare(const KernelCall& call, const std::string& candidate,
                                      const ir::Group* epilogue) override;
  std::int64_t workspace_bytes(const ir::Group& group) override;
  std::shared_ptr<const Code> prepare(std::shared_ptr<const ir::Program> program) override;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_BACKEND_H_
