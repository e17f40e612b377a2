#include "backend/cpu/kernels/small_then.h"

#include <algorithm>
#include <array>
#include <utility>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/small_work.h"

namespace sinter::backend::cpu {

namespace {

constexpr std::int64_t kMostBytes = 512 << 10;

class SmallThen final : public PreparedKernel {
 public:
  SmallThen(const KernelCall& call, std::int64_t result_bytes, std::unique_ptr<Epilogue> epilogue,
            std::unique_ptr<PreparedKernel> contraction)
      : own_inputs_(call.inputs.size()),
        result_bytes_((result_bytes + 63) / 64 * 64),
        contraction_(std::move(contraction)),
        epilogue_(std::move(epilogue)) {}

  std::int64_t workspace_bytes() const override {
    return result_bytes_ + std::max(contraction_->workspace_bytes(), epilogue_->scratch_bytes());
  }
  const char* substituted_because() const override { return contraction_->substituted_because(); }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    std::byte* const rest = static_cast<std::byte*>(workspace) + result_bytes_;
    const std::array<void*, 1> result{workspace};
    contraction_->run(inputs, result.data(), rest);
    epilogue_->run(0, epilogue_->block(), workspace, inputs + own_inputs_, outputs, rest);
  }

 private:
  std::size_t own_inputs_;
  std::int64_t result_bytes_;
  std::unique_ptr<PreparedKernel> contraction_;
  std::unique_ptr<Epilogue> epilogue_;
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_small_then(
    const KernelCall& call, double multiplications, const ir::Group& epilogue,
    std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&)) {
  const std::int64_t bytes =
      call.outputs[0].shape.elements() * static_cast<std::int64_t>(size_of(call.output_dtypes[0]));
  if (multiplications >= kSmallContraction || bytes > kMostBytes) return nullptr;
  std::unique_ptr<Epilogue> whole = Epilogue::whole(epilogue);
  if (whole == nullptr) return nullptr;
  return std::make_unique<SmallThen>(call, bytes, std::move(whole), prepare(call));
}

}  // namespace sinter::backend::cpu
