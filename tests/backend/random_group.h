// Random groups that verify() accepts, and memory for their operands: for tests that run one group
// in two ways and compare the bits.
#ifndef SINTER_TESTS_BACKEND_RANDOM_GROUP_H_
#define SINTER_TESTS_BACKEND_RANDOM_GROUP_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ir/group.h"

namespace sinter::testing {

// Appends instructions and returns their positions.
class BodyBuilder {
 public:
  explicit BodyBuilder(ir::Group& group) : group_(group) {}

  std::int32_t emit(ir::ScalarOp op, Dtype type, std::int32_t a = -1, std::int32_t b = -1,
                    std::int32_t c = -1, std::int64_t imm = 0) {
    group_.body.push_back({op, type, a, b, c, imm});
    return static_cast<std::int32_t>(group_.body.size()) - 1;
  }
  std::int32_t constant(float value) {
    return emit(ir::ScalarOp::constant, Dtype::f32, -1, -1, -1, std::bit_cast<std::int32_t>(value));
  }
  std::int32_t constant(double value) {
    return emit(ir::ScalarOp::constant, Dtype::f64, -1, -1, -1, std::bit_cast<std::int64_t>(value));
  }
  std::int32_t constant(Dtype type, double value) {
    if (type == Dtype::f32) return constant(static_cast<float>(value));
    if (type == Dtype::f64) return constant(value);
    return emit(ir::ScalarOp::constant, type, -1, -1, -1, static_cast<std::int64_t>(value));
  }
  std::int32_t load(Dtype dtype, std::vector<std::int64_t> strides) {
    group_.operands.push_back({dtype, false, std::move(strides)});
    return emit(ir::ScalarOp::load, dtype, -1, -1, -1, last_operand());
  }
  void store(std::int32_t value, std::vector<std::int64_t> strides) {
    const Dtype dtype = type(value);
    group_.operands.push_back({dtype, true, std::move(strides)});
    emit(ir::ScalarOp::store, dtype, value, -1, -1, last_operand());
  }
  Dtype type(std::int32_t value) const { return group_.body[static_cast<std::size_t>(value)].type; }

 private:
  std::int64_t last_operand() const {
    return static_cast<std::int64_t>(group_.operands.size()) - 1;
  }
  ir::Group& group_;
};

// Row-major strides of `lengths`; axes where `broadcast` says so get 0 and take no room.
inline std::vector<std::int64_t> row_major(const Shape& lengths,
                                           const std::vector<bool>& broadcast = {},
                                           std::int64_t step = 1) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(lengths.rank()), 0);
  for (std::size_t axis = strides.size(); axis-- > 0;) {
    if (!broadcast.empty() && broadcast[axis]) continue;
    strides[axis] = step;
    step *= std::max<std::int64_t>(1, lengths[static_cast<int>(axis)]);
  }
  return strides;
}

// Memory for the operands of a group, filled with random values (special ones too), with untouched
// elements on both sides.
class GroupMemory {
 public:
  // Without `special` values no NaN or infinity comes up: one in a long row hides all else there.
  template <class Random>
  GroupMemory(const ir::Group& group, Random& random, bool special = true) : special_(special) {
    for (const ir::GroupOperand& operand : group.operands) {
      std::int64_t low = 0;
      std::int64_t high = 0;
      for (std::size_t axis = 0; axis < operand.strides.size(); ++axis) {
        const std::int64_t length = group.space[static_cast<int>(axis)];
        const std::int64_t reach = operand.strides[axis] * std::max<std::int64_t>(0, length - 1);
        (reach < 0 ? low : high) += reach;
      }
      Buffer& buffer = buffers_.emplace_back();
      buffer.dtype = operand.dtype;
      // At any address that an element may have.
      const auto shift = static_cast<std::int64_t>(random() % 8);
      buffer.origin = kGuard + shift - low;
      buffer.bytes.resize(static_cast<std::size_t>(high - low + 1 + 2 * kGuard + shift) *
                          size_of(operand.dtype));
      fill(buffer, random);
    }
  }

  // The addresses to run a kernel with. Valid until this object is moved or destroyed.
  std::vector<void*> addresses() {
    std::vector<void*> result;
    for (Buffer& buffer : buffers_) {
      result.push_back(buffer.bytes.data() +
                       static_cast<std::size_t>(buffer.origin) * size_of(buffer.dtype));
    }
    return result;
  }

