#include <fmt/format.h>

#include "base/file.h"
#include "base/toml.h"
#include "sinter/config.h"
#include "sinter/error.h"

namespace sinter::train {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

}  // namespace

std::string Config::read_text(const std::string& path, std::string_view key) {
  const toml::table table = parse_toml(read_file(path, kMostBytes), path);
  return table[key].value_or(std::string());
}

void Config::read(const std::string& path) { read_toml(read_file(path, kMostBytes), path); }

void Config::read_toml(std::string_view content, const std::string& path) {
  const toml::table table = parse_toml(content, path);
  for (const auto& [key, node] : table) {
    if (node.is_table()) continue;
    const std::string name(key.str());
    const std::string where = fmt::format("{}:{}", path, node.source().begin.line);
    if (const auto* text = node.as_string()) {
      set(name, text->get(), where);
    } else if (const auto* integer = node.as_integer()) {
      set(name, std::to_string(integer->get()), where);
    } else if (const auto* real = node.as_floating_point()) {
      set(name, fmt::format("{}", real->get()), where);
    } else if (const auto* flag = node.as_boolean()) {
      set(name, flag->get() ? "true" : "false", where);
    } else {
      raise({.where = where,
             .what = "'" + name + "' is neither a text, a number, true nor false",
             .got = {},
             .expected = {},
             .hint = {}});
    }
  }
}

}  // namespace sinter::train
