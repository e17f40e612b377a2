#include "backend/cpu/team_kernel.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "base/parallel.h"

namespace sinter::backend::cpu {

namespace {

using Prepare = std::unique_ptr<PreparedKernel> (*)(const KernelCall&);

// A KernelCall that lives on its own.
class OwnedCall {
 public:
  explicit OwnedCall(const KernelCall& call)
      : op_(call.op),
        attributes_(call.attributes),
        input_dtypes_(call.input_dtypes.begin(), call.input_dtypes.end()),
        inputs_(call.inputs.begin(), call.inputs.end()),
        output_dtypes_(call.output_dtypes.begin(), call.output_dtypes.end()),
        outputs_(call.outputs.begin(), call.outputs.end()) {}

  KernelCall get() const {
    return {op_, attributes_, input_dtypes_, inputs_, output_dtypes_, outputs_};
  }

 private:
  ir::OpId op_;
  ir::Attributes attributes_;
  std::vector<Dtype> input_dtypes_;
  std::vector<ir::Layout> inputs_;
  std::vector<Dtype> output_dtypes_;
  std::vector<ir::Layout> outputs_;
};

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

class TeamKernel final : public PreparedKernel {
 public:
  TeamKernel(const KernelCall& call, bool is_small, Prepare prepare)
      : call_(call), is_small_(is_small), prepare_(prepare), first_size_(size_now()) {
    const parallel::ForeignTeams teams(first_size_);
    first_ = prepare_(call);
  }

  std::int64_t workspace_bytes() const override { return first_->workspace_bytes(); }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    const int size = size_now();
    const parallel::ForeignTeams teams(size);
    if (size == first_size_) return first_->run(inputs, outputs, workspace);
    const PreparedKernel& kernel = for_other(size);
    if (kernel.workspace_bytes() <= first_->workspace_bytes()) {
      return kernel.run(inputs, outputs, workspace);
    }
    const auto bytes = static_cast<std::size_t>(kernel.workspace_bytes() + 63) / 64 * 64;
    const std::unique_ptr<void, Free> more(std::aligned_alloc(64, bytes));
    if (more == nullptr) throw std::bad_alloc();
    kernel.run(inputs, outputs, more.get());
  }

 private:
  int size_now() const { return is_small_ ? 1 : parallel::team_size(); }

  const PreparedKernel& for_other(int size) const {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<PreparedKernel>& kernel = others_[size];
    if (kernel == nullptr) kernel = prepare_(call_.get());
    return *kernel;
  }

  OwnedCall call_;
  bool is_small_;
  Prepare prepare_;
  int first_size_;
  std::unique_ptr<PreparedKernel> first_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::map<int, std::unique_ptr<PreparedKernel>> others_;
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_for_teams(const KernelCall& call, bool is_small,
                                                  Prepare prepare) {
  return std::make_unique<TeamKernel>(call, is_small, prepare);
}

}  // namespace sinter::backend::cpu