  // Where `a` and `b`, memory of the same group, first differ; "" when all bytes are the same,
  // except that NaNs are equal.
  static std::string difference(const GroupMemory& a, const GroupMemory& b) {
    for (std::size_t i = 0; i < a.buffers_.size(); ++i) {
      const Buffer& x = a.buffers_[i];
      const Buffer& y = b.buffers_[i];
      const std::size_t size = size_of(x.dtype);
      for (std::size_t at = 0; at < x.bytes.size(); at += size) {
        if (std::memcmp(&x.bytes[at], &y.bytes[at], size) == 0) continue;
        const std::uint64_t p = bits(x, at);
        const std::uint64_t q = bits(y, at);
        if (is_nan(x.dtype, p) && is_nan(x.dtype, q)) continue;
        return "operand " + std::to_string(i) + ", element " +
               std::to_string(static_cast<std::int64_t>(at / size) - x.origin) + ": bits " +
               std::to_string(p) + " and " + std::to_string(q);
      }
    }
    return "";
  }

 private:
  // AddressSanitizer sees reads too, where no guard hides them.
#ifdef __SANITIZE_ADDRESS__
  static constexpr std::int64_t kGuard = 0;
#else
  static constexpr std::int64_t kGuard = 16;
#endif

  struct Buffer {
    Dtype dtype = Dtype::f32;
    std::int64_t origin = 0;
    std::vector<std::byte> bytes;
  };

  static std::uint64_t bits(const Buffer& buffer, std::size_t at) {
    std::uint64_t result = 0;
    std::memcpy(&result, &buffer.bytes[at], size_of(buffer.dtype));
    return result;
  }
  static bool is_nan(Dtype dtype, std::uint64_t bits) {
    if (dtype == Dtype::f32) return (bits & 0x7fffffffu) > 0x7f800000u;
    if (dtype == Dtype::f64) return (bits & ~(1ull << 63)) > 0x7ff0000000000000ull;
    if (dtype == Dtype::bf16) return (bits & 0x7fffu) > 0x7f80u;
    if (dtype == Dtype::f16) return (bits & 0x7fffu) > 0x7c00u;
    return false;
  }

  template <class Random>
  double random_real(Random& random) const {
    const std::uint64_t draw = random();
    switch (draw % 64) {
      case 0:
        return 0.0;
      case 1:
        return -0.0;
      case 2:
        return (draw & 64) != 0 ? 1e-40 : -3e-42;  // denormal as f32
      case 3:
        return static_cast<double>(static_cast<std::int64_t>(draw >> 58) - 32);
      case 4:
        return special_ && (draw >> 40) % 64 == 0 ? std::numeric_limits<double>::infinity() : 1.0;
      case 5:
        return special_ && (draw >> 40) % 64 == 0 ? std::numeric_limits<double>::quiet_NaN() : -2.5;
      default:
        return (static_cast<double>(draw >> 11) * 0x1p-53 - 0.5) * 6.0;
    }
  }

  template <class Random>
  void fill(Buffer& buffer, Random& random) const {
    const std::size_t size = size_of(buffer.dtype);
    for (std::size_t at = 0; at < buffer.bytes.size(); at += size) {
      std::uint64_t value = random();
      switch (buffer.dtype) {
        case Dtype::f32:
          value = std::bit_cast<std::uint32_t>(static_cast<float>(random_real(random)));
          break;
        case Dtype::f64:
          value = std::bit_cast<std::uint64_t>(random_real(random));
          break;
        case Dtype::bf16:
          value = std::bit_cast<std::uint32_t>(static_cast<float>(random_real(random))) >> 16;
          break;
        case Dtype::f16:
          // Mostly below 2.
          value = special_ && (value & 0xffffu) % 64 == 0 ? value : value & 0xbfffu;
          break;
        case Dtype::boolean:
          value &= 1u;
          break;
        case Dtype::i32:
        case Dtype::i64:
          if (value % 4 != 0) {
            value = static_cast<std::uint64_t>(static_cast<std::int64_t>((value >> 8) % 41) - 20);
          }
          break;
        case Dtype::u8:
          break;
      }
      std::memcpy(&buffer.bytes[at], &value, size);
    }
  }

  bool special_ = true;
  std::vector<Buffer> buffers_;
};

