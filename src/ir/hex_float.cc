#include "ir/hex_float.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>

namespace sinter::ir {

namespace {

constexpr std::string_view kNan = "nan:";
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

std::string hex_float(double value) {
  if (std::isnan(value)) return fmt::format("{}{:016x}", kNan, std::bit_cast<std::uint64_t>(value));
  const char* sign = std::signbit(value) ? "-" : "";
  if (std::isinf(value)) return fmt::format("{}inf", sign);
  char digits[40];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, std::fabs(value), std::chars_format::hex);
  return fmt::format("{}0x{}", sign, std::string_view(digits, end.ptr - digits));
}

std::optional<double> parse_hex_float(std::string_view text) {
  if (starts_with(text, kNan)) {
    const std::string_view digits = text.substr(kNan.size());
    std::uint64_t bits = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
    const auto value = std::bit_cast<double>(bits);
    if (digits.size() != 16 || end.ec != std::errc() || end.ptr != digits.data() + 16 ||
        !std::isnan(value)) {
      return std::nullopt;
    }
    return value;
  }
  const bool negative = starts_with(text, "-");
  if (negative) text.remove_prefix(1);
  double value = kInfinity;
  if (text != "inf") {
    if (!starts_with(text, "0x")) return std::nullopt;
    text.remove_prefix(2);
    // from_chars would also take a sign, "inf" and "nan" here.
    if (text.empty() || std::string_view("0123456789abcdef").find(text[0]) == text.npos) {
      return std::nullopt;
    }
    const auto end =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::hex);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  }
  return negative ? -value : value;
}

}  // namespace sinter::ir
