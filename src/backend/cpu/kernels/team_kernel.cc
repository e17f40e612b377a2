#include "backend/cpu/kernels/team_kernel.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

#include "backend/cpu/small_work.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {

namespace {

using Prepare = std::unique_ptr<PreparedKernel> (*)(const KernelCall&);

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

class TeamKernel final : public PreparedKernel {
 public:
  TeamKernel(const KernelCall& call, double multiplications, Prepare prepare)
      : call_(call),
        is_small_(multiplications < kSmallContraction),
        prepare_(prepare),
        first_size_(size_now()) {
    {
      const parallel::ForeignTeams teams(first_size_);
      first_ = prepare_(call);
    }
    workspace_bytes_ = first_->workspace_bytes();
    // A small program may be its place, which runs in the caller's thread.
    if (first_size_ == 1 || multiplications >= kSmallProgramNs * kMultiplicationsPerNs) return;
    const parallel::ForeignTeams teams(1);
    workspace_bytes_ = std::max(workspace_bytes_, for_other(1).workspace_bytes());
  }

  std::int64_t workspace_bytes() const override { return workspace_bytes_; }
  const char* substituted_because() const override { return first_->substituted_because(); }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    const int size = size_now();
    const parallel::ForeignTeams teams(size);
    if (size == first_size_) return first_->run(inputs, outputs, workspace);
    const PreparedKernel& kernel = for_other(size);
    if (kernel.workspace_bytes() <= workspace_bytes_) {
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
  std::int64_t workspace_bytes_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::map<int, std::unique_ptr<PreparedKernel>> others_;
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_for_teams(const KernelCall& call, double multiplications,
                                                  Prepare prepare) {
  return std::make_unique<TeamKernel>(call, multiplications, prepare);
}

}  // namespace sinter::backend::cpu
