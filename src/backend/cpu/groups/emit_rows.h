// Machine code for maps and inner groups: a loop over rows, and in it, for each pass, one over the
// row's elements.
#ifndef SINTER_BACKEND_CPU_GROUPS_EMIT_ROWS_H_
#define SINTER_BACKEND_CPU_GROUPS_EMIT_ROWS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/code_memory.h"
#include "backend/cpu/groups/lowered_body.h"

namespace sinter::backend::cpu {

// What to emit. The body's operands have their strides along rows and along the inner axis.
struct RowsSpec {
  LoweredBody body;
  std::int64_t inner = 1;  // elements of a row; of an inner group at most kInnerChunk
  std::int64_t rows = 1;   // length of the axis before that
  int rank = 0;            // axes of the space: inner is the last, rows the one before (if any)
  bool cuts_rows = false;  // a call may be for a piece of a row; else always for whole rows
  bool listing = false;
};

// The code and how to call it. args: two places per operand (the address of the first element, and
// one that the code uses), then those named below, each an offset from the end of the operands.
struct RowsCode {
  enum Arg : int {
    rows,         // at least 1
    unrolled,     // elements that the unrolled loop does: a multiple of `step`
    vectors,      // elements that it and the loop after it do: a multiple of `lanes`
    tail,         // 1 when the last inner % lanes elements of the row are to be done, else 0
    inner_start,  // index of the first element along the inner axis
    row_start,    // index of the first row; the code changes it
    axis_start,   // and of the other axes, outermost first
  };
  std::shared_ptr<CodeMemory> code;
  int lanes = 1;
  std::int64_t step = 1;
  // Values kept between passes: operands after the group's own. The caller lends a call this many
  // bytes for each, with every row's at a multiple of 64.
  std::vector<std::size_t> saved_bytes;
  std::string listing;
};

RowsCode emit_rows(const RowsSpec& spec);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_EMIT_ROWS_H_
