// Which positions of padded rows are valid.
#include <string>

#include "ops/check.h"
#include "ops/operand.h"
#include "sinter/ops.h"

namespace sinter {

Tensor sequence_mask(Operand lengths, std::int64_t length) {
  const Tensor tensor = ops::tensor_of("sequence_mask", lengths);
  ops::check_dtype("sequence_mask", "lengths", {tensor.dtype(), tensor.shape()}, ir::kIndices);
  if (length < 0) {
    raise({.where = "sequence_mask",
           .what = "the padded length must not be negative",
           .got = std::to_string(length),
           .expected = "0 or more",
           .hint = {}});
  }
  std::vector<std::int64_t> shape = tensor.shape().to_vector();
  shape.push_back(1);
  const Tensor column = reshape(tensor, Shape(shape));
  shape.back() = length;
  return less(iota(Shape(shape), tensor.rank(), tensor.dtype()), column);
}

}  // namespace sinter
