#include "ir/scalar.h"

#include <array>

namespace sinter::ir {
namespace {

struct OpInfo {
  ScalarOp op;
  std::string_view name;
  int operands;
};

constexpr std::array<OpInfo, kScalarOpCount> kInfo = {{
    {ScalarOp::load, "load", 0},
    {ScalarOp::index, "index", 0},
    {ScalarOp::constant, "constant", 0},
    {ScalarOp::add, "add", 2},
    {ScalarOp::sub, "sub", 2},
    {ScalarOp::mul, "mul", 2},
    {ScalarOp::div, "div", 2},
    {ScalarOp::fma, "fma", 3},
    {ScalarOp::neg, "neg", 1},
    {ScalarOp::abs, "abs", 1},
    {ScalarOp::sqrt, "sqrt", 1},
    {ScalarOp::round_even, "round_even", 1},
    {ScalarOp::floor, "floor", 1},
    {ScalarOp::ceil, "ceil", 1},
    {ScalarOp::trunc, "trunc", 1},
    {ScalarOp::wrap_angle, "wrap_angle", 1},
    {ScalarOp::eq, "eq", 2},
    {ScalarOp::ne, "ne", 2},
    {ScalarOp::lt, "lt", 2},
    {ScalarOp::le, "le", 2},
    {ScalarOp::bit_and, "bit_and", 2},
    {ScalarOp::bit_or, "bit_or", 2},
    {ScalarOp::bit_xor, "bit_xor", 2},
    {ScalarOp::bit_not, "bit_not", 1},
    {ScalarOp::shift_left, "shift_left", 1},
    {ScalarOp::shift_right, "shift_right", 1},
    {ScalarOp::shift_right_logical, "shift_right_logical", 1},
    {ScalarOp::select, "select", 3},
    {ScalarOp::bitcast, "bitcast", 1},
    {ScalarOp::convert, "convert", 1},
    {ScalarOp::reduce_sum, "reduce_sum", 1},
    {ScalarOp::reduce_product, "reduce_product", 1},
    {ScalarOp::reduce_max, "reduce_max", 1},
    {ScalarOp::reduce_min, "reduce_min", 1},
    {ScalarOp::store, "store", 1},
}};

constexpr bool in_order() {
  for (int i = 0; i < kScalarOpCount; ++i) {
    if (static_cast<int>(kInfo[static_cast<std::size_t>(i)].op) != i) return false;
  }
  return true;
}
static_assert(in_order(), "kInfo must list every ScalarOp in the order of the enum");

}  // namespace

std::string_view name_of(ScalarOp op) { return kInfo[static_cast<std::size_t>(op)].name; }

int operand_count(ScalarOp op) { return kInfo[static_cast<std::size_t>(op)].operands; }

}  // namespace sinter::ir
