#include "ir/evaluate.h"

#include <bit>
#include <concepts>
#include <string>

#include "base/half.h"
#include "ir/internal_error.h"
#include "ir/scalar_ops.h"

namespace sinter::ir {

template <class T>
Value to_value(T value) {
  if constexpr (std::same_as<T, float>) {
    return {Dtype::f32, std::bit_cast<std::uint32_t>(value)};
  } else if constexpr (std::same_as<T, double>) {
    return {Dtype::f64, std::bit_cast<std::uint64_t>(value)};
  } else if constexpr (std::same_as<T, std::int32_t>) {
    return {Dtype::i32, static_cast<std::uint32_t>(value)};
  } else {
    return {dtype_of<T>, static_cast<std::uint64_t>(value)};
  }
}

template <class T>
T from_value(Value value) {
  if (value.dtype != dtype_of<T>) throw InternalError("a value was read as another type");
  if constexpr (std::same_as<T, float>) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits));
  } else if constexpr (std::same_as<T, double>) {
    return std::bit_cast<double>(value.bits);
  } else {
    return static_cast<T>(value.bits);
  }
}

template Value to_value(float);
template Value to_value(double);
template Value to_value(std::int32_t);
template Value to_value(std::int64_t);
template Value to_value(std::uint8_t);
template Value to_value(bool);
template float from_value(Value);
template double from_value(Value);
template std::int32_t from_value(Value);
template std::int64_t from_value(Value);
template std::uint8_t from_value(Value);
template bool from_value(Value);

