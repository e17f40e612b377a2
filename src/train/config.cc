#include "train/config.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <stdexcept>

#include "sinter/error.h"
#include "train/quote.h"
#include "train/suggest.h"

namespace sinter::train {
namespace {

std::string to_text(const Config::Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  std::string text = fmt::format("{}", std::get<double>(value));
  // TOML tells real numbers from integers by their look.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& got,
                         const std::string& expected) {
  raise({.where = where, .what = what, .got = got, .expected = expected, .hint = {}});
}

template <class T>
bool parse(std::string_view text, T* value) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && rest == end;
}

Config::Value parsed(const Config::Value& like, std::string_view text, const std::string& where) {
  const std::string got = "'" + std::string(text) + "'";
  if (std::holds_alternative<std::string>(like)) return std::string(text);
  if (std::holds_alternative<bool>(like)) {
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    refuse(where, "this is neither true nor false", got, "true or false");
  }
  if (std::holds_alternative<std::int64_t>(like)) {
    std::int64_t value = 0;
    if (!parse(text, &value)) refuse(where, "this is no whole number", got, "a whole number");
    return value;
  }
  double value = 0;
  if (!parse(text, &value) || !std::isfinite(value)) {
    refuse(where, "this is no number", got, "a finite number");
  }
  return value;
}

}  // namespace

void Config::add(Entry entry) { entries_.push_back(std::move(entry)); }

const Config::Entry& Config::find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return entry;
  }
  throw std::logic_error("internal: no setting " + std::string(key));
}

Config::Entry& Config::find_for_user(const std::string& key, const std::string& where) {
  std::vector<std::string> keys;
  for (Entry& entry : entries_) {
    if (entry.key == key) return entry;
    keys.push_back(entry.key);
  }
  const std::string near = suggestion(key, keys);
  raise({.where = where,
         .what = "there is no setting '" + key + "'",
         .got = {},
         .expected = near.empty() ? "one of " + list_text(keys) : "",
         .hint = near});
}

void Config::check(const Entry& entry, const std::string& where) const {
  if (entry.range) {
    const double number = std::holds_alternative<std::int64_t>(entry.value)
                              ? static_cast<double>(std::get<std::int64_t>(entry.value))
                              : std::get<double>(entry.value);
    if (number < entry.range->least || number > entry.range->most) {
      refuse(where, "'" + entry.key + "' is out of range", to_text(entry.value),
             fmt::format("{} to {}", entry.range->least, entry.range->most));
    }
  }
  if (entry.names.empty()) return;
  const auto& text = std::get<std::string>(entry.value);
  for (const std::string& name : entry.names) {
    if (name == text) return;
  }
  raise({.where = where,
         .what = "there is no " + entry.key + " '" + text + "'",
         .got = {},
         .expected = list_text(entry.names),
         .hint = suggestion(text, entry.names)});
}

void Config::set(const std::string& key, std::string_view text, const std::string& where) {
  Entry& entry = find_for_user(key, where);
  Entry changed = entry;
  changed.value = parsed(entry.value, text, where);
  check(changed, where);
  entry = std::move(changed);
}

void Config::set_pair(std::string_view pair) {
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    refuse("--set", "this is no setting", "'" + std::string(pair) + "'", "key=value");
  }
  set(std::string(pair.substr(0, equals)), pair.substr(equals + 1), "--set");
}

bool Config::flag(std::string_view key) const { return std::get<bool>(find(key).value); }
std::int64_t Config::integer(std::string_view key) const {
  return std::get<std::int64_t>(find(key).value);
}
double Config::real(std::string_view key) const { return std::get<double>(find(key).value); }
const std::string& Config::text(std::string_view key) const {
  return std::get<std::string>(find(key).value);
}

std::string Config::value_text(std::string_view key) const { return to_text(find(key).value); }

std::string Config::to_toml() const {
  std::string text;
  for (const Entry& entry : entries_) {
    if (!entry.determines_result) continue;
    const std::string line = entry.key + " = " + to_text(entry.value);
    text += entry.comment.empty() ? line + "\n" : fmt::format("{:<32} # {}\n", line, entry.comment);
  }
  return text;
}

std::string Config::first_difference(const Config& other) const {
  for (const Entry& entry : entries_) {
    if (entry.determines_result && entry.value != other.find(entry.key).value) return entry.key;
  }
  return "";
}

}  // namespace sinter::train
