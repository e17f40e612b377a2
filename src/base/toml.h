// TOML by toml++: every text that is read goes through parse_toml().
#ifndef SINTER_BASE_TOML_H_
#define SINTER_BASE_TOML_H_

#include <toml++/toml.h>

#include <string>
#include <string_view>

namespace sinter {

// How deep arrays and inline tables may lie in each other, and how many parts a dotted key may
// have. toml++ parses and destroys by recursion; its own limit of 256 levels takes half a megabyte
// of stack, and dotted keys have none.
inline constexpr int kMaxTomlDepth = 16;

// The text of the file `path`, which is not trusted. Throws Error, naming path, line and column,
// for a text that is not TOML or lies deeper than kMaxTomlDepth.
toml::table parse_toml(std::string_view text, const std::string& path);

}  // namespace sinter

#endif  // SINTER_BASE_TOML_H_
