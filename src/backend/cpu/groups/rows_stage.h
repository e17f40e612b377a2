// A map, or an inner group of rows that are one chunk each, as emitted code: how it is cut into
// calls and spread over threads.
#ifndef SINTER_BACKEND_CPU_GROUPS_ROWS_STAGE_H_
#define SINTER_BACKEND_CPU_GROUPS_ROWS_STAGE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/groups/emit_rows.h"
#include "backend/cpu/groups/space_walk.h"
#include "ir/group.h"

namespace sinter::backend::cpu {

class RowsStage {
 public:
  // Null when the group cannot be emitted: see emit_group(). REQUIRES: verify(group) passes; not
  // outer; rows of an inner group have at most kInnerChunk elements.
  static std::unique_ptr<RowsStage> make(const ir::Group& group, Isa isa, std::string* listing);

  void run(void* const* operands, std::byte* scratch) const;
  std::size_t scratch_bytes() const { return slot_bytes_ * static_cast<std::size_t>(slots_); }

 private:
  RowsStage() = default;

  struct Piece {
    std::int64_t first_row = 0;  // over all axes but the inner one
    std::int64_t end_row = 0;
    std::int64_t inner_begin = 0;
    std::int64_t inner_end = 0;
  };
  void run_piece(void* const* operands, std::byte* slot, const Piece& piece) const;

  RowsCode code_;
  std::vector<OperandWalk> operands_;
  std::vector<std::int64_t> lengths_;  // of the axes but the inner one
  std::int64_t rows_ = 1;              // of one call: the length of the last of them
  std::int64_t all_rows_ = 1;
  std::int64_t inner_ = 1;
  bool may_cut_rows_ = false;
  std::int64_t grain_ = 1;  // elements that are worth a thread
  // Values kept between passes: memory for each thread.
  std::vector<std::size_t> saved_offsets_;
  std::size_t slot_bytes_ = 0;
  int slots_ = 1;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_ROWS_STAGE_H_
