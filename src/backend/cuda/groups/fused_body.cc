#include "backend/cuda/groups/fused_body.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "ir/internal_error.h"

namespace sinter::backend::cuda {

namespace {

using ir::GroupKind;
using ir::ScalarInst;
using ir::ScalarOp;

// Positions run past the end by less than a block's worth, so that 32 bits hold them.
constexpr std::int64_t kMost32BitPositions = (std::int64_t{1} << 31) - (std::int64_t{1} << 20);

// A kernel's parameter has at most 4096 bytes: the workspace, and these of 8 bytes each. A few more
// numbers follow once there is no room for lengths.
constexpr std::size_t kMostArguments = 460;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

bool moves(const ir::GroupOperand& operand, const Shape& space) {
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (space[axis] != 1 && operand.strides[at(axis)] != 0) return true;
  }
  return false;
}

// Which values of a map differ from point to point. Stores always happen at every point.
Marks varies_in_map(const ir::Group& group) {
  Marks varies;
  for (const ScalarInst& inst : group.body) {
    bool point = inst.op == ScalarOp::store;
    if (inst.op == ScalarOp::load) point = moves(group.operands[at(inst.imm)], group.space);
    if (inst.op == ScalarOp::index) point = group.space[static_cast<int>(inst.imm)] != 1;
    for (const std::int32_t source : {inst.a, inst.b, inst.c}) {
      if (source >= 0 && varies[at(source)] != 0) point = true;
    }
    varies.push_back(point ? 1 : 0);
  }
  return varies;
}

// What stands for itself beside any operator.
std::string in_parentheses(const std::string& text) {
  return text.find(' ') == std::string::npos ? text : "(" + text + ")";
}

bool is_wide(const ir::Group& group) {
  std::int64_t elements = 1;
  for (const std::int64_t length : group.space) elements *= std::max<std::int64_t>(1, length);
  if (elements > kMost32BitPositions) return true;
  for (const ir::GroupOperand& operand : group.operands) {
    std::int64_t reach = 0;
    for (int axis = 0; axis < group.space.rank(); ++axis) {
      reach += std::abs(operand.strides[at(axis)]) * std::max<std::int64_t>(1, group.space[axis]);
    }
    if (reach > kMost32BitPositions) return true;
  }
  return false;
}

}  // namespace

FusedBody::FusedBody(const ir::Group& group) : group_(ir::collapse(group)) {
  map_ = group_.kind == GroupKind::map;
  rows_ = map_ ? 1 : group_.kept_elements();
  points_ = map_ ? group_.kept_elements() : group_.reduced_elements();
  wide_ = is_wide(group_);
  varies_ = map_ ? varies_in_map(group_) : ir::varies_along_reduced(group_);
  pass_of_ = ir::passes(group_);
  for (const int pass : pass_of_) pass_count_ = std::max(pass_count_, pass + 1);
  used_.assign(group_.body.size(), 0);
  for (std::size_t i = group_.body.size(); i-- > 0;) {
    if (inst(i).op == ScalarOp::store) used_[i] = 1;
    if (used_[i] == 0) continue;
    for (const std::int32_t source : {inst(i).a, inst(i).b, inst(i).c}) {
      if (source >= 0) used_[at(source)] = 1;
    }
  }
}

bool FusedBody::any(const Marks& marks) {
  return std::any_of(marks.begin(), marks.end(), [](std::uint8_t mark) { return mark != 0; });
}

std::vector<std::size_t> FusedBody::reductions(int pass) const {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < size(); ++i) {
    if (is_reduction(inst(i).op) && used_[i] != 0 && pass_of_[i] == pass) result.push_back(i);
  }
  return result;
}

bool FusedBody::has_row_stores() const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (inst(i).op == ScalarOp::store && varies_[i] == 0) return true;
  }
  return false;
}

