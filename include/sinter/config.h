// The settings of a run: named, typed, with defaults; from files, options and key=value.
#ifndef SINTER_CONFIG_H_
#define SINTER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sinter::train {

struct Setting {
  using Value = std::variant<bool, std::int64_t, double, std::string>;

  struct Range {
    double least = 0;
    double most = 0;
  };

  std::string key;
  Value value;                            // the default, and its type
  std::string text = {};                  // one line, for people
  std::optional<Range> range = {};        // of numbers, both ends allowed
  std::vector<std::string> choices = {};  // what a text may be; empty: anything
  std::string option = {};                // "--lr"; empty: --set key=value alone
  std::string value_name = {};            // "PATH", for the help
  bool determines_result = true;
};

class Config {
 public:
  using Value = Setting::Value;

  // REQUIRES: no setting of that key.
  void add(Setting setting);

  std::span<const Setting> settings() const { return settings_; }
  bool has(std::string_view key) const;
  // Another default, before anything was set. REQUIRES: a setting of that key, of that type.
  void set_default(std::string_view key, const Value& value);

  // The same settings with the values that they had when they were added.
  Config defaults() const;

  // Sets one from text, in the type that it has. `where` is what the user typed it into:
  // "--epochs",
  // "--set". Throws Error for an unknown key (with a suggestion), a text that is no such value, and
  // one out of range.
  void set(const std::string& key, std::string_view text, const std::string& where);
  // "key=value".
  void set_pair(std::string_view pair);
  // Every setting that the TOML file has; tables are passed over. Throws Error as set() and, with
  // line and column, for a file that is no TOML.
  void read(const std::string& path);
  // The same from a text; `where` names it in errors.
  void read_toml(std::string_view text, const std::string& where);
  // The text of one key of a TOML file; "" when it has none. Throws Error for a file that is no
  // TOML.
  static std::string read_text(const std::string& path, std::string_view key);

  // REQUIRES: a setting of that key and type.
  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double real(std::string_view key) const;
  const std::string& text(std::string_view key) const;

  // The settings that determine the result, a line each, in the order of add().
  std::string to_toml() const;
  // The key of the first setting that determines the result and has another value there; "" if
  // none.
  std::string first_difference(const Config& other) const;
  // As TOML writes the value.
  std::string value_text(std::string_view key) const;
  static std::string text_of(const Value& value);

 private:
  const Setting& find(std::string_view key) const;
  Setting& find_for_user(const std::string& key, const std::string& where);
  void check(const Setting& setting, const std::string& where) const;

  std::vector<Setting> settings_;
  std::vector<Value> defaults_;  // of each
};

}  // namespace sinter::train

#endif  // SINTER_CONFIG_H_
