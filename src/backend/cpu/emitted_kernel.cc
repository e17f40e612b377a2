// emit_group(): a group as a sequence of stages of machine code.
#include <string>

#include "backend/cpu/group_kernel.h"
#include "backend/cpu/rows_stage.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace {

// Maps, and inner groups whose rows are one chunk.
class RowsKernel final : public GroupKernel {
 public:
  explicit RowsKernel(std::unique_ptr<RowsStage> stage) : stage_(std::move(stage)) {}

  void run(void* const* operands, void* scratch) const override {
    stage_->run(operands, static_cast<std::byte*>(scratch));
  }
  std::size_t scratch_bytes() const override { return stage_->scratch_bytes(); }

 private:
  std::unique_ptr<RowsStage> stage_;
};

}  // namespace

std::unique_ptr<GroupKernel> emit_group(const ir::Group& group, Isa isa) {
  if (group.kind == ir::GroupKind::outer) return nullptr;
  if (group.kind == ir::GroupKind::inner && group.reduced_elements() > ir::kInnerChunk) {
    return nullptr;
  }
  std::unique_ptr<RowsStage> stage = RowsStage::make(group, isa, nullptr);
  if (stage == nullptr) return nullptr;
  return std::make_unique<RowsKernel>(std::move(stage));
}

}  // namespace sinter::backend::cpu
