#include "naive_group.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "ir/scalar_ops.h"

namespace sinter::testing {

namespace {

using ir::Group;
using ir::GroupKind;
using ir::ScalarInst;
using ir::ScalarOp;

// A value of any type: its bits, low ones first.
using Bits = std::uint64_t;

template <class T>
Bits to_bits(T value) {
  Bits bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T from_bits(Bits bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// Nearest even into a floating type with `mantissa` stored bits and `exponent` exponent bits.
Bits encode_half(float value, int mantissa, int exponent) {
  const int bias = (1 << (exponent - 1)) - 1;
  const Bits sign = std::signbit(value) ? Bits{1} << (mantissa + exponent) : 0;
  const Bits infinity = ((Bits{1} << exponent) - 1) << mantissa;
  if (std::isnan(value)) return infinity | (Bits{1} << (mantissa - 1));
  const double magnitude = std::fabs(static_cast<double>(value));
  if (std::isinf(value)) return sign | infinity;
  if (magnitude == 0.0) return sign;
  int power = std::ilogb(magnitude);
  if (power < 1 - bias) power = 1 - bias;
  const double unit = std::ldexp(1.0, power - mantissa);
  const double units = std::nearbyint(magnitude / unit);
  // A carry into the next exponent falls out of the addition.
  const Bits encoded = static_cast<Bits>(units) + (static_cast<Bits>(power + bias - 1) << mantissa);
  return sign | (encoded >= infinity ? infinity : encoded);
}

float decode_half(Bits bits, int mantissa, int exponent) {
  const int bias = (1 << (exponent - 1)) - 1;
  const int power = static_cast<int>((bits >> mantissa) & ((Bits{1} << exponent) - 1));
  const double fraction = static_cast<double>(bits & ((Bits{1} << mantissa) - 1));
  double magnitude = 0.0;
  if (power == (1 << exponent) - 1) {
    magnitude = fraction == 0.0 ? std::numeric_limits<double>::infinity()
                                : std::numeric_limits<double>::quiet_NaN();
  } else if (power == 0) {
    magnitude = std::ldexp(fraction, 1 - bias - mantissa);
  } else {
    magnitude = std::ldexp(fraction + std::ldexp(1.0, mantissa), power - bias - mantissa);
  }
  const bool negative = ((bits >> (mantissa + exponent)) & 1u) != 0;
  return static_cast<float>(negative ? -magnitude : magnitude);
}

template <class T>
T float_op(ScalarOp op, T a, T b, T c, std::int64_t imm = 0) {
  switch (op) {
    case ScalarOp::add:
      return a + b;
    case ScalarOp::sub:
      return a - b;
    case ScalarOp::mul:
      return a * b;
    case ScalarOp::div:
      return a / b;
    case ScalarOp::fma:
      return std::fma(a, b, c);
    case ScalarOp::neg:
      return std::copysign(a, std::signbit(a) ? T(1) : T(-1));
    case ScalarOp::abs:
      return std::copysign(a, T(1));
    case ScalarOp::sqrt:
      return std::sqrt(a);
    case ScalarOp::round_even:
      return std::rint(a);
    case ScalarOp::floor:
      return std::floor(a);
    case ScalarOp::ceil:
      return std::ceil(a);
    case ScalarOp::trunc:
      return std::trunc(a);
    case ScalarOp::wrap_angle:  // tests/ir/math_test.cc looks at its values
      return ir::scalar::wrap_angle(a, static_cast<int>(imm));
    default:
      throw std::logic_error("naive: not a float operation");
  }
}

// 128-bit arithmetic, cut to the type's bits: it cannot overflow except in mul, which wraps.
template <class T>
T integer_op(ScalarOp op, T a, T b, std::int64_t imm) {
  using Wide = unsigned __int128;
  const Wide x = static_cast<Wide>(static_cast<__int128>(a));
  const Wide y = static_cast<Wide>(static_cast<__int128>(b));
  const int bits = 8 * static_cast<int>(sizeof(T));
  switch (op) {
    case ScalarOp::add:
      return static_cast<T>(x + y);
    case ScalarOp::sub:
      return static_cast<T>(x - y);
    case ScalarOp::mul:
      return static_cast<T>(x * y);
    case ScalarOp::neg:
      return static_cast<T>(Wide{0} - x);
    case ScalarOp::bit_and:
      return static_cast<T>(x & y);
    case ScalarOp::bit_or:
      return static_cast<T>(x | y);
    case ScalarOp::bit_xor:
      return static_cast<T>(x ^ y);
    case ScalarOp::bit_not:
      return static_cast<T>(~x);
    case ScalarOp::shift_left:
      return static_cast<T>(x << imm);
    case ScalarOp::shift_right:
      return static_cast<T>(x >> imm);
    case ScalarOp::shift_right_logical:
      return static_cast<T>((x & ((Wide{1} << bits) - 1)) >> imm);
    default:
      throw std::logic_error("naive: not an integer operation");
  }
}

template <class T>
bool compare(ScalarOp op, T a, T b) {
  if (op == ScalarOp::eq) return a == b;
  if (op == ScalarOp::ne) return !(a == b);
  if (op == ScalarOp::lt) return a < b;
  return a < b || a == b;
}

template <class To>
To number_as(Dtype from, Bits bits) {
  switch (from) {
    case Dtype::f32:
      return static_cast<To>(from_bits<float>(bits));
    case Dtype::f64:
      return static_cast<To>(from_bits<double>(bits));
    case Dtype::bf16:
      return static_cast<To>(decode_half(bits, 7, 8));
    case Dtype::f16:
      return static_cast<To>(decode_half(bits, 10, 5));
    case Dtype::i32:
      return static_cast<To>(from_bits<std::int32_t>(bits));
    case Dtype::i64:
      return static_cast<To>(from_bits<std::int64_t>(bits));
    default:
      return static_cast<To>(bits & 0xffu);
  }
}

Bits convert(Dtype to, Dtype from, Bits bits) {
  switch (to) {
    case Dtype::f32:
      return to_bits(number_as<float>(from, bits));
    case Dtype::f64:
      return to_bits(number_as<double>(from, bits));
    case Dtype::bf16:
      return encode_half(number_as<float>(from, bits), 7, 8);
    case Dtype::f16:
      return encode_half(number_as<float>(from, bits), 10, 5);
    case Dtype::i32:
      return to_bits(static_cast<std::int32_t>(number_as<std::int64_t>(from, bits)));
    case Dtype::i64:
      return to_bits(number_as<std::int64_t>(from, bits));
    case Dtype::u8:
      return static_cast<Bits>(number_as<std::int64_t>(from, bits)) & 0xffu;
    case Dtype::boolean:
      if (from == Dtype::f32 || from == Dtype::f64) return number_as<double>(from, bits) != 0.0;
      return number_as<std::int64_t>(from, bits) != 0;
  }
  throw std::logic_error("naive: no such type");
}

Bits compute(const ScalarInst& inst, Dtype source, Bits a, Bits b, Bits c) {
  switch (inst.op) {
    case ScalarOp::eq:
    case ScalarOp::ne:
    case ScalarOp::lt:
    case ScalarOp::le:
      if (source == Dtype::f32) return compare(inst.op, from_bits<float>(a), from_bits<float>(b));
      if (source == Dtype::f64) return compare(inst.op, from_bits<double>(a), from_bits<double>(b));
      return compare(inst.op, number_as<std::int64_t>(source, a),
                     number_as<std::int64_t>(source, b));
    case ScalarOp::select:
      return a != 0 ? b : c;
    case ScalarOp::bitcast:
      return a;
    case ScalarOp::convert:
      return convert(inst.type, source, a);
    default:
      break;
  }
  switch (inst.type) {
    case Dtype::f32:
      return to_bits(float_op(inst.op, from_bits<float>(a), from_bits<float>(b),
                              from_bits<float>(c), inst.imm));
    case Dtype::f64:
      return to_bits(float_op(inst.op, from_bits<double>(a), from_bits<double>(b),
                              from_bits<double>(c), inst.imm));
    case Dtype::i32:
      return to_bits(
          integer_op(inst.op, from_bits<std::int32_t>(a), from_bits<std::int32_t>(b), inst.imm));
    case Dtype::i64:
      return to_bits(
          integer_op(inst.op, from_bits<std::int64_t>(a), from_bits<std::int64_t>(b), inst.imm));
    default:
      return static_cast<Bits>(integer_op<std::int32_t>(inst.op, static_cast<std::int32_t>(a),
                                                        static_cast<std::int32_t>(b), 0)) &
             1u;
  }
}

template <class T>
T fold_two(ScalarOp op, T a, T b) {
  if (op == ScalarOp::reduce_max || op == ScalarOp::reduce_min) {
    if (a != a) return a;
    if (b != b) return b;
    if (op == ScalarOp::reduce_max) return a < b ? b : a;
    return b < a ? b : a;
  }
  const ScalarOp arithmetic = op == ScalarOp::reduce_sum ? ScalarOp::add : ScalarOp::mul;
  if constexpr (std::numeric_limits<T>::is_integer) {
    return integer_op(arithmetic, a, b, 0);
  } else {
    return float_op(arithmetic, a, b, T(0));
  }
}

template <class T>
T identity_of(ScalarOp op) {
  using Limits = std::numeric_limits<T>;
  if (op == ScalarOp::reduce_sum) return T(0);
  if (op == ScalarOp::reduce_product) return T(1);
  const bool max = op == ScalarOp::reduce_max;
  if (Limits::is_integer) return max ? Limits::min() : Limits::max();
  return max ? -Limits::infinity() : Limits::infinity();
}

// The trees of ir/reduction.h, step by step.
template <class T>
T fold(ScalarOp op, GroupKind kind, const std::vector<T>& values) {
  const std::size_t chunk = kind == GroupKind::inner ? 16384 : 256;
  const std::size_t lanes = kind == GroupKind::inner ? 128 : 4;
  std::vector<T> level;
  for (std::size_t first = 0; first < values.size(); first += chunk) {
    std::vector<T> accumulators(lanes, identity_of<T>(op));
    for (std::size_t p = first; p < values.size() && p < first + chunk; ++p) {
      accumulators[p % lanes] = fold_two(op, accumulators[p % lanes], values[p]);
    }
    while (accumulators.size() > 1) {
      const std::size_t half = accumulators.size() / 2;
      std::vector<T> next;
      for (std::size_t lane = 0; lane < half; ++lane) {
        next.push_back(fold_two(op, accumulators[lane], accumulators[lane + half]));
      }
      accumulators = next;
    }
    level.push_back(accumulators[0]);
  }
  if (level.empty()) return identity_of<T>(op);
  while (level.size() > 1) {
    std::vector<T> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) {
      next.push_back(fold_two(op, level[i], level[i + 1]));
    }
    if (level.size() % 2 != 0) next.push_back(level.back());
    level = next;
  }
  return level[0];
}

template <class T>
Bits fold_bits(ScalarOp op, GroupKind kind, const std::vector<Bits>& values) {
  std::vector<T> typed;
  for (const Bits bits : values) typed.push_back(from_bits<T>(bits));
  return to_bits(fold(op, kind, typed));
}

using Point = std::vector<std::int64_t>;

// The value of one instruction over one row: one for each reduced point, or one for the whole row.
struct RowValue {
  bool whole = false;
  std::vector<Bits> at;
  Bits operator[](std::size_t i) const { return at[whole ? 0 : i]; }
};

class Naive {
 public:
  Naive(const Group& group, void* const* operands) : group_(group), operands_(operands) {
    const int rank = group.space.rank();
    for (int axis = 0; axis < rank; ++axis) {
      const bool reduced = group.kind == GroupKind::inner ? axis >= rank - group.reduced_axes
                                                          : axis < group.reduced_axes;
      is_reduced_.push_back(reduced);
    }
  }

  void run() {
    for (const Point& kept : points(false)) run_row(kept);
  }

 private:
  // All points of the reduced or of the kept axes, in row-major order; 0 along the other axes.
  std::vector<Point> points(bool reduced) const {
    std::vector<Point> result = {Point(is_reduced_.size(), 0)};
    for (std::size_t axis = 0; axis < is_reduced_.size(); ++axis) {
      if (is_reduced_[axis] != reduced) continue;
      std::vector<Point> longer;
      for (const Point& point : result) {
        for (std::int64_t i = 0; i < group_.space[static_cast<int>(axis)]; ++i) {
          longer.push_back(point);
          longer.back()[axis] = i;
        }
      }
      result = longer;
    }
    return result;
  }

  bool moves(const std::vector<std::int64_t>& strides) const {
    for (std::size_t axis = 0; axis < is_reduced_.size(); ++axis) {
      if (is_reduced_[axis] && strides[axis] != 0 && group_.space[static_cast<int>(axis)] != 1) {
        return true;
      }
    }
    return false;
  }

  std::byte* address(std::int64_t operand, const Point& point) const {
    const ir::GroupOperand& described = group_.operands[static_cast<std::size_t>(operand)];
    std::int64_t element = 0;
    for (std::size_t axis = 0; axis < point.size(); ++axis) {
      element += point[axis] * described.strides[axis];
    }
    return static_cast<std::byte*>(operands_[operand]) +
           element * static_cast<std::int64_t>(size_of(described.dtype));
  }

  void run_row(const Point& kept) {
    std::vector<Point> row = points(true);
    for (Point& point : row) {
      for (std::size_t axis = 0; axis < point.size(); ++axis) point[axis] += kept[axis];
    }
    std::vector<RowValue> values;
    for (const ScalarInst& inst : group_.body) values.push_back(evaluate(inst, values, row, kept));
  }

  RowValue evaluate(const ScalarInst& inst, const std::vector<RowValue>& values,
                    const std::vector<Point>& row, const Point& kept) {
    const auto get = [&](std::int32_t source) -> const RowValue& {
      static const RowValue nothing{true, {0}};
      return source < 0 ? nothing : values[static_cast<std::size_t>(source)];
    };
    const RowValue& a = get(inst.a);
    const RowValue& b = get(inst.b);
    const RowValue& c = get(inst.c);
    RowValue result{true, {}};
    const std::size_t size = size_of(inst.type);
    if (is_reduction(inst.op)) {
      std::vector<Bits> folded;
      for (std::size_t i = 0; i < row.size(); ++i) folded.push_back(a[i]);
      if (inst.type == Dtype::f32) {
        result.at = {fold_bits<float>(inst.op, group_.kind, folded)};
      } else if (inst.type == Dtype::f64) {
        result.at = {fold_bits<double>(inst.op, group_.kind, folded)};
      } else if (inst.type == Dtype::i32) {
        result.at = {fold_bits<std::int32_t>(inst.op, group_.kind, folded)};
      } else {
        result.at = {fold_bits<std::int64_t>(inst.op, group_.kind, folded)};
      }
      return result;
    }
    if (inst.op == ScalarOp::load || inst.op == ScalarOp::store) {
      result.whole = a.whole && !moves(group_.operands[static_cast<std::size_t>(inst.imm)].strides);
    } else if (inst.op == ScalarOp::index) {
      std::vector<std::int64_t> along(is_reduced_.size(), 0);
      along[static_cast<std::size_t>(inst.imm)] = 1;
      result.whole = !moves(along);
    } else if (inst.op != ScalarOp::constant) {
      result.whole = a.whole && b.whole && c.whole;
    }
    const std::size_t count = result.whole ? 1 : row.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Point& point = result.whole ? kept : row[i];
      Bits bits = 0;
      if (inst.op == ScalarOp::load) {
        std::memcpy(&bits, address(inst.imm, point), size);
      } else if (inst.op == ScalarOp::store) {
        bits = a[i];
        std::memcpy(address(inst.imm, point), &bits, size);
      } else if (inst.op == ScalarOp::index) {
        bits = static_cast<Bits>(point[static_cast<std::size_t>(inst.imm)]);
      } else if (inst.op == ScalarOp::constant) {
        bits = static_cast<Bits>(inst.imm);
      } else {
        const Dtype source = group_.body[static_cast<std::size_t>(inst.a)].type;
        bits = compute(inst, source, a[i], b[i], c[i]);
      }
      // Only the type's own bits count.
      if (size < 8) bits &= (Bits{1} << (8 * size)) - 1;
      result.at.push_back(bits);
    }
    return result;
  }

  const Group& group_;
  void* const* operands_;
  std::vector<bool> is_reduced_;
};

}  // namespace

void run_naively(const Group& group, void* const* operands) { Naive(group, operands).run(); }

}  // namespace sinter::testing
