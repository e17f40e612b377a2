// The fused groups of a program: compiled together, loaded as one module, launched one by one.
#ifndef SINTER_BACKEND_CUDA_GROUPS_GROUPS_H_
#define SINTER_BACKEND_CUDA_GROUPS_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda/api.h"
#include "backend/cuda/groups/fused.h"
#include "ir/group.h"
#include "ir/type.h"

namespace sinter::backend::cuda {

class CudaBackend;

// Whether a group reads an operand with this layout: as on the CPU, whose plans are then ours.
bool takes_operand(const ir::Layout& layout);
// Bytes of 64-byte aligned memory that a group needs while it runs.
std::int64_t group_workspace_bytes(const ir::Group& group);

class Groups {
 public:
  // Compiles, or finds compiled, what the groups need. Throws Error when there is no compiler.
  Groups(CudaBackend& backend, const std::vector<const ir::Group*>& groups);

  // Enqueues group `group`, the position in what the constructor was given, on these operands.
  // `place` names the step in errors. REQUIRES: the back end's mutex is held.
  void launch(std::size_t group, std::span<void* const> operands, void* workspace,
              const std::string& place) const;

 private:
  struct ModuleDeleter {
    const SinterCudaApi* api;
    void operator()(SinterCudaModule* module) const { api->destroy_module(module); }
  };

  void load(const std::string& source);

  CudaBackend& backend_;
  std::vector<std::vector<GroupLaunch>> launches_;  // of each group
  std::unique_ptr<SinterCudaModule, ModuleDeleter> module_;
  // Of one launch: the workspace, then the operands. Guarded by the back end's mutex.
  mutable std::vector<void*> arguments_;
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_GROUPS_H_