// Marks what the marked instructions need: the point values, or the row values. What a row value
// needs is a row value, except for a reduction's argument, which earlier passes have dealt with.
void FusedBody::mark_needed(Marks& marks, const Marks& held, bool rows) const {
  for (std::size_t i = size(); i-- > 0;) {
    if (marks[i] == 0 || held[i] != 0) continue;
    if (rows && varies_[i] == 0 && is_reduction(inst(i).op)) continue;
    for (const std::int32_t source : {inst(i).a, inst(i).b, inst(i).c}) {
      if (source >= 0 && (varies_[at(source)] == 0) == rows) marks[at(source)] = 1;
    }
  }
}

Marks FusedBody::point_work(int pass, const Marks& held) const {
  Marks marks(size(), 0);
  for (const std::size_t i : reductions(pass)) marks[i] = 1;
  for (std::size_t i = 0; i < size(); ++i) {
    if (inst(i).op == ScalarOp::store && varies_[i] != 0 && pass_of_[i] == pass) marks[i] = 1;
  }
  mark_needed(marks, held, false);
  return marks;
}

Marks FusedBody::row_values(const Marks& work) const {
  Marks marks(size(), 0);
  for (std::size_t i = 0; i < size(); ++i) {
    if (work[i] == 0) continue;
    for (const std::int32_t source : {inst(i).a, inst(i).b, inst(i).c}) {
      if (source >= 0 && varies_[at(source)] == 0) marks[at(source)] = 1;
    }
  }
  mark_needed(marks, Marks(size(), 0), true);
  return marks;
}

Marks FusedBody::row_values_of_stores() const {
  Marks marks(size(), 0);
  for (std::size_t i = 0; i < size(); ++i) {
    if (inst(i).op == ScalarOp::store && varies_[i] == 0) marks[i] = 1;
  }
  mark_needed(marks, Marks(size(), 0), true);
  return marks;
}

bool FusedBody::is_moving(int axis) const {
  if (map_) return true;
  if (group_.kind == GroupKind::outer) return axis < group_.reduced_axes;
  return axis >= group_.space.rank() - group_.reduced_axes;
}

FusedBody::Lengths FusedBody::merged(const std::vector<std::int64_t>& strides, bool moving) const {
  Lengths result;
  for (int axis = 0; axis < group_.space.rank(); ++axis) {
    // Where there are no points, no distance is used; it must compile.
    const std::int64_t length = std::max<std::int64_t>(1, group_.space[axis]);
    if (is_moving(axis) != moving || length == 1) continue;
    const std::int64_t stride = strides[at(axis)];
    if (!result.lengths.empty() && result.strides.back() == stride * length) {
      result.lengths.back() *= length;
      result.strides.back() = stride;
      result.last.back() = axis;
    } else {
      result.lengths.push_back(length);
      result.strides.push_back(stride);
      result.first.push_back(axis);
      result.last.push_back(axis);
    }
  }
  return result;
}

std::string FusedBody::number(std::int64_t value) const {
  return std::to_string(value) + (wide_ ? "ull" : "u");
}

std::string FusedBody::count(const std::string& p, const std::string& end,
                             std::int64_t step) const {
  if (points_ > 0 && points_ % step == 0) return "4";
  return fmt::format("sinter_count({}, ({}){})", p, position_type(), end);
}

bool FusedBody::takes_literals(const KernelText& text) const {
  return wide_ || operand_count() + text.numbers().size() >= kMostArguments;
}

std::string FusedBody::length(KernelText& text, const std::string& role, std::int64_t value) const {
  if (takes_literals(text)) return number(value);
  return "(unsigned)" + text.argument(role, static_cast<std::uint64_t>(value));
}

