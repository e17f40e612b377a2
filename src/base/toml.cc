#include "base/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "sinter/error.h"

namespace sinter {
namespace {

// Finds nesting that is too deep before the parser follows it. Strings and comments are passed
// over; what else is wrong is the parser's to say.
class DepthCheck {
 public:
  DepthCheck(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  void run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        pass_string(c);
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        pass(c);
        ++at_;
      }
    }
  }

 private:
  void pass(char c) {
    if (c == '.') {
      count(++parts_);
      return;
    }
    if (c == '[' || c == '{') count(++depth_);
    if (c == ']' || c == '}') --depth_;
    // A key ends, and so does a number, which has a single dot.
    if (c == '=' || c == ',' || c == '\n' || c == '[' || c == '{') parts_ = 1;
    // A line that begins a table is not within another's brackets.
    if (c == '\n') line_begin_ = at_ + 1;
  }

  // From an opening quote to past the closing one; three quotes hold several lines.
  void pass_string(char quote) {
    const std::string three(3, quote);
    const bool lines = text_.substr(at_, 3) == three;
    at_ += lines ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (lines ? text_.substr(at_, 3) == three : c == quote) {
        at_ += lines ? 3 : 1;
        // Up to two more belong to the content of several lines: '''a'''''.
        for (int more = 0; lines && more < 2 && text_.substr(at_, 1) == three.substr(0, 1);
             ++more) {
          ++at_;
        }
        return;
      }
      if (c == '\n' && !lines) return;
      if (c == '\\' && quote == '"') ++at_;
      if (at_ < text_.size() && text_[at_] == '\n') line_begin_ = at_ + 1;
      ++at_;
    }
    at_ = text_.size();
  }

  void count(int levels) const {
    if (levels <= kMaxTomlDepth) return;
    const auto line =
        std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    raise({.where = fmt::format("{}:{}:{}", path_, line + 1, at_ - line_begin_ + 1),
           .what = "this is nested too deep",
           .got = {},
           .expected = fmt::format("at most {} levels", kMaxTomlDepth),
           .hint = {}});
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  int depth_ = 0;  // of brackets
  int parts_ = 1;  // of the key that is being read
};

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& path) {
  DepthCheck(text, path).run();
  try {
    return toml::parse(text, std::string_view(path));
  } catch (const toml::parse_error& error) {
    raise({.where = fmt::format("{}:{}:{}", path, error.source().begin.line,
                                error.source().begin.column),
           .what = std::string(error.description()),
           .got = {},
           .expected = {},
           .hint = {}});
  }
}

}  // namespace sinter
