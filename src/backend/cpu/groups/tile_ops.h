// The loops of the group interpreter: each works on a tile, a short run of elements that lie one
// after the other, so that the cost of choosing a loop is spread over the run and the loops
// vectorise.
#ifndef SINTER_BACKEND_CPU_GROUPS_TILE_OPS_H_
#define SINTER_BACKEND_CPU_GROUPS_TILE_OPS_H_

#include <cstddef>
#include <cstdint>

#include "ir/scalar.h"

namespace sinter::backend::cpu {

// The most elements a tile has. A multiple of ir::kInnerLanes that divides ir::kInnerChunk.
inline constexpr std::int64_t kTile = 256;

// Computes `count` results into `out` from the tiles a, b and c (null where unused), which do not
// overlap `out`. Booleans are bytes of 0 or 1.
using TileFunction = void (*)(void* out, const void* a, const void* b, const void* c,
                              std::int64_t imm, std::int64_t count);

// The loop of an instruction that computes: no load, index, constant, reduction or store. `source`
// is the type of its operand `a`. REQUIRES: verify() accepts the instruction.
TileFunction tile_function(const ir::ScalarInst& inst, Dtype source);

// Copies `count` elements of `size` bytes that are `stride` elements apart in `from` (0: one
// element repeated) to a tile, and back.
void gather(void* to, const void* from, std::size_t size, std::int64_t stride, std::int64_t count);
void scatter(void* to, const void* from, std::size_t size, std::int64_t stride, std::int64_t count);

// out[i] = start + i * step, `type` being i32 or i64.
void fill_index(void* out, Dtype type, std::int64_t start, std::int64_t step, std::int64_t count);
// out[i] = the constant with these bits (ScalarOp::constant).
void fill_constant(void* out, Dtype type, std::int64_t bits, std::int64_t count);

// The loops of one reduction operation over one type; they follow ir/reduction.h step by step.
struct ReduceFunctions {
  // Sets `count` accumulators to the identity.
  void (*start)(void* lanes, std::int64_t count);
  // Inner tree: folds `count` elements of a row into the kInnerLanes accumulators. The first of
  // them has a position divisible by kInnerLanes.
  void (*add_inner)(void* lanes, const void* values, std::int64_t count);
  // Inner tree: out[0] = the fold of the lanes. Destroys the lanes.
  void (*fold_inner)(void* out, void* lanes);
  // Inner tree, rows of at most kInnerLanes elements: out[r] = the fold of row r.
  void (*fold_rows)(void* out, const void* values, std::int64_t rows, std::int64_t columns);
  // Outer tree: folds rows of `columns` elements into lanes[kOuterLanes][columns]; row 0 of them is
  // row `first_row` of its chunk.
  void (*add_outer)(void* lanes, const void* values, std::int64_t first_row, std::int64_t rows,
                    std::int64_t columns);
  // Outer tree: out[c] = the fold of column c's lanes.
  void (*fold_outer)(void* out, const void* lanes, std::int64_t columns);
  // Both trees: values[chunk][width]; out[c] = the fold of column c; the identity without chunks.
  // Destroys the values.
  void (*fold_chunks)(void* out, void* values, std::int64_t chunks, std::int64_t width);
};

// REQUIRES: is_reduction(op); type is f32, f64, i32 or i64.
ReduceFunctions reduce_functions(ir::ScalarOp op, Dtype type);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_TILE_OPS_H_
