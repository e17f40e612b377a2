// verify(): every rule of group.h and scalar.h that a group can break.
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>

#include "ir/group.h"
#include "ir/internal_error.h"

namespace sinter::ir {

namespace {

bool is_float(Dtype type) { return type == Dtype::f32 || type == Dtype::f64; }
bool is_integer(Dtype type) { return type == Dtype::i32 || type == Dtype::i64; }
bool is_computed(Dtype type) {
  return is_float(type) || is_integer(type) || type == Dtype::boolean;
}

class Verifier {
 public:
  explicit Verifier(const Group& group) : group_(group) {}

  void run() {
    check_space();
    stored_.assign(group_.operands.size(), false);
    for (position_ = 0; position_ < group_.body.size(); ++position_) check_inst();
    for (std::size_t i = 0; i < group_.operands.size(); ++i) {
      if (group_.operands[i].output && !stored_[i]) {
        throw InternalError("group: output operand " + std::to_string(i) + " is never stored");
      }
    }
    check_reductions();
  }

 private:
  const ScalarInst& inst() const { return group_.body[position_]; }

  [[noreturn]] void fail(const std::string& what) const {
    throw InternalError("group: instruction %" + std::to_string(position_) + " (" +
                        std::string(name_of(inst().op)) + "): " + what);
  }
  void require(bool condition, const char* what) const {
    if (!condition) fail(what);
  }

  void check_space() const {
    const int rank = group_.space.rank();
    if (group_.reduced_axes < 0 || group_.reduced_axes > rank) {
      throw InternalError("group: " + std::to_string(group_.reduced_axes) +
                          " reduced axes in a space of rank " + std::to_string(rank));
    }
    if (group_.kind == GroupKind::map && group_.reduced_axes != 0) {
      throw InternalError("group: a map has reduced axes");
    }
    const int first_kept = group_.kind == GroupKind::outer ? group_.reduced_axes : 0;
    const int kept_axes = rank - group_.reduced_axes;
    for (std::size_t i = 0; i < group_.operands.size(); ++i) {
      const GroupOperand& operand = group_.operands[i];
      if (operand.strides.size() != static_cast<std::size_t>(rank)) {
        throw InternalError("group: operand " + std::to_string(i) + " has " +
                            std::to_string(operand.strides.size()) +
                            " strides in a space of rank " + std::to_string(rank));
      }
      if (!operand.output) continue;
      for (int axis = first_kept; axis < first_kept + kept_axes; ++axis) {
        if (group_.space[axis] > 1 && operand.strides[static_cast<std::size_t>(axis)] == 0) {
          throw InternalError("group: output operand " + std::to_string(i) +
                              " has stride 0 along the kept axis " + std::to_string(axis));
        }
      }
    }
  }

  void check_inst() {
    const ScalarInst& now = inst();
    if (static_cast<int>(now.op) >= kScalarOpCount) {
      throw InternalError("group: instruction %" + std::to_string(position_) +
                          " has no such operation");
    }
    require(static_cast<int>(now.type) < kDtypeCount, "no such type");
    const int count = operand_count(now.op);
    int at = 0;
    for (const std::int32_t source : {now.a, now.b, now.c}) {
      if (at++ >= count) {
        require(source == -1, "an unused operand is not -1");
        continue;
      }
      require(source >= 0 && static_cast<std::size_t>(source) < position_,
              "an operand is not an earlier instruction");
      require(group_.body[static_cast<std::size_t>(source)].op != ScalarOp::store,
              "an operand is a store, which has no value");
    }
    check_imm();
    check_types();
  }

  void check_operand_access(bool output) const {
    require(inst().imm >= 0 && static_cast<std::size_t>(inst().imm) < group_.operands.size(),
            "there is no such group operand");
    const GroupOperand& operand = group_.operands[static_cast<std::size_t>(inst().imm)];
    require(operand.output == output,
            output ? "stores into an operand that is not an output" : "loads an output operand");
    require(operand.dtype == inst().type, "the type differs from the group operand's");
  }

  void check_imm() {
    const std::int64_t imm = inst().imm;
    switch (inst().op) {
      case ScalarOp::load:
        check_operand_access(false);
        break;
      case ScalarOp::store:
        check_operand_access(true);
        require(!stored_[static_cast<std::size_t>(imm)], "a second store into the same output");
        stored_[static_cast<std::size_t>(imm)] = true;
        break;
      case ScalarOp::index:
        require(imm >= 0 && imm < group_.space.rank(), "there is no such axis");
        require(inst().type == Dtype::i64 ||
                    group_.space[static_cast<int>(imm)] <= std::numeric_limits<std::int32_t>::max(),
                "the axis is too long for an i32 index");
        break;
      case ScalarOp::constant:
        check_constant();
        break;
      case ScalarOp::shift_left:
      case ScalarOp::shift_right:
      case ScalarOp::shift_right_logical:
        require(imm >= 0 && imm < static_cast<std::int64_t>(8 * size_of(inst().type)),
                "the distance is not below the number of bits");
        break;
      case ScalarOp::wrap_angle:
        require(imm == 0 || imm == 1, "an angle is wrapped by 0 or 1 quarters");
        break;
      default:
        require(imm == 0, "an unused imm is not 0");
    }
  }

