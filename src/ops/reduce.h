// Axes of reductions, for functions composed of them.
#ifndef SINTER_OPS_REDUCE_H_
#define SINTER_OPS_REDUCE_H_

#include <cstdint>
#include <vector>

#include "sinter/shape.h"

namespace sinter::ops {

// The axes as ascending ones counted from the front; all for none. Throws Error, naming `where`,
// for one that is not there or twice.
std::vector<std::int64_t> normal_axes(const char* where, const std::vector<int>& axes, int rank);

// `shape` without those axes.
Shape without_axes(const Shape& shape, const std::vector<std::int64_t>& axes);

}  // namespace sinter::ops

#endif  // SINTER_OPS_REDUCE_H_
