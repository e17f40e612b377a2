#include "ir/group.h"

#include <algorithm>
#include <cstddef>

namespace sinter::ir {

namespace {

// The axes [first, first + count) that a group reduces.
struct ReducedRange {
  int first = 0;
  int count = 0;
  bool contains(int axis) const { return axis >= first && axis < first + count; }
};

ReducedRange reduced_range(const Group& group) {
  const int first = group.kind == GroupKind::inner ? group.space.rank() - group.reduced_axes : 0;
  return {first, group.reduced_axes};
}

// True when `operand` has more than one address along some reduced axis. A reduced axis of length 0
// counts: there is no element there that could be loaded once for the row.
bool moves_along_reduced(const Group& group, const GroupOperand& operand) {
  const ReducedRange reduced = reduced_range(group);
  for (int axis = reduced.first; axis < reduced.first + reduced.count; ++axis) {
    if (group.space[axis] != 1 && operand.strides[static_cast<std::size_t>(axis)] != 0) return true;
  }
  return false;
}

std::int64_t product_of(const Group& group, bool reduced) {
  const ReducedRange range = reduced_range(group);
  std::int64_t product = 1;
  for (int axis = 0; axis < group.space.rank(); ++axis) {
    if (range.contains(axis) == reduced) product *= group.space[axis];
  }
  return product;
}

// One axis of the collapsed space.
struct MergedAxis {
  int innermost = 0;  // the innermost of the old axes in it; its strides are the merged ones
  std::int64_t length = 1;
  bool reduced = false;
  bool indexed = false;
};

bool strides_chain(const Group& group, int outer, int inner) {
  return std::all_of(group.operands.begin(), group.operands.end(),
                     [&](const GroupOperand& operand) {
                       return operand.strides[static_cast<std::size_t>(outer)] ==
                              operand.strides[static_cast<std::size_t>(inner)] * group.space[inner];
                     });
}

}  // namespace

std::int64_t Group::reduced_elements() const { return product_of(*this, true); }

std::int64_t Group::kept_elements() const { return product_of(*this, false); }

Group collapse(const Group& group) {
  const int rank = group.space.rank();
  const ReducedRange reduced = reduced_range(group);
  std::vector<bool> indexed(static_cast<std::size_t>(rank), false);
  for (const ScalarInst& inst : group.body) {
    if (inst.op == ScalarOp::index) indexed[static_cast<std::size_t>(inst.imm)] = true;
  }

  std::vector<MergedAxis> merged;
  std::vector<std::int64_t> new_axis(static_cast<std::size_t>(rank), -1);
  // An axis of length 1 between two others that chain must not keep them apart, so each axis is
  // compared with the last one that stayed.
  for (int axis = 0; axis < rank; ++axis) {
    const MergedAxis next{axis, group.space[axis], reduced.contains(axis),
                          indexed[static_cast<std::size_t>(axis)]};
    if (next.length == 1 && !next.indexed) continue;
    if (!merged.empty()) {
      MergedAxis& last = merged.back();
      if (!last.indexed && !next.indexed && last.reduced == next.reduced &&
          strides_chain(group, last.innermost, axis)) {
        last.innermost = axis;
        last.length *= next.length;
        continue;
      }
    }
    new_axis[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(merged.size());
    merged.push_back(next);
  }

  Group result;
  result.kind = group.kind;
  std::vector<std::int64_t> lengths;
  for (const MergedAxis& axis : merged) {
    lengths.push_back(axis.length);
    if (axis.reduced) ++result.reduced_axes;
  }
  result.space = Shape(lengths);
  for (const GroupOperand& operand : group.operands) {
    GroupOperand& kept = result.operands.emplace_back();
    kept.dtype = operand.dtype;
    kept.output = operand.output;
    for (const MergedAxis& axis : merged) {
      kept.strides.push_back(operand.strides[static_cast<std::size_t>(axis.innermost)]);
    }
  }
  result.body = group.body;
  for (ScalarInst& inst : result.body) {
    if (inst.op == ScalarOp::index) inst.imm = new_axis[static_cast<std::size_t>(inst.imm)];
  }
  return result;
}

std::vector<std::uint8_t> varies_along_reduced(const Group& group) {
  const bool map = group.kind == GroupKind::map;
  const ReducedRange reduced = reduced_range(group);
  std::vector<std::uint8_t> varies;
  varies.reserve(group.body.size());
  for (const ScalarInst& inst : group.body) {
    bool full = false;
    if (inst.op == ScalarOp::load || inst.op == ScalarOp::store) {
      full = moves_along_reduced(group, group.operands[static_cast<std::size_t>(inst.imm)]);
    } else if (inst.op == ScalarOp::index) {
      const int axis = static_cast<int>(inst.imm);
      full = reduced.contains(axis) && group.space[axis] != 1;
    }
    if (!is_reduction(inst.op)) {
      for (const std::int32_t source : {inst.a, inst.b, inst.c}) {
        if (source >= 0 && varies[static_cast<std::size_t>(source)] != 0) full = true;
      }
    }
    if (map) full = inst.op != ScalarOp::constant;
    varies.push_back(full ? 1 : 0);
  }
  return varies;
}

std::vector<int> passes(const Group& group) {
  std::vector<int> result;
  result.reserve(group.body.size());
  for (const ScalarInst& inst : group.body) {
    int pass = 0;
    for (const std::int32_t source : {inst.a, inst.b, inst.c}) {
      if (source < 0) continue;
      const auto position = static_cast<std::size_t>(source);
      pass = std::max(pass, result[position] + (is_reduction(group.body[position].op) ? 1 : 0));
    }
    result.push_back(pass);
  }
  return result;
}

}  // namespace sinter::ir
