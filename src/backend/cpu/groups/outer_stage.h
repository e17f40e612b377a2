// The first part of an outer group as emitted code: everything at every point, and the reductions'
// values for each chunk of rows.
#ifndef SINTER_BACKEND_CPU_GROUPS_OUTER_STAGE_H_
#define SINTER_BACKEND_CPU_GROUPS_OUTER_STAGE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/groups/emit_outer.h"
#include "backend/cpu/groups/space_walk.h"
#include "ir/group.h"

namespace sinter::backend::cpu {

class OuterStage {
 public:
  // Null when the group cannot be emitted. REQUIRES: collapsed, with one reduced axis and at least
  // one kept one, no elements missing.
  static std::unique_ptr<OuterStage> make(const ir::Group& group, Isa isa, std::string* listing);

  // Runs all chunks and folds them. Afterwards the value of reductions()[i] for kept element k, in
  // row-major order, is the k-th element at scratch + result_offset(i).
  void run(void* const* operands, std::byte* scratch) const;
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  const std::vector<std::int32_t>& reductions() const { return code_.reductions; }
  std::int64_t result_offset(std::size_t reduction) const {
    return static_cast<std::int64_t>(result_offsets_[reduction]);
  }

 private:
  OuterStage() = default;
  void run_item(void* const* operands, std::byte* scratch, std::int64_t item,
                std::int64_t pieces) const;

  OuterCode code_;
  std::vector<OperandWalk> operands_;  // outer: the reduced axis, then the kept ones but the last
  std::vector<std::int64_t> lengths_;  // of the kept axes but the last
  std::int64_t rows_ = 1;
  std::int64_t chunks_ = 1;
  std::int64_t middle_ = 1;  // the product of lengths_
  std::int64_t columns_ = 1;
  std::int64_t kept_ = 1;
  std::int64_t grain_ = 1;
  std::vector<std::size_t> result_offsets_;
  std::vector<ir::ScalarOp> ops_;
  std::vector<Dtype> types_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_OUTER_STAGE_H_
