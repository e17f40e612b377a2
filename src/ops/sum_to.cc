#include "ops/sum_to.h"

#include "sinter/ops.h"

namespace sinter::ops {

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int added = x.rank() - shape.rank();
  std::vector<int> axes;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool is_new = axis < added;
    if (is_new || (shape[axis - added] == 1 && x.shape()[axis] != 1)) axes.push_back(axis);
  }
  return reshape(sum(x, axes, true), shape);
}

}  // namespace sinter::ops
