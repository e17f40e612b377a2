// Machine code for outer groups: a loop over tiles of columns, and in it one over the rows of a
// chunk.
#ifndef SINTER_BACKEND_CPU_GROUPS_EMIT_OUTER_H_
#define SINTER_BACKEND_CPU_GROUPS_EMIT_OUTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/code_memory.h"
#include "backend/cpu/groups/lowered_body.h"

namespace sinter::backend::cpu {

struct OuterSpec {
  // The operands' strides: `row` along the reduced axis, `inner` along the columns.
  LoweredBody body;
  std::int64_t columns = 1;
  int rank = 0;  // axes of the space: the first is reduced, the last has the columns
  bool listing = false;
};

// The code and how to call it; as RowsCode. It runs the stores at every point, and folds each
// reduction's lanes for one chunk of rows. Operands after the group's own are the reductions'
// results, in `reductions`' order: a value for each column.
struct OuterCode {
  enum Arg : int {
    rows,          // at most kOuterChunk
    column_begin,  // the addresses are those of column 0
    tiles_end,     // columns before this are done `tile` at a time: column_begin + a multiple of it
    vectors_end,   // columns from there to this one, `lanes` at a time
    tail,          // 1 when the last columns % lanes are to be done, else 0
    row_start,     // index of the first row
    row_now,       // for the code's use
    zero,          // 0
    axis_start,    // indices of the axes between, counted from the first axis
  };
  std::shared_ptr<CodeMemory> code;
  int lanes = 1;
  std::int64_t tile = 1;
  std::vector<std::int32_t> reductions;
  std::string listing;
};

OuterCode emit_outer(const OuterSpec& spec);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_EMIT_OUTER_H_
