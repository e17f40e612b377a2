#include "backend/cpu/kernels/epilogue.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "backend/cpu/groups/cache.h"
#include "ir/in_place.h"

namespace sinter::backend::cpu {

namespace {

constexpr std::size_t kMostOperands = 64;

bool counts_along(const ir::Group& group, int axis) {
  return std::any_of(group.body.begin(), group.body.end(), [&](const ir::ScalarInst& inst) {
    return inst.op == ir::ScalarOp::index && inst.imm == axis;
  });
}

// The group with `length` places along the axis; the result lies densely in that.
std::shared_ptr<const GroupKernel> kernel_of_block(ir::Group group, int axis, std::int64_t length) {
  std::vector<std::int64_t> lengths = group.space.to_vector();
  lengths[static_cast<std::size_t>(axis)] = length;
  group.space = Shape(lengths);
  std::int64_t stride = 1;
  for (std::size_t i = lengths.size(); i-- > 0;) {
    group.operands[0].strides[i] = stride;
    stride *= lengths[i];
  }
  return group_kernel(group);
}

std::size_t inputs_beside_result(const ir::Group& group) {
  const auto inputs = std::count_if(group.operands.begin(), group.operands.end(),
                                    [](const ir::GroupOperand& each) { return !each.output; });
  return static_cast<std::size_t>(inputs) - 1;
}

// The first output that a result may lie in, which is dense then as the result is.
std::optional<std::size_t> output_like_result(const ir::Group& group) {
  std::size_t output = 0;
  for (std::size_t i = 0; i < group.operands.size(); ++i) {
    if (!group.operands[i].output) continue;
    if (ir::may_run_in_place(group, 0, static_cast<int>(i))) return output;
    ++output;
  }
  return std::nullopt;
}

bool is_dense(const ir::Group& group, const ir::GroupOperand& operand) {
  std::int64_t stride = 1;
  for (int axis = group.space.rank(); axis-- > 0;) {
    const std::int64_t length = group.space[axis];
    if (length != 1 && operand.strides[static_cast<std::size_t>(axis)] != stride) return false;
    stride *= length;
  }
  return true;
}

}  // namespace

std::unique_ptr<Epilogue> Epilogue::cut(const ir::Group& group, int axis, std::int64_t step,
                                        std::int64_t count, std::int64_t block) {
  if (counts_along(group, axis) || group.operands.size() > kMostOperands) return nullptr;
  std::unique_ptr<Epilogue> made(new Epilogue);
  made->block_ = std::min(block, count);
  made->inputs_ = inputs_beside_result(group);
  for (const ir::GroupOperand& operand : group.operands) {
    made->shifts_.push_back(step * operand.strides[static_cast<std::size_t>(axis)] *
                            static_cast<std::int64_t>(size_of(operand.dtype)));
  }
  made->whole_ = kernel_of_block(group, axis, step * made->block_);
  const std::int64_t rest = count % made->block_;
  if (rest != 0) made->rest_ = kernel_of_block(group, axis, step * rest);
  return made;
}

std::unique_ptr<Epilogue> Epilogue::whole(const ir::Group& group) {
  if (group.operands.size() > kMostOperands) return nullptr;
  std::unique_ptr<Epilogue> made(new Epilogue);
  made->inputs_ = inputs_beside_result(group);
  made->shifts_.assign(group.operands.size(), 0);
  made->whole_ = group_kernel(group);
  return made;
}

std::unique_ptr<Epilogue> Epilogue::by_items(const ir::Group& group, std::int64_t items,
                                             std::int64_t block) {
  const ir::Group collapsed = ir::collapse(group);
  const bool folds_first = collapsed.kind == ir::GroupKind::outer && collapsed.reduced_axes > 0;
  const int kept = collapsed.space.rank() - collapsed.reduced_axes;
  if (folds_first || kept == 0 || !is_dense(collapsed, collapsed.operands[0])) return nullptr;
  if (items == 0 || collapsed.space[0] % items != 0) return nullptr;
  std::unique_ptr<Epilogue> made = cut(collapsed, 0, collapsed.space[0] / items, items, block);
  if (made != nullptr) made->in_place_ = output_like_result(collapsed);
  return made;
}

std::unique_ptr<Epilogue> Epilogue::by_columns(const ir::Group& group, std::int64_t rows,
                                               std::int64_t columns, std::int64_t block) {
  const ir::Group collapsed = ir::collapse(group);
  if (collapsed.kind == ir::GroupKind::inner || collapsed.space.rank() != 2) return nullptr;
  if (collapsed.space[0] != rows || collapsed.space[1] != columns) return nullptr;
  if (collapsed.kind == ir::GroupKind::outer && collapsed.reduced_axes != 1) return nullptr;
  if (!is_dense(collapsed, collapsed.operands[0])) return nullptr;
  return cut(collapsed, 1, 1, columns, block);
}

std::int64_t Epilogue::scratch_bytes() const {
  std::size_t bytes = whole_->scratch_bytes();
  if (rest_ != nullptr) bytes = std::max(bytes, rest_->scratch_bytes());
  return static_cast<std::int64_t>((bytes + 63) / 64 * 64);
}

std::byte* Epilogue::place_in_output(std::int64_t first, void* const* inputs,
                                     void* const* outputs) const {
  if (!in_place_) return nullptr;
  void* const output = outputs[*in_place_];
  // Another operand may lie there, for the same reason.
  if (std::find(inputs, inputs + inputs_, output) != inputs + inputs_) return nullptr;
  return static_cast<std::byte*>(output) + first * shifts_[inputs_ + 1 + *in_place_];
}

void Epilogue::run(std::int64_t first, std::int64_t count, void* result, void* const* inputs,
                   void* const* outputs, void* scratch) const {
  assert(first % block_ == 0 && count <= block_);
  std::array<void*, kMostOperands> operands;
  operands[0] = result;
  for (std::size_t i = 1; i < shifts_.size(); ++i) {
    void* const whole = i <= inputs_ ? inputs[i - 1] : outputs[i - 1 - inputs_];
    operands[i] = static_cast<std::byte*>(whole) + first * shifts_[i];
  }
  (count == block_ ? whole_ : rest_)->run(operands.data(), scratch);
}

}  // namespace sinter::backend::cpu