// Exact for positions below 2^31: with l = ceil(log2(length)) and m = ceil(2^(31 + l) / length),
// position * m / 2^(31 + l) is off by less than 1 / length.
std::string FusedBody::quotient(KernelText& text, const std::string& role,
                                const std::string& position, std::int64_t value) const {
  if (takes_literals(text)) return position + " / " + number(value);
  const auto length = static_cast<std::uint64_t>(value);
  const auto bits = static_cast<std::uint64_t>(std::bit_width(length - 1));
  const std::uint64_t shift = 31 + bits;
  const std::uint64_t factor = ((std::uint64_t{1} << shift) + length - 1) / length;
  return fmt::format("sinter_divide({}, {})", position,
                     text.argument("divide " + role, factor | shift << 32));
}

std::string FusedBody::remainder(KernelText& text, const std::string& role,
                                 const std::string& position, std::int64_t value) const {
  if (takes_literals(text)) return position + " % " + number(value);
  const std::string count = quotient(text, role, position, value);
  const std::string divisor = count.substr(count.rfind(' ') + 1);  // "n3)"
  return fmt::format("sinter_modulo({}, {}, {}", position, this->length(text, role, value),
                     divisor);
}

std::string FusedBody::stride_of(KernelText& text, const std::string& role,
                                 std::int64_t stride) const {
  if (takes_literals(text)) return std::to_string(stride) + (wide_ ? "ll" : "");
  return "(int)" + text.argument(role, static_cast<std::uint64_t>(stride));
}

// How far, in elements, the point or row at `position` lies from the first; "" for no distance.
std::string FusedBody::distance(KernelText& text, const std::string& operand,
                                const std::vector<std::int64_t>& strides, bool moving,
                                std::string_view position) const {
  const Lengths axes = merged(strides, moving);
  const char* const signed_type = wide_ ? "long long" : "int";
  std::string sum;
  std::int64_t below = 1;  // the product of the lengths of the axes inside of this one
  for (std::size_t axis = axes.lengths.size(); axis-- > 0;) {
    const std::int64_t stride = axes.strides[axis];
    if (stride != 0) {
      // Runs of axes have a length each, the same for all operands.
      const std::string run =
          fmt::format("{} {} {}", moving ? "point" : "row", axes.first[axis], axes.last[axis]);
      const std::string inside =
          fmt::format("inside {} {}", moving ? "point" : "row", axes.last[axis]);
      std::string place(position);
      if (below != 1) place = quotient(text, inside, place, below);
      if (axis != 0) place = remainder(text, run, place, axes.lengths[axis]);
      if (stride == 1 && below == 1 && axis == 0) {
        sum = place;
      } else {
        if (!sum.empty()) sum += " + ";
        sum += fmt::format("({}){}", signed_type, in_parentheses(place));
        if (stride != 1) {
          sum += " * " + stride_of(text, fmt::format("stride {} {}", operand, run), stride);
        }
      }
    }
    below *= axes.lengths[axis];
  }
  return sum;
}

std::string FusedBody::point_distance(KernelText& text, const ScalarInst& it,
                                      std::string_view position) const {
  const std::string from =
      distance(text, std::to_string(it.imm), group_.operands[at(it.imm)].strides, true, position);
  return from.empty() ? "0" : from;
}

FusedBody::Four FusedBody::four_of(const ScalarInst& it) const {
  const Lengths axes = merged(group_.operands[at(it.imm)].strides, true);
  if (axes.lengths.empty()) return Four::same;
  const bool whole_fours = axes.lengths.size() == 1 || axes.lengths.back() % 4 == 0;
  if (!whole_fours || axes.strides.back() > 1 || axes.strides.back() < 0) return Four::scattered;
  return axes.strides.back() == 1 ? Four::contiguous : Four::same;
}

bool FusedBody::moves_in_fours() const {
  for (std::size_t i = 0; i < size(); ++i) {
    const ScalarOp op = inst(i).op;
    if (op != ScalarOp::load && op != ScalarOp::store) continue;
    if (used_[i] != 0 && four_of(inst(i)) == Four::scattered) return false;
  }
  return points_ >= 4;
}

std::vector<std::int64_t> FusedBody::index_strides(const ScalarInst& it) const {
  std::vector<std::int64_t> strides(at(group_.space.rank()), 0);
  strides[at(it.imm)] = 1;
  return strides;
}

