// Instructions as expressions: each is one IEEE 754 operation, or exact.
#include <bit>
#include <limits>
#include <string>

#include "backend/cuda/groups/fused_body.h"
#include "ir/internal_error.h"

namespace sinter::backend::cuda {

namespace {

using ir::ScalarInst;
using ir::ScalarOp;

bool is_integer(Dtype type) { return type == Dtype::i32 || type == Dtype::i64; }

std::string_view unsigned_type(Dtype type) {
  return type == Dtype::i64 ? "unsigned long long" : "unsigned";
}

// Integers wrap: their arithmetic is done unsigned.
std::string arithmetic(const ScalarInst& it, const char* sign) {
  if (!is_integer(it.type)) return fmt::format("v{} {} v{}", it.a, sign, it.b);
  return fmt::format("({0})(({1})v{2} {3} ({1})v{4})", value_type(it.type), unsigned_type(it.type),
                     it.a, sign, it.b);
}

std::string call(const ScalarInst& it, const char* f32, const char* f64) {
  std::string text(it.type == Dtype::f32 ? f32 : f64);
  text += "(v" + std::to_string(it.a);
  if (it.b >= 0) text += ", v" + std::to_string(it.b);
  if (it.c >= 0) text += ", v" + std::to_string(it.c);
  return text + ")";
}

std::string between(const ScalarInst& it, const char* sign) {
  return fmt::format("v{} {} v{}", it.a, sign, it.b);
}

std::string_view bitcast_function(Dtype to) {
  switch (to) {
    case Dtype::f32:
      return "__int_as_float";
    case Dtype::i32:
      return "__float_as_int";
    case Dtype::f64:
      return "__longlong_as_double";
    default:
      return "__double_as_longlong";
  }
}

template <class T>
std::int64_t bits_of(T value) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<std::int32_t>(value);
  else
    return std::bit_cast<std::int64_t>(value);
}

// What a reduction starts at.
template <class T>
std::int64_t identity_bits(ScalarOp op) {
  using Limits = std::numeric_limits<T>;
  const bool is_floating = Limits::has_infinity;
  switch (op) {
    case ScalarOp::reduce_sum:
      return bits_of(T(0));
    case ScalarOp::reduce_product:
      return bits_of(T(1));
    case ScalarOp::reduce_max:
      return bits_of(is_floating ? static_cast<T>(-Limits::infinity()) : Limits::lowest());
    default:
      return bits_of(is_floating ? Limits::infinity() : Limits::max());
  }
}

}  // namespace

std::string_view memory_type(Dtype dtype) {
  constexpr std::string_view names[kDtypeCount] = {
      "float", "double",    "unsigned short", "unsigned short",
      "int",   "long long", "unsigned char",  "unsigned char"};
  return names[static_cast<int>(dtype)];
}

std::string_view value_type(Dtype dtype) {
  return dtype == Dtype::boolean ? "bool" : memory_type(dtype);
}

std::string literal(Dtype dtype, std::int64_t bits) {
  switch (dtype) {
    case Dtype::f32:
      return fmt::format("__int_as_float((int)0x{:08x}u)", static_cast<std::uint32_t>(bits));
    case Dtype::f64:
      return fmt::format("__longlong_as_double((long long)0x{:016x}ull)",
                         static_cast<std::uint64_t>(bits));
    case Dtype::i32:
      return fmt::format("(int)0x{:x}u", static_cast<std::uint32_t>(bits));
    case Dtype::i64:
      return fmt::format("(long long)0x{:x}ull", static_cast<std::uint64_t>(bits));
    case Dtype::boolean:
      return bits != 0 ? "true" : "false";
    default:
      throw ir::InternalError("fused: a constant of type " + std::string(name_of(dtype)));
  }
}

std::string FusedBody::conversion(const ScalarInst& it) const {
  const Dtype from = inst(static_cast<std::size_t>(it.a)).type;
  const std::string value = "v" + std::to_string(it.a);
  if (from == it.type) return value;
  if (it.type == Dtype::bf16) return "sinter::bf16_from_f32(" + value + ")";
  if (it.type == Dtype::f16) return "sinter::f16_from_f32(" + value + ")";
  if (from == Dtype::bf16) return "sinter::f32_from_bf16(" + value + ")";
  if (from == Dtype::f16) return "sinter::f32_from_f16(" + value + ")";
  if (it.type == Dtype::boolean) return fmt::format("{} != ({})0", value, value_type(from));
  const bool through_int = it.type == Dtype::u8 && is_floating(from);
  return fmt::format("({}){}{}", value_type(it.type), through_int ? "(int)" : "", value);
}

