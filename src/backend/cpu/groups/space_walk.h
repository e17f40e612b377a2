// Positions in the outer axes of an iteration space, and what they mean for operands' addresses.
#ifndef SINTER_BACKEND_CPU_GROUPS_SPACE_WALK_H_
#define SINTER_BACKEND_CPU_GROUPS_SPACE_WALK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ir/group.h"

namespace sinter::backend::cpu {

// An operand's strides in bytes: those of the outer axes, and the inner one.
struct OperandWalk {
  std::vector<std::int64_t> outer;
  std::int64_t inner = 0;

  // The address at `coordinates` of the outer axes.
  std::byte* at(void* base, const std::int64_t* coordinates) const {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < outer.size(); ++i) offset += outer[i] * coordinates[i];
    return static_cast<std::byte*>(base) + offset;
  }
};

// The coordinates of position `linear` in row-major order.
inline void coordinates_of(std::int64_t linear, const std::vector<std::int64_t>& lengths,
                           std::int64_t* coordinates) {
  for (std::size_t i = lengths.size(); i-- > 0;) {
    coordinates[i] = linear % lengths[i];
    linear /= lengths[i];
  }
}

// How many elements are some ten microseconds of work for one thread: the most of what moving their
// bytes and what running the body takes, at 16 bytes and 2 instructions of `lanes` a nanosecond.
inline std::int64_t grain_of(const ir::Group& group, int lanes) {
  double bytes = 0;
  for (const ir::GroupOperand& operand : group.operands) {
    bytes += static_cast<double>(size_of(operand.dtype));
  }
  const double instructions = static_cast<double>(group.body.size()) / lanes;
  const double nanoseconds = bytes / 16 > instructions / 2 ? bytes / 16 : instructions / 2;
  const double elements = 10000 / (nanoseconds + 0.01);
  return static_cast<std::int64_t>(elements) + 1;
}

// The longest array of args that a call takes on its stack.
inline constexpr int kMaxArgs = 256;

// The group with an axis of length 1 added at the end, along which nothing moves.
ir::Group with_unit_axis(const ir::Group& group);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_SPACE_WALK_H_
