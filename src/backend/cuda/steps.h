// The steps of a program on one memory, launched one after the other: directly, or into a graph
// while the context captures.
#ifndef SINTER_BACKEND_CUDA_STEPS_H_
#define SINTER_BACKEND_CUDA_STEPS_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/code.h"

namespace sinter::backend::cuda {

class Scan;

// Used while the back end's mutex is held.
class Steps {
 public:
  // `steps`: those of `code`, or of the body of one of its scans. `arena`: where their arena lies.
  // All three outlive this.
  Steps(const CudaCode& code, const StepsCode& steps, std::byte* arena);
  ~Steps();
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  std::size_t size() const { return steps_.steps.size(); }
  void bind(const Bindings& bindings) { steps_.addresses.bind(bindings, table_.data()); }
  void launch(std::size_t step);
  void launch_all();
  // Where a step writes, as bound.
  std::span<void* const> outputs(std::size_t step) const {
    return steps_.addresses.outputs(step, table_.data());
  }

 private:
  const CudaCode& code_;
  const StepsCode& steps_;
  std::byte* arena_;
  std::vector<void*> table_;
  std::vector<std::unique_ptr<Scan>> scans_;  // by step; empty when there are none
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_STEPS_H_
