#include "ir/type.h"

namespace sinter::ir {

std::vector<std::int64_t> row_major_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(shape.rank()));
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  return strides;
}

Layout dense_layout(const Shape& shape) { return {shape, 0, row_major_strides(shape)}; }

bool is_dense(const Layout& layout) {
  std::int64_t stride = 1;
  for (int axis = layout.shape.rank() - 1; axis >= 0; --axis) {
    if (layout.shape[axis] == 1) continue;
    if (layout.strides[static_cast<std::size_t>(axis)] != stride) return false;
    stride *= layout.shape[axis];
  }
  return true;
}

}  // namespace sinter::ir
