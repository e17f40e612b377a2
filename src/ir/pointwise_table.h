// The pointwise ops as data: one row for each entry of sinter/pointwise_list.h, in its order.
#ifndef SINTER_IR_POINTWISE_TABLE_H_
#define SINTER_IR_POINTWISE_TABLE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "ir/dtype_set.h"
#include "ir/pointwise.h"
#include "ir/symbolic.h"
#include "sinter/pointwise_list.h"

namespace sinter::ir {

struct PointwiseOp {
  const char* name;  // of the user's function: "exp"
  const char* doc;
  int arity;  // 1, 2 or 3
  Accepts accepts;
  ResultType result;
  bool mask_first;  // the first input is boolean, whatever the others are (where)
  // Appends the op's instructions on inputs[0 .. arity), positions of values of element type
  // `dtype`, and returns the position of the result. bf16 and f16 compute in f32, u8 in i32; the
  // result is rounded (or wrapped) to `dtype`. REQUIRES: takes(*this, dtype).
  std::int32_t (*append)(BodyBuilder& builder, Dtype dtype, const std::int32_t* inputs);
};

// The place of an op in the table: PointwiseId::exp.
enum class PointwiseId : std::uint8_t {
#define SINTER_ENTRY(Struct, function) function,
  SINTER_POINTWISE_OPS(SINTER_ENTRY, SINTER_ENTRY, SINTER_ENTRY)
#undef SINTER_ENTRY
};

#define SINTER_ENTRY(Struct, function) +1
inline constexpr int kPointwiseCount =
    SINTER_POINTWISE_OPS(SINTER_ENTRY, SINTER_ENTRY, SINTER_ENTRY);
#undef SINTER_ENTRY

// All ops; pointwise_ops()[static_cast<int>(id)] is the row of `id`.
std::span<const PointwiseOp, kPointwiseCount> pointwise_ops();
const PointwiseOp& pointwise_op(PointwiseId id);
// The row named `name`, or null.
const PointwiseOp* find_pointwise_op(std::string_view name);

// Whether a struct's first input is a condition.
template <class Op>
constexpr bool mask_first() {
  if constexpr (requires { Op::mask_first; }) {
    return Op::mask_first;
  } else {
    return false;
  }
}

// What a rule, or an op, takes.
constexpr DtypeSet dtypes_of(Accepts rule) {
  switch (rule) {
    case Accepts::floating:
      return kFloats;
    case Accepts::number:
      return kNumbers;
    case Accepts::integer:
      return kIntegers;
    case Accepts::boolean:
      return kMasks;
    case Accepts::any:
      break;
  }
  return kEveryDtype;
}
inline bool takes(const PointwiseOp& op, Dtype dtype) { return dtypes_of(op.accepts).has(dtype); }
// The element type of the result for inputs of this one.
inline Dtype result_dtype(const PointwiseOp& op, Dtype dtype) {
  return op.result == ResultType::boolean ? Dtype::boolean : dtype;
}

}  // namespace sinter::ir

#endif  // SINTER_IR_POINTWISE_TABLE_H_
