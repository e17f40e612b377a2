#include "ir/in_place.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace sinter::ir {

namespace {

// For each instruction, the last pass over a row that computes it: values that vary along the row
// are computed again, from their loads on, in every pass that uses them.
std::vector<int> last_passes(const Group& group) {
  const ScalarBody& body = group.body;
  const std::vector<int> first = passes(group);
  std::vector<int> last(body.size(), 0);
  for (std::size_t i = body.size(); i-- > 0;) {
    const ScalarInst& inst = body[i];
    // A reduction's argument is wanted while it folds, whoever uses the result later.
    if (is_reduction(inst.op) || inst.op == ScalarOp::store) last[i] = first[i];
    for (const std::int32_t argument : {inst.a, inst.b, inst.c}) {
      if (argument < 0) continue;
      int& wanted = last[static_cast<std::size_t>(argument)];
      wanted = std::max(wanted, last[i]);
    }
  }
  return last;
}

}  // namespace

bool may_run_in_place(const Group& group, int input, int output) {
  const GroupOperand& from = group.operands[static_cast<std::size_t>(input)];
  const GroupOperand& to = group.operands[static_cast<std::size_t>(output)];
  if (from.output || !to.output || size_of(from.dtype) != size_of(to.dtype)) return false;
  for (std::size_t axis = 0; axis < from.strides.size(); ++axis) {
    if (group.space[static_cast<int>(axis)] > 1 && from.strides[axis] != to.strides[axis]) {
      return false;
    }
  }
  if (group.kind != GroupKind::inner) return true;
  const std::vector<int> last = last_passes(group);
  int read = 0;
  int written = static_cast<int>(group.body.size());
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    const ScalarInst& inst = group.body[i];
    if (inst.op == ScalarOp::load && inst.imm == input) read = std::max(read, last[i]);
    if (inst.op == ScalarOp::store && inst.imm == output) written = std::min(written, last[i]);
  }
  return read <= written;
}

}  // namespace sinter::ir
