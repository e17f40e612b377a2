// Groups made of parts of a group's body: what is left to compute when some of its values are
// already in memory. So a long reduction becomes several short ones with other groups' code.
#ifndef SINTER_BACKEND_CPU_GROUPS_GROUP_PART_H_
#define SINTER_BACKEND_CPU_GROUPS_GROUP_PART_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ir/group.h"

namespace sinter::backend::cpu {

// Where an operand of a part is: in one of the whole group's, or in scratch.
struct PartOperand {
  int operand = -1;         // of the whole group; -1: scratch
  std::int64_t offset = 0;  // bytes
};

struct GroupPart {
  ir::Group group;
  std::vector<PartOperand> operands;

  // The addresses to run the part with. `addresses` has room for operands.size().
  void locate(void* const* whole, std::byte* scratch, void** addresses) const {
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const PartOperand& it = operands[i];
      std::byte* base = it.operand < 0
                            ? scratch
                            : static_cast<std::byte*>(whole[static_cast<std::size_t>(it.operand)]);
      addresses[i] = base + it.offset;
    }
  }
};

// How the axes of a part stand to those of the whole. Each axis of the part moves along one axis of
// the whole, `step` of its elements at a time.
struct PartAxis {
  std::int64_t length = 1;
  int axis = -1;
  std::int64_t step = 1;
};

class PartBuilder {
 public:
  // `first[axis]` is where the part starts along each axis of the whole.
  PartBuilder(const ir::Group& whole, ir::GroupKind kind, int reduced_axes,
              std::vector<PartAxis> axes, std::vector<std::int64_t> first);

  // A value of the whole is in scratch, at `offset` bytes, with `strides` over the part's axes.
  void replace(std::int32_t value, std::int64_t offset, std::vector<std::int64_t> strides);
  // The part runs `store`, an instruction of the whole.
  void add_store(std::int32_t store);
  // The part computes the value, often a reduction, and stores it in scratch.
  void add_result(std::int32_t value, std::int64_t offset, std::vector<std::int64_t> strides);
  bool empty() const { return part_.group.body.empty(); }
  GroupPart take() { return std::move(part_); }

 private:
  std::int32_t copy(std::int32_t value);
  std::int32_t emit(const ir::ScalarInst& inst);
  std::int32_t copy_index(const ir::ScalarInst& inst);
  std::int64_t operand_of(std::int64_t operand);
  std::int64_t scratch_operand(Dtype dtype, bool output, std::int64_t offset,
                               std::vector<std::int64_t> strides);

  const ir::Group& whole_;
  std::vector<PartAxis> axes_;
  std::vector<std::int64_t> first_;
  GroupPart part_;
  std::vector<std::int32_t> copies_;
  std::vector<std::int64_t> operand_copies_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_GROUP_PART_H_
