#include "backend/cpu/kernels/small_then.h"

#include <algorithm>
#include <array>
#include <utility>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/small_work.h"

namespace sinter::backend::cpu {

namespace {

constexpr std::int64_t kMostBytes = 512 << 10;
constexpr std::size_t kMostOperands = 64;

class SmallThen final : public PreparedKernel {
 public:
  SmallThen(const KernelCall& call, std::int64_t result_bytes, const ir::Group& epilogue,
            std::unique_ptr<PreparedKernel> contraction)
      : own_inputs_(call.inputs.size()),
        result_bytes_((result_bytes + 63) / 64 * 64),
        contraction_(std::move(contraction)),
        epilogue_(group_kernel(epilogue)),
        operands_(epilogue.operands.size()),
        inputs_(static_cast<std::size_t>(
            std::count_if(epilogue.operands.begin(), epilogue.operands.end(),
                          [](const ir::GroupOperand& each) { return !each.output; }))) {}

  std::int64_t workspace_bytes() const override {
    return result_bytes_ + std::max(contraction_->workspace_bytes(),
                                    static_cast<std::int64_t>(epilogue_->scratch_bytes()));
  }
  const char* substituted_because() const override { return contraction_->substituted_because(); }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    std::byte* const rest = static_cast<std::byte*>(workspace) + result_bytes_;
    const std::array<void*, 1> result{workspace};
    contraction_->run(inputs, result.data(), rest);
    std::array<void*, kMostOperands> operands;
    operands[0] = workspace;
    for (std::size_t i = 1; i < operands_; ++i) {
      operands[i] = i < inputs_ ? inputs[own_inputs_ + i - 1] : outputs[i - inputs_];
    }
    epilogue_->run(operands.data(), rest);
  }

 private:
  std::size_t own_inputs_;
  std::int64_t result_bytes_;
  std::unique_ptr<PreparedKernel> contraction_;
  std::shared_ptr<const GroupKernel> epilogue_;
  std::size_t operands_;
  std::size_t inputs_;  // of the operands, the result included
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_small_then(
    const KernelCall& call, double multiplications, const ir::Group& epilogue,
    std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&)) {
  const std::int64_t bytes =
      call.outputs[0].shape.elements() * static_cast<std::int64_t>(size_of(call.output_dtypes[0]));
  if (multiplications >= kSmallContraction || bytes > kMostBytes) return nullptr;
  if (epilogue.operands.size() > kMostOperands) return nullptr;
  return std::make_unique<SmallThen>(call, bytes, epilogue, prepare(call));
}

}  // namespace sinter::backend::cpu
