// Results that need not be computed again.
#ifndef SINTER_TENSOR_KNOWN_RESULT_H_
#define SINTER_TENSOR_KNOWN_RESULT_H_

#include <span>

#include "ir/op.h"
#include "sinter/tensor.h"

namespace sinter {

// apply_one(op, ...) for a call whose result is known to be `value`: nothing runs and no node is
// recorded, but gradients go through the call as if it had been made.
Tensor apply_known(const ir::Op& op, std::span<const Tensor> inputs,
                   const ir::Attributes& attributes, SourceLocation location, const Tensor& value);

}  // namespace sinter

#endif  // SINTER_TENSOR_KNOWN_RESULT_H_
