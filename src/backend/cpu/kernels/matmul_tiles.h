// The innermost loops of f32 matrix products: a tile of results that stays in registers, for each
// instruction set.
#ifndef SINTER_BACKEND_CPU_KERNELS_MATMUL_TILES_H_
#define SINTER_BACKEND_CPU_KERNELS_MATMUL_TILES_H_

#include <cstdint>

#include "backend/cpu/groups/group_kernel.h"

namespace sinter::backend::cpu {

// Strides in elements; b's and y's columns lie side by side, and b has whole vectors of them.
struct TileCall {
  const float* a = nullptr;
  std::int64_t a_row = 0, a_column = 0;
  const float* b = nullptr;
  std::int64_t b_row = 0, depth = 0;
  float* y = nullptr;
  std::int64_t y_row = 0, columns = 0;
  bool fresh = true;  // y is set, else added to
};

// y (rows, columns) from a (rows, depth) and b (depth, columns): to each element its products are
// added by fused multiply-adds in ascending order.
using Tile = void (*)(const TileCall& call);

// Tiles of one or of two vectors of columns; entry i is for i + 1 rows. Of `dense` ones a's rows
// lie side by side (a_row is 1).
struct Tiles {
  std::int64_t vector;  // elements
  struct Rows {
    const Tile* dense;
    int dense_rows;
    const Tile* strided;
    int strided_rows;
  };
  Rows one, two;
  // Steps of k for which two vectors of b stay in the nearest cache, and rows whose part of a stays
  // in the next one.
  std::int64_t depth, row_block;
};

// REQUIRES: x86-64; what is called, a processor that has `isa`.
const Tiles& tiles_for(Isa isa);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_MATMUL_TILES_H_
