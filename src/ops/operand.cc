#include "ops/operand.h"

#include <cmath>
#include <limits>
#include <string>

#include "ops/list.h"
#include "tensor/apply.h"

namespace sinter::ops {

namespace {

template <class T>
bool fits(double number) {
  // The bounds are powers of two, so exact as doubles.
  constexpr double low = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double high = 2.0 * static_cast<double>(std::numeric_limits<T>::max() / 2 + 1);
  return number == std::trunc(number) && number >= low && number < high;
}

bool holds(Dtype dtype, double number) {
  switch (dtype) {
    case Dtype::f32:
    case Dtype::f64:
    case Dtype::bf16:
    case Dtype::f16:
      return true;
    case Dtype::i32:
      return fits<std::int32_t>(number);
    case Dtype::i64:
      return fits<std::int64_t>(number);
    case Dtype::u8:
      return fits<std::uint8_t>(number);
    case Dtype::boolean:
      return number == 0 || number == 1;
  }
  return false;
}

std::string number_text(double number) {
  std::string text = std::to_string(number);
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

}  // namespace

void check_number(const char* where, double number, Dtype dtype) {
  if (!holds(dtype, number)) {
    raise({.where = where,
           .what = "the dtype does not hold the number",
           .got = number_text(number) + " for " + std::string(name_of(dtype)),
           .expected = dtype == Dtype::boolean ? "0 or 1" : "a whole number in its range",
           .hint = "convert the tensor beside it with cast()"});
  }
}

Tensor number_tensor(const char* where, double number, Dtype dtype, SourceLocation location) {
  check_number(where, number, dtype);
  if (!is_tracing()) return scalar(number, dtype);
  return apply_one(kFull, {},
                   {{"shape", std::vector<std::int64_t>{}},
                    {"dtype", static_cast<std::int64_t>(dtype)},
                    {"value", number}},
                   location);
}

Tensor tensor_of(const char* where, const Operand& operand) {
  if (!operand.is_number()) return operand.tensor();
  return number_tensor(where, operand.number(), Dtype::f32, operand.location());
}

std::vector<Tensor> tensors_of(const char* where, std::span<const Operand* const> operands,
                               std::size_t first) {
  Dtype dtype = Dtype::f32;
  for (std::size_t i = first; i < operands.size(); ++i) {
    if (operands[i]->is_number()) continue;
    dtype = operands[i]->tensor().dtype();
    break;
  }
  std::vector<Tensor> tensors;
  for (const Operand* operand : operands) {
    tensors.push_back(operand->is_number()
                          ? number_tensor(where, operand->number(), dtype, operand->location())
                          : operand->tensor());
  }
  return tensors;
}

}  // namespace sinter::ops