  void check_constant() const {
    const std::int64_t imm = inst().imm;
    if (inst().type == Dtype::boolean) require(imm == 0 || imm == 1, "a boolean is not 0 or 1");
    if (size_of(inst().type) == 4) {
      require(imm == static_cast<std::int32_t>(imm),
              "the bits of a constant are not sign-extended");
    }
  }

  Dtype type_of(std::int32_t source) const {
    return group_.body[static_cast<std::size_t>(source)].type;
  }

  void check_types() const;
  void check_convert() const;
  void check_reductions();

  const Group& group_;
  std::size_t position_ = 0;
  std::vector<bool> stored_;
};

void Verifier::check_types() const {
  const ScalarInst& now = inst();
  const Dtype type = now.type;
  // Operands of the result's type, unless a case below says otherwise.
  bool same = true;
  switch (now.op) {
    case ScalarOp::load:
    case ScalarOp::store:
      break;
    case ScalarOp::index:
      require(is_integer(type), "an index is i32 or i64");
      break;
    case ScalarOp::constant:
      require(is_computed(type), "a constant is f32, f64, i32, i64 or bool");
      break;
    case ScalarOp::add:
    case ScalarOp::sub:
    case ScalarOp::mul:
    case ScalarOp::neg:
    case ScalarOp::reduce_sum:
    case ScalarOp::reduce_product:
    case ScalarOp::reduce_max:
    case ScalarOp::reduce_min:
      require(is_float(type) || is_integer(type), "the type is not f32, f64, i32 or i64");
      break;
    case ScalarOp::div:
    case ScalarOp::fma:
    case ScalarOp::abs:
    case ScalarOp::sqrt:
    case ScalarOp::round_even:
    case ScalarOp::floor:
    case ScalarOp::ceil:
    case ScalarOp::trunc:
    case ScalarOp::wrap_angle:
      require(is_float(type), "the type is not f32 or f64");
      break;
    case ScalarOp::eq:
    case ScalarOp::ne:
    case ScalarOp::lt:
    case ScalarOp::le:
      require(type == Dtype::boolean, "a comparison is a bool");
      require(is_computed(type_of(now.a)), "compares u8, bf16 or f16");
      require(type_of(now.a) == type_of(now.b), "compares different types");
      same = false;
      break;
    case ScalarOp::bit_and:
    case ScalarOp::bit_or:
    case ScalarOp::bit_xor:
    case ScalarOp::bit_not:
      require(is_integer(type) || type == Dtype::boolean, "the type is not i32, i64 or bool");
      break;
    case ScalarOp::shift_left:
    case ScalarOp::shift_right:
    case ScalarOp::shift_right_logical:
      require(is_integer(type), "the type is not i32 or i64");
      break;
    case ScalarOp::select:
      require(is_computed(type), "the type is u8, bf16 or f16");
      require(type_of(now.a) == Dtype::boolean, "the condition is not a bool");
      require(type_of(now.b) == type && type_of(now.c) == type, "the branches have other types");
      same = false;
      break;
    case ScalarOp::bitcast: {
      const Dtype from = type_of(now.a);
      const Dtype low = is_float(type) ? type : from;
      const Dtype other = is_float(type) ? from : type;
      require(
          (low == Dtype::f32 && other == Dtype::i32) || (low == Dtype::f64 && other == Dtype::i64),
          "the types are not f32 and i32 or f64 and i64");
      same = false;
      break;
    }
    case ScalarOp::convert:
      check_convert();
      same = false;
      break;
  }
  if (!same) return;
  const int count = operand_count(now.op);
  int at = 0;
  for (const std::int32_t source : {now.a, now.b, now.c}) {
    if (at++ < count) require(type_of(source) == type, "an operand has another type");
  }
}

void Verifier::check_convert() const {
  const Dtype from = type_of(inst().a);
  const Dtype to = inst().type;
  if (is_half(from)) require(to == Dtype::f32, "bf16 and f16 convert to f32 only");
  if (is_half(to)) require(from == Dtype::f32, "bf16 and f16 convert from f32 only");
}

void Verifier::check_reductions() {
  const std::vector<std::uint8_t> varies = varies_along_reduced(group_);
  const std::vector<int> pass = passes(group_);
  const std::int32_t first =
      group_.kind == GroupKind::inner ? group_.space.rank() - group_.reduced_axes : 0;
  for (position_ = 0; position_ < group_.body.size(); ++position_) {
    const ScalarInst& now = inst();
    if (is_reduction(now.op)) {
      require(group_.kind != GroupKind::map, "a reduction in a map");
      require(group_.kind != GroupKind::outer || pass[position_] == 0,
              "a reduction of a reduction in an outer group");
    }
    if (group_.kind == GroupKind::outer && varies[position_] != 0) {
      require(pass[position_] == 0,
              "varies along the reduced axes of an outer group, and depends "
              "on a reduction");
    }
    if (now.op != ScalarOp::store || group_.kind == GroupKind::map) continue;
    if (varies[static_cast<std::size_t>(now.a)] == 0) continue;
    const GroupOperand& operand = group_.operands[static_cast<std::size_t>(now.imm)];
    for (int axis = first; axis < first + group_.reduced_axes; ++axis) {
      require(group_.space[axis] <= 1 || operand.strides[static_cast<std::size_t>(axis)] != 0,
              "stores a value that varies along the reduced axes into an output that does not");
    }
  }
}

}  // namespace

void verify(const Group& group) { Verifier(group).run(); }

}  // namespace sinter::ir