std::string FusedBody::index_value(KernelText& text, const ScalarInst& it, bool moving,
                                   std::string_view position) const {
  const std::string place = distance(text, "index", index_strides(it), moving, position);
  return fmt::format("({}){}", value_type(it.type), place.empty() ? "0" : in_parentheses(place));
}

void FusedBody::write_addresses(KernelText& text, const Marks& work, const Marks& values) const {
  std::vector<std::uint8_t> written(group_.operands.size(), 0);
  for (std::size_t i = 0; i < size(); ++i) {
    if (work[i] == 0 && values[i] == 0) continue;
    if (inst(i).op != ScalarOp::load && inst(i).op != ScalarOp::store) continue;
    const std::size_t operand = at(inst(i).imm);
    if (written[operand] != 0) continue;
    written[operand] = 1;
    const ir::GroupOperand& it = group_.operands[operand];
    const std::string type =
        std::string(it.output ? "" : "const ") + std::string(memory_type(it.dtype));
    const std::string from = distance(text, std::to_string(operand), it.strides, false, "row");
    text.line("{0}* const x{1} = ({0}*)arguments.operands[{1}]{2}{3};", type, operand,
              from.empty() ? "" : " + ", from.empty() ? "" : in_parentheses(from));
  }
}

void FusedBody::write_value(KernelText& text, std::size_t i, std::string_view value) const {
  text.line("const {} v{} = {};", value_type(inst(i).type), i, value);
}

void FusedBody::write_row_values(KernelText& text, const Marks& values, int pass,
                                 std::string_view condition) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const ScalarInst& it = inst(i);
    if (values[i] == 0 || varies_[i] != 0 || pass_of_[i] != pass) continue;
    if (is_reduction(it.op) || it.op == ScalarOp::store) continue;
    if (it.op == ScalarOp::load) {
      const char* const truth = it.type == Dtype::boolean ? " != 0" : "";
      const std::string value = condition.empty()
                                    ? fmt::format("*x{}{}", it.imm, truth)
                                    : fmt::format("{} ? *x{}{} : {}(0)", condition, it.imm, truth,
                                                  fmt::format("({})", value_type(it.type)));
      write_value(text, i, value);
    } else if (it.op == ScalarOp::index) {
      write_value(text, i, index_value(text, it, false, "row"));
    } else {
      write_value(text, i, expression(it));
    }
  }
}

void FusedBody::write_row_stores(KernelText& text) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (inst(i).op == ScalarOp::store && varies_[i] == 0) {
      text.line("*x{} = v{};", inst(i).imm, inst(i).a);
    }
  }
}

// What is loaded in one piece, and where stores and kept values go.
void FusedBody::write_loads_of_four(KernelText& text, const Marks& work, const Marks& held) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const ScalarInst& it = inst(i);
    if (work[i] == 0 || held[i] != 0) continue;
    if (it.op == ScalarOp::load && four_of(it) == Four::contiguous) {
      text.line("{} in{}[4];", memory_type(it.type), i);
      text.line("sinter_load(in{0}, x{1} + {2}, count);", i, it.imm,
                in_parentheses(point_distance(text, it, "p")));
    } else if (it.op == ScalarOp::load && four_of(it) == Four::same) {
      text.line("const {} in{} = count > 0 ? x{}[{}] : ({})0;", memory_type(it.type), i, it.imm,
                point_distance(text, it, "p"), memory_type(it.type));
    } else if (it.op == ScalarOp::store) {
      text.line("{} out{}[4];", memory_type(it.type), i);
    }
  }
}

