#include "base/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstddef>

#include "sinter/error.h"

namespace sinter {
namespace {

[[noreturn]] void refuse(const std::string& where, const char* what, std::size_t byte,
                         std::string expected = {}) {
  raise({.where = where,
         .what = fmt::format("{} at byte {}", what, byte),
         .got = {},
         .expected = std::move(expected),
         .hint = {}});
}

constexpr const char* kNotJson = "this is not valid JSON";

// Whether brackets match is the parser's to say.
void check_depth(std::string_view text, const std::string& where) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) {
        refuse(where, "this JSON is nested too deep", at,
               fmt::format("at most {} levels", kMaxJsonDepth));
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

// A decimal number as the f64 next to it, whatever the locale.
double to_double(const std::string& digits) {
  double value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  // The parser would take it for the end.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    refuse(where, kNotJson, zero);
  }
  check_depth(text, where);
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& error) {
    refuse(where, kNotJson, error.byte > 0 ? error.byte - 1 : 0);
  } catch (const Json::out_of_range&) {
    raise({.where = where,
           .what = "a number is too large",
           .got = {},
           .expected = "numbers that an f64 can hold",
           .hint = {}});
  }
}

std::string json_text(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

OrderedJson json_number(float value) {
  if (!std::isfinite(value)) return nullptr;
  return to_double(fmt::format("{}", value));
}

OrderedJson json_number(double value, int digits) {
  if (!std::isfinite(value)) return nullptr;
  return to_double(fmt::format("{:.{}g}", value, digits));
}

}  // namespace sinter