// Makes groups from a seed.
class GroupGenerator {
 public:
  explicit GroupGenerator(std::uint64_t seed) : random_(seed) {}

  std::mt19937_64& random() { return random_; }

  // A group that verify() accepts, of at most `max_elements` points.
  ir::Group make(std::int64_t max_elements = 40000) {
    using ir::GroupKind;
    ir::Group group;
    group.kind = pick(std::vector<GroupKind>{GroupKind::map, GroupKind::inner, GroupKind::outer});
    group.space = random_space(max_elements);
    const int rank = group.space.rank();
    if (group.kind != GroupKind::map) {
      group.reduced_axes = rank == 0 || chance(20) ? 0 : 1 + static_cast<int>(below(rank));
    }
    BodyBuilder body(group);
    values_.clear();
    add_leaves(group, body);
    const std::int64_t count = 2 + below(24);
    for (std::int64_t i = 0; i < count; ++i) add_instruction(group, body);
    if (group.kind != GroupKind::map) {
      const std::int64_t reductions = 1 + below(3);
      for (std::int64_t i = 0; i < reductions; ++i) {
        add_reduction(group, body);
        const std::int64_t more = below(8);
        for (std::int64_t k = 0; k < more; ++k) add_instruction(group, body);
      }
    }
    add_stores(group, body);
    return group;
  }

