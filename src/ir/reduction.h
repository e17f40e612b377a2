// The canonical reduction trees: in which order a reduction folds its elements. Fixed here, once,
// for every back end, so that the bits of a reduction depend on nothing but its shape: not on
// threads, vector width, device, or what else was fused into the loop. Position means the row-major
// index over the reduced axes, as the reduction was recorded. `o` is the reduction's operation (+,
// *, max, min).
//
// INNER TREE: the reduced axes are the innermost ones; n elements per row.
//   1. The n positions are cut into chunks of kInnerChunk; the last may be shorter.
//   2. A chunk has kInnerLanes accumulators, each starting at the identity (+0, 1, -inf, +inf).
//      Lane l takes the chunk's positions p with p % kInnerLanes == l in ascending order:
//      acc = acc o x.
//   3. The lanes fold by halves: for w = 64, 32, 16, 8, 4, 2, 1:
//      acc[l] = acc[l] o acc[l + w], l < w.
//   4. The chunks' values fold by neighbours: v[i] = v[2i] o v[2i + 1]; an odd last one moves up as
//      it is; repeat until one is left. (A binary tree aligned to powers of two.)
// A +0 start makes missing lanes and trailing zeros exact: a sum that started at +0 is never -0.
// An empty row gives the identity.
//
// OUTER TREE: the reduced axes are the outermost ones; n rows, each column folds by itself.
//   1. The n rows are cut into chunks of kOuterChunk.
//   2. A chunk has kOuterLanes accumulators a column; lane l takes rows r % kOuterLanes == l in
//      ascending order.
//   3. Lanes fold: (acc[0] o acc[2]) o (acc[1] o acc[3]), which is step 3 above with w = 2, 1.
//   4. Chunks fold by neighbours as above.
//
// maximum: a o b = a is NaN ? a : b is NaN ? b : a < b ? b : a. minimum likewise. NaN results
// compare equal whatever their sign and payload.
#ifndef SINTER_IR_REDUCTION_H_
#define SINTER_IR_REDUCTION_H_

#include <cstdint>

#include "base/anywhere.h"

namespace sinter::ir {

inline constexpr std::int64_t kInnerLanes = 128;
inline constexpr std::int64_t kInnerChunk = 16384;
inline constexpr std::int64_t kOuterLanes = 4;
inline constexpr std::int64_t kOuterChunk = 256;

// Step 4 of both trees: folds `count` values, `stride` elements apart, into values[0]. `combine(a,
// b)` is the operation. Destroys the values.
template <class T, class Combine>
SINTER_ANYWHERE T fold_chunks(T* values, std::int64_t count, std::int64_t stride, Combine combine) {
  while (count > 1) {
    const std::int64_t pairs = count / 2;
    for (std::int64_t i = 0; i < pairs; ++i) {
      values[i * stride] = combine(values[2 * i * stride], values[(2 * i + 1) * stride]);
    }
    if (count % 2 != 0) values[pairs * stride] = values[(count - 1) * stride];
    count = pairs + count % 2;
  }
  return values[0];
}

}  // namespace sinter::ir

#endif  // SINTER_IR_REDUCTION_H_
