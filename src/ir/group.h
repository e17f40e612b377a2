// A fused group: one loop nest over an iteration space with a straight-line body. The unit that
// eager pointwise ops, reductions and composites run as, and that the compiler fuses chains of them
// into.
#ifndef SINTER_IR_GROUP_H_
#define SINTER_IR_GROUP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/scalar.h"
#include "sinter/shape.h"

namespace sinter::ir {

// One buffer that a group reads or writes.
struct GroupOperand {
  Dtype dtype = Dtype::f32;
  bool output = false;
  // Elements to move per step along each axis of the space; 0 where the operand is broadcast. An
  // output may have stride 0 only along reduced axes (of length > 1), where its value does not
  // vary.
  std::vector<std::int64_t> strides;

  friend bool operator==(const GroupOperand&, const GroupOperand&) = default;
};

enum class GroupKind : std::uint8_t {
  map,    // no reduction
  inner,  // reductions over the `reduced_axes` innermost axes (the inner tree)
  outer,  // reductions over the `reduced_axes` outermost axes (the outer tree)
};

// The meaning: for every point of `space`, run `body`, where a reduction's value is the fold of its
// argument over all points that differ only in the reduced axes. So a body may use a reduction's
// result elementwise again (softmax: reduce_max, exp(x - max), reduce_sum, divide), which makes
// several passes over a row. In an `outer` group a reduction's result may only feed values that do
// not vary along the reduced axes, and their stores: one pass. Outputs may be the same memory as
// inputs with the same strides (in place): a point's loads come before its stores, and an executor
// never reads an element again after a store to it, except in passes that a reduction separates:
// the planner permits in-place only where the load's last pass is the store's. All offsets are in
// the operands' base pointers.
struct Group {
  GroupKind kind = GroupKind::map;
  Shape space;
  int reduced_axes = 0;
  std::vector<GroupOperand> operands;
  ScalarBody body;

  // The product of the lengths of the reduced axes, and of the others.
  std::int64_t reduced_elements() const;
  std::int64_t kept_elements() const;

  friend bool operator==(const Group&, const Group&) = default;
};

// The same group with axes of length 1 dropped and neighbouring axes merged wherever every operand
// allows it (and both are reduced or both kept). What executors work on; a fully contiguous map has
// one axis. A group that uses `index` of an axis keeps that axis apart, even of length 1. When all
// reduced axes go, the kind stays and reduced_axes is 0: the reductions fold one element each.
Group collapse(const Group& group);

// Throws an internal error (ir::InternalError) naming the instruction when the group breaks a rule
// of this file or scalar.h: types, order, ranges, reductions outside their kind.
void verify(const Group& group);

// One line per operand and instruction; parse_group(to_text(g)) == g. Floating constants are hex
// floats. parse_group accepts nothing but what to_text writes for a group that verify accepts; it
// throws Error, naming the line, for anything else.
std::string to_text(const Group& group);
Group parse_group(std::string_view text);

// For each instruction: 1 when its value may differ between points that differ only in the reduced
// axes ("full" value), 0 when it cannot ("row" value). A store is full when its output moves along
// a reduced axis, even if the value does not vary; a row store happens once per row, also when the
// row is empty (a sum over an axis of length 0 stores the identity). For a map: always 1 except
// constants.
std::vector<std::uint8_t> varies_along_reduced(const Group& group);

// For each instruction of an inner group: the pass over the row in which it is first available: 0
// before any reduction; 1 + the highest pass of the reduction it depends on. Reductions have the
// pass in which they fold.
std::vector<int> passes(const Group& group);

}  // namespace sinter::ir

#endif  // SINTER_IR_GROUP_H_
