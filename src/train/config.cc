#include "sinter/config.h"

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

void Config::add(Setting setting) {
  defaults_.push_back(setting.value);
  settings_.push_back(std::move(setting));
}

bool Config::has(std::string_view key) const {
  for (const Setting& setting : settings_) {
    if (setting.key == key) return true;
  }
  return false;
}

void Config::set_default(std::string_view key, const Value& value) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i].key == key) settings_[i].value = defaults_[i] = value;
  }
}

Config Config::defaults() const {
  Config config = *this;
  for (std::size_t i = 0; i < settings_.size(); ++i) config.settings_[i].value = defaults_[i];
  return config;
}

const Setting& Config::find(std::string_view key) const {
  for (const Setting& setting : settings_) {
    if (setting.key == key) return setting;
  }
  throw std::logic_error("internal: no setting " + std::string(key));
}

Setting& Config::find_for_user(const std::string& key, const std::string& where) {
  std::vector<std::string> keys;
  for (Setting& setting : settings_) {
    if (setting.key == key) return setting;
    keys.push_back(setting.key);
  }
  const std::string near = suggestion(key, keys);
  raise({.where = where,
         .what = "there is no setting '" + key + "'",
         .got = {},
         .expected = near.empty() ? "one of " + list_text(keys) : "",
         .hint = near});
}

void Config::check(const Setting& setting, const std::string& where) const {
  if (setting.range) {
    const double number = std::holds_alternative<std::int64_t>(setting.value)
                              ? static_cast<double>(std::get<std::int64_t>(setting.value))
                              : std::get<double>(setting.value);
    if (number < setting.range->least || number > setting.range->most) {
      refuse(where, "'" + setting.key + "' is out of range", to_text(setting.value),
             fmt::format("{} to {}", setting.range->least, setting.range->most));
    }
  }
  if (setting.choices.empty()) return;
  const auto& text = std::get<std::string>(setting.value);
  for (const std::string& name : setting.choices) {
    if (name == text) return;
  }
  raise({.where = where,
         .what = "there is no " + setting.key + " '" + text + "'",
         .got = {},
         .expected = list_text(setting.choices),
         .hint = suggestion(text, setting.choices)});
}

void Config::set(const std::string& key, std::string_view text, const std::string& where) {
  Setting& setting = find_for_user(key, where);
  Setting changed = setting;
  changed.value = parsed(setting.value, text, where);
  check(changed, where);
  setting = std::move(changed);
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
std::string Config::text_of(const Value& value) { return to_text(value); }

std::string Config::to_toml() const {
  std::string text;
  for (const Setting& setting : settings_) {
    if (!setting.determines_result) continue;
    const std::string line = setting.key + " = " + to_text(setting.value);
    text += setting.text.empty() ? line + "\n" : fmt::format("{:<32} # {}\n", line, setting.text);
  }
  return text;
}

std::string Config::first_difference(const Config& other) const {
  for (const Setting& setting : settings_) {
    if (setting.determines_result && setting.value != other.find(setting.key).value)
      return setting.key;
  }
  return "";
}

}  // namespace sinter::train