namespace {

[[noreturn]] void reject(const ScalarInst& instruction) {
  throw InternalError("cannot evaluate " + std::string(name_of(instruction.op)) + " of " +
                      std::string(name_of(instruction.type)));
}

template <class T>
Value comparison(const ScalarInst& instruction, T a, T b) {
  switch (instruction.op) {
    case ScalarOp::eq:
      return to_value(a == b);
    case ScalarOp::ne:
      return to_value(a != b);
    case ScalarOp::lt:
      return to_value(a < b);
    case ScalarOp::le:
      return to_value(a <= b);
    default:
      reject(instruction);
  }
}

bool is_comparison(ScalarOp op) { return op >= ScalarOp::eq && op <= ScalarOp::le; }

template <class T>
Value floating(const ScalarInst& instruction, const Value* x) {
  const auto arg = [&](int i) { return from_value<T>(x[i]); };
  switch (instruction.op) {
    case ScalarOp::add:
      return to_value(scalar::add(arg(0), arg(1)));
    case ScalarOp::sub:
      return to_value(scalar::subtract(arg(0), arg(1)));
    case ScalarOp::mul:
      return to_value(scalar::multiply(arg(0), arg(1)));
    case ScalarOp::div:
      return to_value(arg(0) / arg(1));
    case ScalarOp::fma:
      return to_value(scalar::fma(arg(0), arg(1), arg(2)));
    case ScalarOp::neg:
      return to_value(scalar::negate(arg(0)));
    case ScalarOp::abs:
      return to_value(scalar::abs(arg(0)));
    case ScalarOp::sqrt:
      return to_value(scalar::sqrt(arg(0)));
    case ScalarOp::round_even:
      return to_value(scalar::round_even(arg(0)));
    case ScalarOp::floor:
      return to_value(scalar::floor(arg(0)));
    case ScalarOp::ceil:
      return to_value(scalar::ceil(arg(0)));
    case ScalarOp::trunc:
      return to_value(scalar::trunc(arg(0)));
    case ScalarOp::wrap_angle:
      return to_value(scalar::wrap_angle(arg(0), static_cast<int>(instruction.imm)));
    default:
      reject(instruction);
  }
}

template <class T>
Value integral(const ScalarInst& instruction, const Value* x) {
  const auto arg = [&](int i) { return from_value<T>(x[i]); };
  const int distance = static_cast<int>(instruction.imm);
  switch (instruction.op) {
    case ScalarOp::add:
      return to_value(scalar::add(arg(0), arg(1)));
    case ScalarOp::sub:
      return to_value(scalar::subtract(arg(0), arg(1)));
    case ScalarOp::mul:
      return to_value(scalar::multiply(arg(0), arg(1)));
    case ScalarOp::neg:
      return to_value(scalar::negate(arg(0)));
    case ScalarOp::bit_and:
      return to_value(static_cast<T>(arg(0) & arg(1)));
    case ScalarOp::bit_or:
      return to_value(static_cast<T>(arg(0) | arg(1)));
    case ScalarOp::bit_xor:
      return to_value(static_cast<T>(arg(0) ^ arg(1)));
    case ScalarOp::bit_not:
      return to_value(static_cast<T>(~arg(0)));
    case ScalarOp::shift_left:
      return to_value(scalar::shift_left(arg(0), distance));
    case ScalarOp::shift_right:
      return to_value(scalar::shift_right(arg(0), distance));
    case ScalarOp::shift_right_logical:
      return to_value(scalar::shift_right_logical(arg(0), distance));
    default:
      reject(instruction);
  }
}

Value mask(const ScalarInst& instruction, const Value* x) {
  const auto arg = [&](int i) { return from_value<bool>(x[i]); };
  switch (instruction.op) {
    case ScalarOp::bit_and:
      return to_value(scalar::mask_and(arg(0), arg(1)));
    case ScalarOp::bit_or:
      return to_value(scalar::mask_or(arg(0), arg(1)));
    case ScalarOp::bit_xor:
      return to_value(scalar::mask_xor(arg(0), arg(1)));
    case ScalarOp::bit_not:
      return to_value(scalar::mask_not(arg(0)));
    default:
      reject(instruction);
  }
}

template <class From>
Value convert_number(const ScalarInst& instruction, From from) {
  switch (instruction.type) {
    case Dtype::f32:
      return to_value(scalar::convert<float>(from));
    case Dtype::f64:
      return to_value(scalar::convert<double>(from));
    case Dtype::i32:
      return to_value(scalar::convert<std::int32_t>(from));
    case Dtype::i64:
      return to_value(scalar::convert<std::int64_t>(from));
    case Dtype::boolean:
      return to_value(scalar::convert<bool>(from));
    case Dtype::u8:
      if constexpr (scalar::RealInteger<From> || std::same_as<From, bool>) {
        return to_value(static_cast<std::uint8_t>(from));
      }
      break;
    case Dtype::bf16:
      if constexpr (std::same_as<From, float>) return {Dtype::bf16, bf16_from_f32(from)};
      break;
    case Dtype::f16:
      if constexpr (std::same_as<From, float>) return {Dtype::f16, f16_from_f32(from)};
      break;
  }
  reject(instruction);
}

Value convert_value(const ScalarInst& instruction, Value from) {
  switch (from.dtype) {
    case Dtype::f32:
      return convert_number(instruction, from_value<float>(from));
    case Dtype::f64:
      return convert_number(instruction, from_value<double>(from));
    case Dtype::i32:
      return convert_number(instruction, from_value<std::int32_t>(from));
    case Dtype::i64:
      return convert_number(instruction, from_value<std::int64_t>(from));
    case Dtype::u8:
      return convert_number(instruction, std::int32_t{from_value<std::uint8_t>(from)});
    case Dtype::boolean:
      return convert_number(instruction, from_value<bool>(from));
    case Dtype::bf16:
      return convert_number(instruction, f32_from_bf16(static_cast<std::uint16_t>(from.bits)));
    case Dtype::f16:
      return convert_number(instruction, f32_from_f16(static_cast<std::uint16_t>(from.bits)));
  }
  reject(instruction);
}

Value select_value(const ScalarInst& instruction, const Value* x) {
  if (x[1].dtype != instruction.type || x[2].dtype != instruction.type) reject(instruction);
  return from_value<bool>(x[0]) ? x[1] : x[2];
}

Value compare_values(const ScalarInst& instruction, const Value* x) {
  switch (x[0].dtype) {
    case Dtype::f32:
      return comparison(instruction, from_value<float>(x[0]), from_value<float>(x[1]));
    case Dtype::f64:
      return comparison(instruction, from_value<double>(x[0]), from_value<double>(x[1]));
    case Dtype::i32:
      return comparison(instruction, from_value<std::int32_t>(x[0]),
                        from_value<std::int32_t>(x[1]));
    case Dtype::i64:
      return comparison(instruction, from_value<std::int64_t>(x[0]),
                        from_value<std::int64_t>(x[1]));
    default:
      reject(instruction);
  }
}

Value bitcast(const ScalarInst& instruction, Value from) {
  const bool narrow = (from.dtype == Dtype::f32 && instruction.type == Dtype::i32) ||
                      (from.dtype == Dtype::i32 && instruction.type == Dtype::f32);
  const bool wide = (from.dtype == Dtype::f64 && instruction.type == Dtype::i64) ||
                    (from.dtype == Dtype::i64 && instruction.type == Dtype::f64);
  if (!narrow && !wide) reject(instruction);
  return {instruction.type, from.bits};
}

Value constant(const ScalarInst& instruction) {
  const std::uint64_t bits = static_cast<std::uint64_t>(instruction.imm);
  const std::size_t bytes = size_of(instruction.type);
  return {instruction.type, bytes == 8 ? bits : bits & ((std::uint64_t{1} << (8 * bytes)) - 1)};
}

Value index_value(const ScalarInst& instruction, std::span<const std::int64_t> indices) {
  const std::size_t axis = static_cast<std::size_t>(instruction.imm);
  if (axis >= indices.size()) reject(instruction);
  if (instruction.type == Dtype::i64) return to_value(indices[axis]);
  if (instruction.type == Dtype::i32) return to_value(static_cast<std::int32_t>(indices[axis]));
  reject(instruction);
}

// An instruction that computes with x[0 .. 3).
Value compute(const ScalarInst& instruction, const Value* x) {
  if (is_comparison(instruction.op)) return compare_values(instruction, x);
  if (instruction.op == ScalarOp::select) return select_value(instruction, x);
  if (instruction.op == ScalarOp::bitcast) return bitcast(instruction, x[0]);
  if (instruction.op == ScalarOp::convert) return convert_value(instruction, x[0]);
  if (instruction.op == ScalarOp::store) {
    if (x[0].dtype != instruction.type) reject(instruction);
    return x[0];
  }
  switch (instruction.type) {
    case Dtype::f32:
      return floating<float>(instruction, x);
    case Dtype::f64:
      return floating<double>(instruction, x);
    case Dtype::i32:
      return integral<std::int32_t>(instruction, x);
    case Dtype::i64:
      return integral<std::int64_t>(instruction, x);
    case Dtype::boolean:
      return mask(instruction, x);
    default:
      reject(instruction);
  }
}

}  // namespace

