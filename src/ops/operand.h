// From the operands of a user function to Tensors.
#ifndef SINTER_OPS_OPERAND_H_
#define SINTER_OPS_OPERAND_H_

#include <span>
#include <vector>

#include "sinter/tensor.h"

namespace sinter::ops {

// Throws Error, naming `where`, for a number that the dtype does not hold: 0.5 in i32, 2 in bool.
// Floats hold every number, rounded.
void check_number(const char* where, double number, Dtype dtype);

// A number as a scalar Tensor of `dtype`: a constant node in a trace, memory outside (so that
// changing numbers do not make new programs). Throws as check_number does.
Tensor number_tensor(const char* where, double number, Dtype dtype, SourceLocation location);

// The operand's Tensor; a number alone is f32.
Tensor tensor_of(const char* where, const Operand& operand);

// The operands' Tensors. Numbers take the dtype of the first Tensor from position `first` on (a
// condition before it says nothing about the dtype), or f32 beside none.
std::vector<Tensor> tensors_of(const char* where, std::span<const Operand* const> operands,
                               std::size_t first = 0);

}  // namespace sinter::ops

#endif  // SINTER_OPS_OPERAND_H_
