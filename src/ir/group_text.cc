// Groups as text, written and read. The format, one item a line, words separated by one space:
//
//   group inner 128 10 reduced 1        kind, lengths of the space, number of reduced axes
//   operand 0 in f32 10 1               number, in or out, type, strides
//   operand 1 out f32 1 0
//   %0 = load f32 @0
//   %1 = constant f32 0x1.8p+0          floats in hex; inf, -inf, nan:<bits in hex>
//   %2 = fma f32 %0 %1 %1
//   %3 = reduce_sum f32 %2
//   %4 = store f32 %3 @1
//
// `index i64 axis 1`, `shift_left i32 %1 by 3` and `wrap_angle f32 %1 quarters 0` show the other
// meanings of imm.
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <system_error>

#include "ir/group.h"
#include "ir/hex_float.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::ir {

namespace {

constexpr std::string_view kKindNames[] = {"map", "inner", "outer"};
constexpr std::string_view kWhere = "group text";

// What stands before imm in the text; "" where the instruction has none. Constants are apart.
std::string_view imm_prefix(ScalarOp op) {
  switch (op) {
    case ScalarOp::load:
    case ScalarOp::store:
      return "@";
    case ScalarOp::index:
      return "axis ";
    case ScalarOp::shift_left:
    case ScalarOp::shift_right:
    case ScalarOp::shift_right_logical:
      return "by ";
    case ScalarOp::wrap_angle:
      return "quarters ";
    default:
      return "";
  }
}

// An f32 NaN keeps its 32 bits: as a double it could become another NaN.
constexpr std::string_view kNan = "nan:";

std::string constant_text(Dtype type, std::int64_t imm) {
  if (type == Dtype::f64) return hex_float(std::bit_cast<double>(imm));
  if (type != Dtype::f32) return std::to_string(imm);
  const auto bits = static_cast<std::uint32_t>(imm);
  const auto value = std::bit_cast<float>(bits);
  if (value == value) return hex_float(static_cast<double>(value));
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(kNan);
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[(bits >> shift) & 15u];
  return text;
}

template <class Integer>
std::optional<Integer> parse_integer(std::string_view text, int base = 10) {
  Integer value{};
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value, base);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_constant(Dtype type, std::string_view text) {
  if (type == Dtype::f64) {
    const std::optional<double> value = parse_hex_float(text);
    if (!value) return std::nullopt;
    return std::bit_cast<std::int64_t>(*value);
  }
  if (type != Dtype::f32) return parse_integer<std::int64_t>(text);
  if (text.substr(0, kNan.size()) == kNan) {
    const auto bits = parse_integer<std::uint32_t>(text.substr(kNan.size()), 16);
    if (!bits) return std::nullopt;
    return static_cast<std::int32_t>(*bits);
  }
  const std::optional<double> value = parse_hex_float(text);
  // A double that is no float is caught by the comparison with the canonical text.
  constexpr double largest = std::numeric_limits<float>::max();
  if (!value || (*value - *value == 0.0 && (*value > largest || *value < -largest))) {
    return std::nullopt;
  }
  return std::bit_cast<std::int32_t>(static_cast<float>(*value));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Group run() {
    next_line();
    parse_header();
    while (!rest_.empty() || at_ < text_.size()) {
      next_line();
      if (take_word("operand")) {
        parse_operand();
      } else {
        parse_inst();
      }
    }
    return std::move(group_);
  }

  [[noreturn]] void fail(const std::string& what, std::string_view got = {},
                         const std::string& expected = {}) const {
    // A line of a hostile file may be long.
    raise({.where = std::string(kWhere) + ", line " + std::to_string(line_),
           .what = what,
           .got = got.empty() ? std::string() : "\"" + std::string(got.substr(0, 80)) + "\"",
           .expected = expected,
           .hint = {}});
  }

 private:
  void next_line() {
    ++line_;
    const std::size_t end = text_.find('\n', at_);
    if (end == text_.npos) fail("the last line has no end");
    rest_ = text_.substr(at_, end - at_);
    at_ = end + 1;
  }

  // The next word of the line, "" at its end.
  std::string_view word() {
    const std::size_t end = rest_.find(' ');
    const std::string_view result = rest_.substr(0, end);
    rest_ = end == rest_.npos ? std::string_view() : rest_.substr(end + 1);
    return result;
  }
  bool take_word(std::string_view expected) {
    const std::string_view before = rest_;
    if (word() == expected) return true;
    rest_ = before;
    return false;
  }
  void expect_word(std::string_view expected) {
    if (!take_word(expected)) fail("another word", rest_, "\"" + std::string(expected) + "\"");
  }
  std::int64_t integer(std::string_view text) {
    const auto value = parse_integer<std::int64_t>(text);
    if (!value) fail("not an integer", text, "an integer of 64 bits");
    return *value;
  }

  void parse_header() {
    expect_word("group");
    const std::string_view kind = word();
    int number = 0;
    while (number < 3 && kKindNames[number] != kind) ++number;
    if (number == 3) fail("unknown kind", kind, "map, inner or outer");
    group_.kind = static_cast<GroupKind>(number);
    std::vector<std::int64_t> lengths;
    while (!rest_.empty() && !take_word("reduced")) {
      lengths.push_back(integer(word()));
      if (lengths.size() > static_cast<std::size_t>(Shape::kMaxRank)) fail("too many axes");
    }
    try {
      group_.space = Shape(lengths);
    } catch (const Error& error) {
      fail(error.what());
    }
    group_.reduced_axes = static_cast<int>(small(word(), Shape::kMaxRank));
  }

  // An integer from 0 to `largest`.
  std::int64_t small(std::string_view text, std::int64_t largest) {
    const std::int64_t value = integer(text);
    if (value < 0 || value > largest) {
      fail("number out of range", text, "0 to " + std::to_string(largest));
    }
    return value;
  }

  Dtype dtype() {
    const std::string_view name = word();
    for (int i = 0; i < kDtypeCount; ++i) {
      if (sinter::name_of(static_cast<Dtype>(i)) == name) return static_cast<Dtype>(i);
    }
    fail("unknown type", name, "f32, f64, bf16, f16, i32, i64, u8 or bool");
  }

  void parse_operand() {
    if (!group_.body.empty()) fail("an operand after an instruction");
    expect_word(std::to_string(group_.operands.size()));
    GroupOperand operand;
    operand.output = take_word("out");
    if (!operand.output) expect_word("in");
    operand.dtype = dtype();
    while (!rest_.empty()) operand.strides.push_back(integer(word()));
    group_.operands.push_back(std::move(operand));
  }

  void parse_inst() {
    expect_word("%" + std::to_string(group_.body.size()));
    expect_word("=");
    ScalarInst inst;
    const std::string_view name = word();
    int op = 0;
    while (op < kScalarOpCount && ir::name_of(static_cast<ScalarOp>(op)) != name) ++op;
    if (op == kScalarOpCount) fail("unknown instruction", name);
    inst.op = static_cast<ScalarOp>(op);
    inst.type = dtype();
    std::int32_t* const sources[] = {&inst.a, &inst.b, &inst.c};
    for (int i = 0; i < operand_count(inst.op); ++i) {
      const std::string_view source = word();
      if (source.empty() || source[0] != '%') fail("not a value", source, "% and a number");
      *sources[i] = static_cast<std::int32_t>(
          small(source.substr(1), std::numeric_limits<std::int32_t>::max()));
    }
    const std::string_view prefix = imm_prefix(inst.op);
    if (inst.op == ScalarOp::constant) {
      const std::optional<std::int64_t> imm = parse_constant(inst.type, rest_);
      if (!imm) fail("not a constant of this type", rest_);
      inst.imm = *imm;
    } else if (!prefix.empty()) {
      if (rest_.substr(0, prefix.size()) != prefix) {
        fail("another word", rest_, "\"" + std::string(prefix) + "\" and a number");
      }
      inst.imm = integer(rest_.substr(prefix.size()));
    } else if (!rest_.empty()) {
      fail("more than the instruction reads", rest_, "the end of the line");
    }
    rest_ = {};
    group_.body.push_back(inst);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 0;
  std::string_view rest_;  // of the line
  Group group_;
};

}  // namespace

std::string to_text(const Group& group) {
  std::string text = "group ";
  text += kKindNames[static_cast<int>(group.kind)];
  for (const std::int64_t length : group.space) text += " " + std::to_string(length);
  text += " reduced " + std::to_string(group.reduced_axes) + "\n";
  for (std::size_t i = 0; i < group.operands.size(); ++i) {
    const GroupOperand& operand = group.operands[i];
    text += "operand " + std::to_string(i) + (operand.output ? " out " : " in ");
    text += sinter::name_of(operand.dtype);
    for (const std::int64_t stride : operand.strides) text += " " + std::to_string(stride);
    text += "\n";
  }
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    const ScalarInst& inst = group.body[i];
    text += "%" + std::to_string(i) + " = ";
    text += ir::name_of(inst.op);
    text += " ";
    text += sinter::name_of(inst.type);
    for (const std::int32_t source : {inst.a, inst.b, inst.c}) {
      if (source >= 0) text += " %" + std::to_string(source);
    }
    if (inst.op == ScalarOp::constant) {
      text += " " + constant_text(inst.type, inst.imm);
    } else if (const std::string_view prefix = imm_prefix(inst.op); !prefix.empty()) {
      text += " ";
      text += prefix;
      text += std::to_string(inst.imm);
    }
    text += "\n";
  }
  return text;
}

Group parse_group(std::string_view text) {
  Parser parser(text);
  Group group = parser.run();
  try {
    verify(group);
  } catch (const InternalError& error) {
    parser.fail(error.what());
  }
  // Whatever reads in more than one way (spaces, leading zeros, a float of too many digits) is
  // refused.
  const std::string canonical = to_text(group);
  if (canonical != text) {
    std::size_t same = 0;
    std::size_t line = 1;
    while (same < canonical.size() && same < text.size() && canonical[same] == text[same]) {
      if (text[same++] == '\n') ++line;
    }
    raise({.where = std::string(kWhere) + ", line " + std::to_string(line),
           .what = "not written as to_text writes it",
           .got = {},
           .expected = {},
           .hint = {}});
  }
  return group;
}

}  // namespace sinter::ir
