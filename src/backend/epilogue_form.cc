#include "backend/epilogue_form.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "ir/symbolic.h"
#include "ir/type.h"

namespace sinter::backend {

namespace {

using ir::ScalarInst;
using ir::ScalarOp;

// Walks from the stores back to the loads. Every instruction and operand must be met.
class Matcher {
 public:
  Matcher(const ir::Group& epilogue, std::int64_t columns)
      : group_(ir::collapse(epilogue)), columns_(columns), met_(group_.body.size()) {}

  std::optional<EpilogueForm> run() {
    if (group_.kind != ir::GroupKind::map || group_.space.elements() == 0) return std::nullopt;
    if (group_.operands.empty() || !is_dense(group_.operands[0])) return std::nullopt;
    if (!match_outputs() || !match_sum(sum_)) return std::nullopt;
    const auto operands = static_cast<std::size_t>(1 + form_.inputs() + form_.outputs());
    const bool all = std::all_of(met_.begin(), met_.end(), [](std::uint8_t met) { return met; });
    if (!all || group_.operands.size() != operands) return std::nullopt;
    return form_;
  }

 private:
  const ScalarInst& meet(std::int32_t position) {
    met_[static_cast<std::size_t>(position)] = 1;
    return group_.body[static_cast<std::size_t>(position)];
  }
  const ScalarInst& at(std::int32_t position) const {
    return group_.body[static_cast<std::size_t>(position)];
  }
  bool is(std::int32_t position, ScalarOp op, Dtype type) const {
    return at(position).op == op && at(position).type == type;
  }

  bool is_dense(const ir::GroupOperand& operand) const {
    return operand.strides == ir::row_major_strides(group_.space);
  }
  // One element a column.
  bool is_along_columns(const ir::GroupOperand& operand) const {
    std::vector<std::int64_t> expected(operand.strides.size(), 0);
    if (columns_ > 1) {
      if (expected.empty() || group_.space[group_.space.rank() - 1] != columns_) return false;
      expected.back() = 1;
    }
    return operand.strides == expected;
  }

  bool match_zero(std::int32_t position) {
    const ScalarInst& zero = meet(position);
    return zero.op == ScalarOp::constant && zero.type == Dtype::f32 &&
           zero.imm == ir::to_immediate(0.0F);
  }

  // The value that is stored into an output; -1 where it is another one or not like the result.
  std::int32_t stored(std::size_t store, std::size_t output) {
    const ScalarInst& inst = meet(static_cast<std::int32_t>(store));
    const bool is_it = static_cast<std::size_t>(inst.imm) == output;
    return is_it && is_dense(group_.operands[output]) ? inst.a : -1;
  }

  // A store beyond the second is not met.
  bool match_outputs() {
    std::vector<std::size_t> stores;
    for (std::size_t i = 0; i < group_.body.size(); ++i) {
      if (group_.body[i].op == ScalarOp::store) stores.push_back(i);
    }
    if (stores.empty()) return false;
    const std::size_t first = group_.operands.size() - stores.size();
    const std::int32_t value = stored(stores[0], first);
    form_.output_dtype = group_.operands[first].dtype;
    if (value < 0 || !match_value(value)) return false;
    return stores.size() == 1 || match_mask(stores[1], first + 1);
  }

  bool match_value(std::int32_t value) {
    if (is_half(form_.output_dtype)) {
      if (!is(value, ScalarOp::convert, form_.output_dtype)) return false;
      value = meet(value).a;
    } else if (form_.output_dtype != Dtype::f32) {
      return false;
    }
    sum_ = value;
    if (!is(value, ScalarOp::select, Dtype::f32)) return true;
    const ScalarInst& choice = meet(value);
    if (!is(choice.a, ScalarOp::lt, Dtype::boolean)) return false;
    const ScalarInst& is_negative = meet(choice.a);
    sum_ = choice.c;
    zero_ = choice.b;
    form_.activation = Activation::relu;
    return is_negative.a == sum_ && is_negative.b == zero_ && match_zero(zero_);
  }

  // It compares what relu does, and with the same zero.
  bool match_mask(std::size_t store, std::size_t output) {
    const std::int32_t value = stored(store, output);
    if (value < 0 || !is(value, ScalarOp::le, Dtype::boolean)) return false;
    const ScalarInst& mask = meet(value);
    form_.has_mask = true;
    return mask.a == sum_ && mask.b == zero_;
  }

  // The operand that a value is, read as f32; -1: none.
  int operand_of(std::int32_t value) const {
    const ScalarInst* inst = &at(value);
    if (inst->op == ScalarOp::convert && inst->type == Dtype::f32) {
      inst = &at(inst->a);
      if (inst->op != ScalarOp::load || !is_half(inst->type)) return -1;
    } else if (inst->op != ScalarOp::load || inst->type != Dtype::f32) {
      return -1;
    }
    return static_cast<int>(inst->imm);
  }
  void meet_operand(std::int32_t value) {
    if (meet(value).op == ScalarOp::convert) meet(at(value).a);
  }

  // From the outermost addition to the result.
  bool match_sum(std::int32_t value) {
    std::vector<int> added;  // operands, the last one first
    while (is(value, ScalarOp::add, Dtype::f32)) {
      const ScalarInst& sum = meet(value);
      const bool is_first = operand_of(sum.a) > 0;
      const std::int32_t term = is_first ? sum.a : sum.b;
      if (operand_of(term) <= 0) return false;
      added.push_back(operand_of(term));
      meet_operand(term);
      value = is_first ? sum.b : sum.a;
    }
    return match_scaled(value) && match_terms(added);
  }

  bool match_scaled(std::int32_t value) {
    if (is(value, ScalarOp::mul, Dtype::f32)) {
      const ScalarInst& product = meet(value);
      const bool is_first = at(product.a).op == ScalarOp::constant;
      const ScalarInst& factor = meet(is_first ? product.a : product.b);
      if (factor.op != ScalarOp::constant) return false;
      form_.scale = ir::from_immediate<float>(factor.imm);
      // Libraries take a factor of 0 for leave to compute nothing.
      if (!std::isfinite(form_.scale) || form_.scale == 0) return false;
      value = is_first ? product.b : product.a;
    }
    if (operand_of(value) != 0) return false;
    meet_operand(value);
    return true;
  }

  bool match_terms(const std::vector<int>& added) {
    for (std::size_t i = added.size(); i-- > 0;) {
      const ir::GroupOperand& operand = group_.operands[static_cast<std::size_t>(added[i])];
      const bool is_last = i == 0;
      const bool is_first = i + 1 == added.size();
      if (is_first && is_along_columns(operand)) {
        form_.bias = added[i] - 1;
        form_.bias_dtype = operand.dtype;
      } else if (is_last && is_dense(operand)) {
        form_.residual = added[i] - 1;
        form_.residual_dtype = operand.dtype;
      } else {
        return false;
      }
    }
    return true;
  }

  ir::Group group_;
  std::int64_t columns_;
  std::vector<std::uint8_t> met_;
  std::int32_t sum_ = -1;
  std::int32_t zero_ = -1;
  EpilogueForm form_;
};

}  // namespace

std::optional<EpilogueForm> epilogue_form(const ir::Group& epilogue, const Shape& result) {
  return Matcher(epilogue, result.rank() == 0 ? 1 : result[result.rank() - 1]).run();
}

}  // namespace sinter::backend
