#include "backend/cpu/kernels/widened.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/machine_code.h"
#include "backend/cpu/vendor/onednn.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace {

// A copy from one type to the other: the axes of `layout` in the order in which they lie in memory, so
// that a transposed matrix is read as it lies.
ir::Group conversion(Dtype from, Dtype to, const std::vector<std::int64_t>& lengths,
                     const std::vector<std::int64_t>& strides,
                     const std::vector<std::int64_t>& dense) {
  ir::Group group;
  group.space = Shape(lengths);
  group.operands = {{from, false, strides}, {to, true, dense}};
  group.body = {{.op = ir::ScalarOp::load, .type = from, .a = -1, .b = -1, .c = -1, .imm = 0},
                {.op = ir::ScalarOp::convert, .type = to, .a = 0, .b = -1, .c = -1, .imm = 0},
                {.op = ir::ScalarOp::store, .type = to, .a = 1, .b = -1, .c = -1, .imm = 1}};
  return group;
}

std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

// One operand on its way to f32, or the result on its way back.
struct Conversion {
  std::shared_ptr<const GroupKernel> kernel;
  std::int64_t place = 0;  // of the f32 elements in the workspace
};

class WidenedKernel final : public PreparedKernel {
 public:
  WidenedKernel(const KernelCall& call,
                std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&)) {
    std::vector<ir::Layout> inputs;
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      inputs.push_back(add_input(call.input_dtypes[i], call.inputs[i]));
    }
    const ir::Layout& result = call.outputs[0];
    if (call.output_dtypes[0] != Dtype::f32) {
      const std::vector<std::int64_t> count = {result.shape.elements()};
      output_ = {group_kernel(conversion(Dtype::f32, call.output_dtypes[0], count, {1}, {1})),
                 reserve(result.shape.elements())};
      scratch_bytes_ = std::max(scratch_bytes_, output_.kernel->scratch_bytes());
    }
    const std::vector<Dtype> dtypes(call.inputs.size(), Dtype::f32);
    const std::array<Dtype, 1> output_dtypes{Dtype::f32};
    product_ = prepare({call.op, call.attributes, dtypes, inputs, output_dtypes, call.outputs});
  }

  std::int64_t workspace_bytes() const override {
    return elements_bytes_ + std::max(product_->workspace_bytes(),
                                      aligned(static_cast<std::int64_t>(scratch_bytes_)));
  }
  const char* substituted_because() const override { return product_->substituted_because(); }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    auto* const memory = static_cast<std::byte*>(workspace);
    void* const rest = memory + elements_bytes_;
    std::array<void*, 4> widened{};
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      widened[i] = memory + inputs_[i].place;
      const std::array<void*, 2> operands{inputs[i], widened[i]};
      inputs_[i].kernel->run(operands.data(), rest);
    }
    std::array<void*, 1> result{outputs[0]};
    if (output_.kernel != nullptr) result[0] = memory + output_.place;
    product_->run(widened.data(), result.data(), rest);
    if (output_.kernel == nullptr) return;
    const std::array<void*, 2> operands{result[0], outputs[0]};
    output_.kernel->run(operands.data(), rest);
  }

 private:
  std::int64_t reserve(std::int64_t elements) {
    const std::int64_t place = elements_bytes_;
    elements_bytes_ += aligned(elements * static_cast<std::int64_t>(sizeof(float)));
    return place;
  }

  // Gives the layout of the widened operand: dense, its axes in the order of the given strides.
  ir::Layout add_input(Dtype dtype, const ir::Layout& layout) {
    const int rank = layout.shape.rank();
    std::vector<int> order;
    for (int axis = 0; axis < rank; ++axis) order.push_back(axis);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return layout.strides[static_cast<std::size_t>(a)] >
             layout.strides[static_cast<std::size_t>(b)];
    });
    ir::Layout widened = layout;
    widened.offset = 0;
    std::vector<std::int64_t> lengths(order.size()), strides(order.size()), dense(order.size());
    std::int64_t stride = 1;
    for (std::size_t i = order.size(); i-- > 0;) {
      const auto axis = static_cast<std::size_t>(order[i]);
      lengths[i] = layout.shape[order[i]];
      strides[i] = layout.strides[axis];
      dense[i] = stride;
      widened.strides[axis] = stride;
      stride *= lengths[i];
    }
    inputs_.push_back({group_kernel(conversion(dtype, Dtype::f32, lengths, strides, dense)),
                       reserve(layout.shape.elements())});
    scratch_bytes_ = std::max(scratch_bytes_, inputs_.back().kernel->scratch_bytes());
    return widened;
  }

  std::vector<Conversion> inputs_;
  Conversion output_;
  std::unique_ptr<PreparedKernel> product_;
  std::int64_t elements_bytes_ = 0;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_widened(
    const KernelCall& call, std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&)) {
  const Dtype dtype = call.input_dtypes[0];
  if (dtype != Dtype::bf16 && dtype != Dtype::f16) {
    throw ir::InternalError("a contraction of " + std::string(name_of(dtype)));
  }
  return std::make_unique<WidenedKernel>(call, prepare);
}

bool multiplies_bf16() {
  return may_use_onednn() && group_target().isa == Isa::avx512 && onednn::multiplies_bf16();
}

}  // namespace sinter::backend::cpu