 private:
  // What is known of an instruction's value.
  struct Value {
    bool full = false;     // varies along the reduced axes
    bool reduced = false;  // depends on a reduction
  };

  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  // True once in `times`.
  bool chance(std::int64_t times) { return below(times) == 0; }
  template <class T>
  T pick(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(below(static_cast<std::int64_t>(choices.size())))];
  }

  Shape random_space(std::int64_t max_elements) {
    std::vector<std::int64_t> lengths;
    const std::int64_t rank = chance(30) ? 0 : 1 + below(4);
    std::int64_t elements = 1;
    for (std::int64_t axis = 0; axis < rank; ++axis) {
      std::int64_t length = pick(std::vector<std::int64_t>{
          1, 2, 3, 4, 5, 7, 10, 16, 31, 64, 127, 128, 129, 255, 256, 257, 300, 513, 1025, 16389});
      if (chance(60)) length = 0;
      if (elements * length > max_elements) length = 1 + below(3);
      elements *= std::max<std::int64_t>(1, length);
      lengths.push_back(length);
    }
    return Shape(lengths);
  }

  std::vector<std::int64_t> random_strides(const ir::Group& group) {
    const int rank = group.space.rank();
    std::vector<bool> broadcast(static_cast<std::size_t>(rank), false);
    if (chance(2)) {
      for (std::size_t axis = 0; axis < broadcast.size(); ++axis) broadcast[axis] = chance(2);
    }
    std::vector<std::int64_t> strides = row_major(group.space, broadcast, chance(6) ? 2 : 1);
    if (rank >= 2 && chance(6)) {  // transposed: the outermost axis lies innermost in memory
      strides = row_major(group.space, broadcast, std::max<std::int64_t>(1, group.space[0]));
      strides[0] = 1;
    }
    if (rank >= 1 && chance(8)) {
      std::int64_t& flipped = strides[static_cast<std::size_t>(below(rank))];
      flipped = -flipped;
    }
    return strides;
  }

  // Keeps the last instruction's properties; takes instructions back to `size` when an outer group
  // may not have them. False when it did.
  bool keep(ir::Group& group, std::size_t size) {
    const std::vector<std::uint8_t> varies = ir::varies_along_reduced(group);
    const std::vector<int> pass = ir::passes(group);
    for (std::size_t i = size; i < group.body.size(); ++i) {
      const bool reduced = pass[i] > 0 || ir::is_reduction(group.body[i].op);
      const bool again = ir::is_reduction(group.body[i].op) && pass[i] > 0;
      if (group.kind == ir::GroupKind::outer && ((varies[i] != 0 && reduced) || again)) {
        group.body.resize(size);
        return false;
      }
    }
    for (std::size_t i = size; i < group.body.size(); ++i) {
      const bool reduced = pass[i] > 0 || ir::is_reduction(group.body[i].op);
      values_.push_back({varies[i] != 0, reduced});
    }
    return true;
  }

  // A value of a computing type; mostly a recent one. Makes a constant when there is none.
  std::int32_t value_of(ir::Group& group, BodyBuilder& body, Dtype type) {
    for (int attempt = 0; attempt < 24; ++attempt) {
      const auto size = static_cast<std::int64_t>(group.body.size());
      if (size == 0) break;
      const std::int64_t window = chance(3) ? size : std::min<std::int64_t>(size, 8);
      const auto candidate = static_cast<std::int32_t>(size - 1 - below(window));
      if (body.type(candidate) == type) return candidate;
    }
    return body.constant(type, type == Dtype::boolean ? static_cast<double>(below(2))
                                                      : static_cast<double>(below(9)) - 4.0);
  }

  void add_leaves(ir::Group& group, BodyBuilder& body) {
    using ir::ScalarOp;
    const std::int64_t loads = 1 + below(4);
    for (std::int64_t i = 0; i < loads; ++i) {
      const Dtype dtype = pick(std::vector<Dtype>{
          Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::bf16,
          Dtype::f16, Dtype::f16, Dtype::i32, Dtype::i64, Dtype::u8, Dtype::boolean});
      const std::int32_t loaded = body.load(dtype, random_strides(group));
      if (is_half(dtype)) {
        body.emit(ScalarOp::convert, Dtype::f32, loaded);
      } else if (dtype == Dtype::u8) {
        body.emit(ScalarOp::convert, pick(std::vector<Dtype>{Dtype::f32, Dtype::i32, Dtype::f64}),
                  loaded);
      }
    }
    if (group.space.rank() > 0 && chance(3)) {
      body.emit(ScalarOp::index, pick(std::vector<Dtype>{Dtype::i32, Dtype::i64}), -1, -1, -1,
                below(group.space.rank()));
    }
    keep(group, 0);
  }

  Dtype computing_type() {
    return pick(std::vector<Dtype>{Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f64, Dtype::i32,
                                   Dtype::i64, Dtype::boolean});
  }

  void add_instruction(ir::Group& group, BodyBuilder& body) {
    const std::size_t before = group.body.size();
    add_any(group, body, computing_type());
    keep(group, before);
  }

  void add_any(ir::Group& group, BodyBuilder& body, Dtype type) {
    using ir::ScalarOp;
    const bool floating = type == Dtype::f32 || type == Dtype::f64;
    switch (below(8)) {
      case 0: {
        const Dtype compared = computing_type();
        const std::int32_t a = value_of(group, body, compared);
        const std::int32_t b = value_of(group, body, compared);
        body.emit(
            pick(std::vector<ScalarOp>{ScalarOp::eq, ScalarOp::ne, ScalarOp::lt, ScalarOp::le}),
            Dtype::boolean, a, b);
        return;
      }
      case 1: {
        const std::int32_t a = value_of(group, body, Dtype::boolean);
        const std::int32_t b = value_of(group, body, type);
        const std::int32_t c = value_of(group, body, type);
        body.emit(ScalarOp::select, type, a, b, c);
        return;
      }
      case 2:
        return add_conversion(group, body, type);
      default:
        break;
    }
    const std::int32_t a = value_of(group, body, type);
    const std::int32_t b = value_of(group, body, type);
    if (floating) {
      const ScalarOp op = pick(std::vector<ScalarOp>{
          ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::div, ScalarOp::fma, ScalarOp::neg,
          ScalarOp::abs, ScalarOp::sqrt, ScalarOp::round_even, ScalarOp::floor, ScalarOp::ceil,
          ScalarOp::trunc, ScalarOp::wrap_angle});
      const int count = ir::operand_count(op);
      const std::int32_t c = count > 2 ? value_of(group, body, type) : -1;
      const std::int64_t imm = op == ScalarOp::wrap_angle ? below(2) : 0;
      body.emit(op, type, a, count > 1 ? b : -1, c, imm);
    } else if (type == Dtype::boolean || chance(2)) {
      const ScalarOp op = pick(std::vector<ScalarOp>{ScalarOp::bit_and, ScalarOp::bit_or,
                                                     ScalarOp::bit_xor, ScalarOp::bit_not});
      body.emit(op, type, a, ir::operand_count(op) > 1 ? b : -1);
    } else if (chance(2)) {
      body.emit(pick(std::vector<ScalarOp>{ScalarOp::shift_left, ScalarOp::shift_right,
                                           ScalarOp::shift_right_logical}),
                type, a, -1, -1, below(type == Dtype::i32 ? 32 : 64));
    } else {
      const ScalarOp op =
          pick(std::vector<ScalarOp>{ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::neg});
      body.emit(op, type, a, ir::operand_count(op) > 1 ? b : -1);
    }
  }

  // A convert or bitcast to `type` that scalar.h defines: no NaN's payload is looked at, and a
  // float is brought into the integer's range first.
  void add_conversion(ir::Group& group, BodyBuilder& body, Dtype type) {
    using ir::ScalarOp;
    const bool to_integer = type == Dtype::i32 || type == Dtype::i64;
    const Dtype from = computing_type();
    const bool from_float = from == Dtype::f32 || from == Dtype::f64;
    std::int32_t a = value_of(group, body, from);
    if (to_integer && from_float) {
      const bool bits = size_of(from) == size_of(type) && chance(2);
      const std::int32_t limit = body.constant(from, 2000.0);
      const std::int32_t other = body.constant(from, -1.5);
      const std::int32_t condition =
          bits ? body.emit(ScalarOp::eq, Dtype::boolean, a, a)
               : body.emit(ScalarOp::lt, Dtype::boolean, body.emit(ScalarOp::abs, from, a), limit);
      a = body.emit(ScalarOp::select, from, condition, a, other);
      body.emit(bits ? ScalarOp::bitcast : ScalarOp::convert, type, a);
    } else if (from == type && type == Dtype::f32) {
      // Through a storage type, as the boundary of an op rounds.
      const Dtype half = chance(2) ? Dtype::bf16 : Dtype::f16;
      body.emit(ScalarOp::convert, type, body.emit(ScalarOp::convert, half, a));
    } else if (from != type) {
      body.emit(ScalarOp::convert, type, a);
    }
  }

  void add_reduction(ir::Group& group, BodyBuilder& body) {
    using ir::ScalarOp;
    const std::size_t before = group.body.size();
    const Dtype type = pick(
        std::vector<Dtype>{Dtype::f32, Dtype::f32, Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64});
    body.emit(pick(std::vector<ScalarOp>{ScalarOp::reduce_sum, ScalarOp::reduce_sum,
                                         ScalarOp::reduce_product, ScalarOp::reduce_max,
                                         ScalarOp::reduce_min}),
              type, value_of(group, body, type));
    keep(group, before);
  }

  void add_stores(ir::Group& group, BodyBuilder& body) {
    using ir::ScalarOp;
    const int rank = group.space.rank();
    const std::int64_t stores = 1 + below(3);
    for (std::int64_t i = 0; i < stores; ++i) {
      const auto size = static_cast<std::int64_t>(values_.size());
      auto value = static_cast<std::int32_t>(size - 1 - below(std::min<std::int64_t>(size, 10)));
      while (group.body[static_cast<std::size_t>(value)].op == ScalarOp::store) --value;
      const Value known = values_[static_cast<std::size_t>(value)];
      std::int32_t stored = value;
      if (body.type(value) == Dtype::f32 && chance(4)) {
        stored = body.emit(ScalarOp::convert, chance(2) ? Dtype::bf16 : Dtype::f16, value);
        values_.push_back(known);
      } else if (body.type(value) == Dtype::i32 && chance(4)) {
        stored = body.emit(ScalarOp::convert, Dtype::u8, value);
        values_.push_back(known);
      }
      // A row value may also be stored at every point, but not by an outer group that reduced it.
      const bool row_store = group.kind != ir::GroupKind::map && !known.full &&
                             (group.kind == ir::GroupKind::outer || !chance(4));
      std::vector<bool> broadcast(static_cast<std::size_t>(rank), false);
      for (int k = 0; row_store && k < group.reduced_axes; ++k) {
        const int axis = group.kind == ir::GroupKind::inner ? rank - 1 - k : k;
        broadcast[static_cast<std::size_t>(axis)] = true;
      }
      body.store(stored, row_major(group.space, broadcast, chance(6) ? 3 : 1));
      values_.push_back({});
    }
  }

  std::mt19937_64 random_;
  std::vector<Value> values_;
};

}  // namespace sinter::testing

#endif  // SINTER_TESTS_BACKEND_RANDOM_GROUP_H_
