// The simplest reading of a scalar body: one point, one instruction after the other. What every
// executor must agree with bit for bit (NaNs count as equal).
#ifndef SINTER_IR_EVALUATE_H_
#define SINTER_IR_EVALUATE_H_

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "ir/scalar.h"

namespace sinter::ir {

// One element of any type: its bits, zero-extended (a boolean is 0 or 1).
struct Value {
  Dtype dtype = Dtype::f32;
  std::uint64_t bits = 0;

  friend bool operator==(const Value&, const Value&) = default;
};

// float, double, std::int32_t, std::int64_t, std::uint8_t and bool to a Value and back.
template <class T>
Value to_value(T value);
// REQUIRES: value.dtype == dtype_of<T>.
template <class T>
T from_value(Value value);

bool is_nan(Value value);

// The values of all instructions of `body` at one point: a load of operand i gives operands[i],
// which must have the load's type; `index` of axis i gives indices[i]; a store has the value that
// it stores. Reductions, and anything that breaks a rule of scalar.h, throw InternalError.
std::vector<Value> evaluate(const ScalarBody& body, std::span<const Value> operands,
                            std::span<const std::int64_t> indices = {});

}  // namespace sinter::ir

#endif  // SINTER_IR_EVALUATE_H_
