// The library of a vendor that does not exist: the emulated CUDA library opens it as it would open
// a vendor's. MADE_UP_MAJOR is its version.
#include <cstdint>

#include "backend/cuda/vendor/made_up_api.h"
#include "base/half.h"

namespace {

// From the last k to the first, so that sums round otherwise than those of our own kernel.
void sum_row(const MadeUpProduct& p, std::int64_t row) {
  for (std::int64_t column = 0; column < p.n; ++column) p.workspace[column] = 0;
  for (std::int64_t k = p.k; k-- > 0;) {
    const float left = p.a[row * p.a_strides[0] + k * p.a_strides[1]];
    for (std::int64_t column = 0; column < p.n; ++column) {
      const float right = p.b[k * p.b_strides[0] + column * p.b_strides[1]];
      p.workspace[column] = p.workspace[column] + left * right;
    }
  }
}

void finish(const MadeUpProduct& p, std::int64_t row, std::int64_t column) {
  const std::int64_t place = row * p.n + column;
  float value = p.workspace[column] * p.scale;
  if (p.bias != nullptr) value = value + p.bias[column];
  if (p.residual != nullptr) value = value + p.residual[place];
  if (p.mask != nullptr) p.mask[place] = value <= 0 ? 1 : 0;
  if (p.has_relu != 0 && value < 0) value = 0;
  if (p.y_bits == 16) {
    static_cast<unsigned short*>(p.y)[place] = sinter::bf16_from_f32(value);
  } else {
    static_cast<float*>(p.y)[place] = value;
  }
}

}  // namespace

void made_up_version(std::int32_t* major, std::int32_t* minor) {
  *major = MADE_UP_MAJOR;
  *minor = 4;
}

std::int64_t made_up_workspace_bytes(const MadeUpProduct* product) {
  return product->n * static_cast<std::int64_t>(sizeof(float));
}

void made_up_multiply(const MadeUpProduct* product) {
  for (std::int64_t row = 0; row < product->m; ++row) {
    sum_row(*product, row);
    for (std::int64_t column = 0; column < product->n; ++column) finish(*product, row, column);
  }
}
