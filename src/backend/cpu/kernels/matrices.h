// The operands of a batched matrix product (B..., M, K) x (B..., K, N), as few axes as their
// strides allow.
#ifndef SINTER_BACKEND_CPU_KERNELS_MATRICES_H_
#define SINTER_BACKEND_CPU_KERNELS_MATRICES_H_

#include <cstdint>
#include <vector>

#include "backend/backend.h"

namespace sinter::backend::cpu {

struct Axis {
  std::int64_t length, stride;
};

// The axes of both inputs with batch axes of length 1 left out and neighbours merged where the
// strides of both allow it. Batch axes first, then rows and columns.
struct Operands {
  std::vector<Axis> a, b;
};

inline Operands operands_of(const KernelCall& call) {
  const ir::Layout& a = call.inputs[0];
  const ir::Layout& b = call.inputs[1];
  const int rank = a.shape.rank();
  Operands result;
  for (int axis = 0; axis < rank; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const Axis next_a{a.shape[axis], a.strides[i]};
    const Axis next_b{b.shape[axis], b.strides[i]};
    if (axis < rank - 2) {
      if (next_a.length == 1) continue;
      if (!result.a.empty() && result.a.back().stride == next_a.stride * next_a.length &&
          result.b.back().stride == next_b.stride * next_b.length) {
        result.a.back() = {result.a.back().length * next_a.length, next_a.stride};
        result.b.back() = {result.b.back().length * next_b.length, next_b.stride};
        continue;
      }
    }
    result.a.push_back(next_a);
    result.b.push_back(next_b);
  }
  return result;
}

// One product of the batch: lengths, and strides in elements. The result is dense.
struct Matrices {
  std::int64_t m, k, n;
  std::int64_t a_row, a_column, b_row, b_column;
};

inline Matrices matrices_of(const Operands& operands) {
  const Axis& rows = operands.a[operands.a.size() - 2];
  const Axis& inner = operands.a.back();
  const Axis& columns = operands.b.back();
  return {rows.length,   inner.length, columns.length,
          rows.stride,   inner.stride, operands.b[operands.b.size() - 2].stride,
          columns.stride};
}

inline std::int64_t batch_of(const Operands& operands) {
  std::int64_t batch = 1;
  for (std::size_t axis = 0; axis + 2 < operands.a.size(); ++axis) {
    batch *= operands.a[axis].length;
  }
  return batch;
}

// Where item `item` of the batch begins, in elements.
inline std::int64_t batch_offset(const std::vector<Axis>& axes, std::int64_t item) {
  std::int64_t result = 0;
  for (std::size_t axis = axes.size() - 2; axis-- > 0;) {
    result += item % axes[axis].length * axes[axis].stride;
    item /= axes[axis].length;
  }
  return result;
}

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_MATRICES_H_