bool is_nan(Value value) {
  switch (value.dtype) {
    case Dtype::f32:
      return scalar::is_nan(from_value<float>(value));
    case Dtype::f64:
      return scalar::is_nan(from_value<double>(value));
    case Dtype::bf16:
      return (value.bits & 0x7FFFu) > 0x7F80u;
    case Dtype::f16:
      return (value.bits & 0x7FFFu) > 0x7C00u;
    default:
      return false;
  }
}

std::vector<Value> evaluate(const ScalarBody& body, std::span<const Value> operands,
                            std::span<const std::int64_t> indices) {
  std::vector<Value> values;
  values.reserve(body.size());
  for (const ScalarInst& instruction : body) {
    const std::int32_t positions[3] = {instruction.a, instruction.b, instruction.c};
    Value x[3];
    for (int i = 0; i < operand_count(instruction.op); ++i) {
      const std::size_t position = static_cast<std::size_t>(positions[i]);
      if (position >= values.size()) reject(instruction);
      x[i] = values[position];
    }
    if (instruction.op == ScalarOp::load) {
      const std::size_t operand = static_cast<std::size_t>(instruction.imm);
      if (operand >= operands.size() || operands[operand].dtype != instruction.type) {
        reject(instruction);
      }
      values.push_back(operands[operand]);
    } else if (instruction.op == ScalarOp::constant) {
      values.push_back(constant(instruction));
    } else if (instruction.op == ScalarOp::index) {
      values.push_back(index_value(instruction, indices));
    } else {
      values.push_back(compute(instruction, x));
    }
  }
  return values;
}

}  // namespace sinter::ir
