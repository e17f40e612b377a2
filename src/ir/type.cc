#include "ir/type.h"

#include <algorithm>

namespace sinter::ir {

std::vector<std::int64_t> row_major_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(shape.rank()));
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= std::max<std::int64_t>(shape[axis], 1);  // 0 would say broadcast
  }
  return strides;
}

Layout dense_layout(const Shape& shape) { return {shape, 0, row_major_strides(shape)}; }

bool is_dense(const Layout& layout) {
  std::int64_t stride = 1;
  for (int axis = layout.shape.rank() - 1; axis >= 0; --axis) {
    if (layout.shape[axis] == 1) continue;
    if (layout.strides[static_cast<std::size_t>(axis)] != stride) return false;
    stride *= std::max<std::int64_t>(layout.shape[axis], 1);
  }
  return true;
}

}  // namespace sinter::ir
