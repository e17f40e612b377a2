// What the interpreter works out about a group before it runs: the steps of each pass and where
// their values lie.
#ifndef SINTER_BACKEND_CPU_GROUPS_INTERPRETER_PLAN_H_
#define SINTER_BACKEND_CPU_GROUPS_INTERPRETER_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cpu/groups/tile_ops.h"
#include "ir/group.h"

namespace sinter::backend::cpu {

// How the elements that an instruction loads or stores, in row-major order, lie in memory: the axes
// of the full space or of its kept axes, merged as far as this one operand allows. At least one
// axis.
struct Access {
  std::size_t operand = 0;
  std::size_t element_bytes = 0;
  std::vector<std::int64_t> lengths;
  std::vector<std::int64_t> strides;
};

// A value lies in the block's memory (as long as the block is worked on) or in the tile's.
struct Place {
  enum class Where : std::uint8_t { none, block, tile };
  Where where = Where::none;
  std::size_t offset = 0;
};

struct Step {
  enum class Kind : std::uint8_t { load, index, compute, expand, reduce, store };
  Kind kind = Kind::compute;
  Dtype type = Dtype::f32;
  Place out;  // what a step computes
  Place a;
  Place b;
  Place c;
  TileFunction function = nullptr;  // compute
  std::int64_t imm = 0;             // compute
  std::size_t access = 0;     // load, store: position in accesses; index: likewise, strides are
                              // 1 along the axis and 0 elsewhere
  std::size_t reduction = 0;  // reduce: position in reductions
};

struct Reduction {
  ReduceFunctions functions;
  Dtype type = Dtype::f32;
  int pass = 0;
  std::size_t lanes = 0;   // offset in the tile's memory
  std::size_t chunks = 0;  // offset in the block's memory: [chunk][width]
  Place result;
};

struct Constant {
  Dtype type = Dtype::f32;
  std::int64_t bits = 0;
  std::size_t offset = 0;  // in the block's memory, kTile times
};

// One pass over a block: first the row steps (on one value a row, or a column of an outer group),
// then the tiles.
struct Pass {
  std::vector<Step> row_steps;
  std::vector<Step> tile_steps;
  std::vector<std::size_t> reductions;
};

// A block is what has one set of row values: some rows of an inner group, some columns of an outer
// group, some elements of a map (which runs as an outer group of one row).
struct InterpreterPlan {
  bool inner = false;
  std::int64_t reduced = 1;      // elements folded together
  std::int64_t kept = 1;         // rows of an inner group, columns of an outer one
  std::int64_t width = 1;        // rows or columns of a block
  std::int64_t chunk = 1;        // reduced elements of a chunk
  std::int64_t chunk_count = 0;  // per block
  std::vector<Access> accesses;
  std::vector<Constant> constants;
  std::vector<Reduction> reductions;
  std::vector<Pass> passes;
  std::size_t block_bytes = 0;
  std::size_t tile_bytes = 0;

  std::int64_t blocks() const { return (kept + width - 1) / width; }
  // Rows of an inner group that are so short that a tile has several are folded one by one.
  bool short_rows() const;
};

InterpreterPlan plan_interpreter(const ir::Group& group);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_INTERPRETER_PLAN_H_
