// The gradient of broadcasting.
#ifndef SINTER_OPS_SUM_TO_H_
#define SINTER_OPS_SUM_TO_H_

#include "sinter/tensor.h"

namespace sinter::ops {

// x summed over the axes along which a tensor of `shape` was broadcast to x's shape, in `shape`.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace sinter::ops

#endif  // SINTER_OPS_SUM_TO_H_