std::string FusedBody::expression(const ScalarInst& it) const {
  switch (it.op) {
    case ScalarOp::constant:
      return literal(it.type, it.imm);
    case ScalarOp::add:
      return arithmetic(it, "+");
    case ScalarOp::sub:
      return arithmetic(it, "-");
    case ScalarOp::mul:
      return arithmetic(it, "*");
    case ScalarOp::div:
      return between(it, "/");
    case ScalarOp::fma:
      return call(it, "fmaf", "fma");
    case ScalarOp::neg:
      if (!is_integer(it.type)) return call(it, "sinter_neg", "sinter_neg");
      return fmt::format("({0})(0u - ({1})v{2})", value_type(it.type), unsigned_type(it.type),
                         it.a);
    case ScalarOp::abs:
      return call(it, "sinter_abs", "sinter_abs");
    case ScalarOp::sqrt:
      return call(it, "sqrtf", "sqrt");
    case ScalarOp::round_even:
      return call(it, "rintf", "rint");
    case ScalarOp::floor:
      return call(it, "floorf", "floor");
    case ScalarOp::ceil:
      return call(it, "ceilf", "ceil");
    case ScalarOp::trunc:
      return call(it, "truncf", "trunc");
    case ScalarOp::wrap_angle:
      return fmt::format("sinter_wrap_angle(v{}, {})", it.a, it.imm);
    case ScalarOp::eq:
      return between(it, "==");
    case ScalarOp::ne:
      return between(it, "!=");
    case ScalarOp::lt:
      return between(it, "<");
    case ScalarOp::le:
      return between(it, "<=");
    case ScalarOp::bit_and:
      return between(it, "&");
    case ScalarOp::bit_or:
      return between(it, "|");
    case ScalarOp::bit_xor:
      return between(it, "^");
    case ScalarOp::bit_not:
      return fmt::format("{}v{}", it.type == Dtype::boolean ? "!" : "~", it.a);
    case ScalarOp::shift_left:
      return fmt::format("({0})(({1})v{2} << {3})", value_type(it.type), unsigned_type(it.type),
                         it.a, it.imm);
    case ScalarOp::shift_right:
      return fmt::format("v{} >> {}", it.a, it.imm);
    case ScalarOp::shift_right_logical:
      return fmt::format("({0})(({1})v{2} >> {3})", value_type(it.type), unsigned_type(it.type),
                         it.a, it.imm);
    case ScalarOp::select:
      return fmt::format("v{} ? v{} : v{}", it.a, it.b, it.c);
    case ScalarOp::bitcast:
      return fmt::format("{}(v{})", bitcast_function(it.type), it.a);
    case ScalarOp::convert:
      return conversion(it);
    default:
      throw ir::InternalError("fused: " + std::string(ir::name_of(it.op)) + " is no expression");
  }
}

std::string_view FusedBody::reduction_type(std::size_t i) const {
  switch (inst(i).op) {
    case ScalarOp::reduce_sum:
      return "SinterSum";
    case ScalarOp::reduce_product:
      return "SinterProduct";
    case ScalarOp::reduce_max:
      return "SinterMax";
    default:
      return "SinterMin";
  }
}

std::string FusedBody::identity(std::size_t i) const {
  const Dtype type = inst(i).type;
  const ScalarOp op = inst(i).op;
  switch (type) {
    case Dtype::f32:
      return literal(type, identity_bits<float>(op));
    case Dtype::f64:
      return literal(type, identity_bits<double>(op));
    case Dtype::i32:
      return literal(type, identity_bits<std::int32_t>(op));
    case Dtype::i64:
      return literal(type, identity_bits<std::int64_t>(op));
    default:
      throw ir::InternalError("fused: a reduction of type " + std::string(name_of(type)));
  }
}

}  // namespace sinter::backend::cuda