void FusedBody::write_four_point_value(KernelText& text, std::size_t i) const {
  const ScalarInst& it = inst(i);
  if (it.op == ScalarOp::load) {
    const char* const truth = it.type == Dtype::boolean ? " != 0" : "";
    const Four four = four_of(it);
    if (four == Four::contiguous) return write_value(text, i, fmt::format("in{}[j]{}", i, truth));
    if (four == Four::same) return write_value(text, i, fmt::format("in{}{}", i, truth));
    const std::string from = point_distance(text, it, "(p + j)");
    write_value(
        text, i,
        fmt::format("j < count ? x{}[{}]{} : ({})0", it.imm, from, truth, value_type(it.type)));
  } else if (it.op == ScalarOp::index) {
    write_value(text, i, index_value(text, it, true, "(p + j)"));
  } else if (it.op == ScalarOp::store) {
    text.line("out{}[j] = v{};", i, it.a);
  } else if (is_reduction(it.op)) {
    text.line("a{0}[j] = j < count ? {1}::apply(a{0}[j], v{2}) : a{0}[j];", i, reduction_type(i),
              it.a);
  } else {
    write_value(text, i, expression(it));
  }
}

void FusedBody::write_stores_of_four(KernelText& text, const Marks& work) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const ScalarInst& it = inst(i);
    if (work[i] == 0 || it.op != ScalarOp::store) continue;
    if (four_of(it) == Four::contiguous) {
      text.line("sinter_store(x{} + {}, out{}, count);", it.imm,
                in_parentheses(point_distance(text, it, "p")), i);
      continue;
    }
    text.unroll();
    text.open("for (int j = 0; j < 4; ++j) {{");
    text.line("if (j < count) x{}[{}] = out{}[j];", it.imm, point_distance(text, it, "(p + j)"), i);
    text.close();
  }
}

void FusedBody::write_four_points(KernelText& text, const Marks& work, const Marks& held,
                                  const Marks& keep) const {
  write_loads_of_four(text, work, held);
  for (std::size_t i = 0; i < size(); ++i) {
    if (keep[i] != 0) text.line("{} h{}[4];", value_type(inst(i).type), i);
  }
  text.unroll();
  text.open("for (int j = 0; j < 4; ++j) {{");
  for (std::size_t i = 0; i < size(); ++i) {
    if (work[i] == 0) continue;
    if (held[i] != 0) {
      write_value(text, i, fmt::format("h{}[j]", i));
      continue;
    }
    write_four_point_value(text, i);
    if (keep[i] != 0) text.line("h{0}[j] = v{0};", i);
  }
  text.close();
  write_stores_of_four(text, work);
}

void FusedBody::write_point(KernelText& text, const Marks& work) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const ScalarInst& it = inst(i);
    if (work[i] == 0 || it.op == ScalarOp::store) continue;
    if (it.op == ScalarOp::load) {
      write_value(text, i,
                  fmt::format("x{}[{}]{}", it.imm, point_distance(text, it, "p"),
                              it.type == Dtype::boolean ? " != 0" : ""));
    } else if (it.op == ScalarOp::index) {
      write_value(text, i, index_value(text, it, true, "p"));
    } else if (is_reduction(it.op)) {
      text.line("a{0} = {1}::apply(a{0}, v{2});", i, reduction_type(i), it.a);
    } else {
      write_value(text, i, expression(it));
    }
  }
  // A point's loads come before its stores, whatever their order in the body.
  for (std::size_t i = 0; i < size(); ++i) {
    const ScalarInst& it = inst(i);
    if (work[i] == 0 || it.op != ScalarOp::store) continue;
    text.line("x{}[{}] = v{};", it.imm, point_distance(text, it, "p"), it.a);
  }
}

void FusedBody::write_lanes(KernelText& text, const std::vector<std::size_t>& reductions,
                            int lanes) const {
  for (const std::size_t i : reductions) {
    const std::string start = identity(i);
    if (lanes == 1) {
      text.line("{} a{} = {};", value_type(inst(i).type), i, start);
    } else {
      text.line("{0} a{1}[4] = {{{2}, {2}, {2}, {2}}};", value_type(inst(i).type), i, start);
    }
  }
}

}  // namespace sinter::backend::cuda
