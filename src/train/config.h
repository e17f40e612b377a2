// The settings of a run: named, typed, with defaults; from files, options and key=value.
#ifndef SINTER_TRAIN_CONFIG_H_
#define SINTER_TRAIN_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sinter::train {

class Config {
 public:
  using Value = std::variant<bool, std::int64_t, double, std::string>;

  struct Range {
    double least = 0;
    double most = 0;
  };
  struct Entry {
    std::string key;
    Value value;
    std::string comment = {};             // one line, for people
    std::optional<Range> range = {};      // of numbers, both ends allowed
    std::vector<std::string> names = {};  // what a text may be; empty: anything
    bool determines_result = true;
  };

  // REQUIRES: no entry of that key.
  void add(Entry entry);

  // Sets an entry from text, in the type that it has. `where` is what the user typed it into:
  // "--epochs", "--set". Throws Error for an unknown key (with a suggestion), a text that is no
  // such value, and one out of range.
  void set(const std::string& key, std::string_view text, const std::string& where);
  // "key=value".
  void set_pair(std::string_view pair);
  // Every entry that the TOML file has; tables are passed over. Throws Error as set() and, with
  // line and column, for a file that is no TOML.
  void read(const std::string& path);
  // The text of one key of a TOML file; "" when it has none. Throws Error for a file that is no
  // TOML.
  static std::string read_text(const std::string& path, std::string_view key);

  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double real(std::string_view key) const;
  const std::string& text(std::string_view key) const;

  // The entries that determine the result, a line each, in the order of add().
  std::string to_toml() const;
  // The key of the first entry that determines the result and has another value there; "" if none.
  std::string first_difference(const Config& other) const;
  std::string value_text(std::string_view key) const;

 private:
  const Entry& find(std::string_view key) const;
  Entry& find_for_user(const std::string& key, const std::string& where);
  void check(const Entry& entry, const std::string& where) const;

  std::vector<Entry> entries_;
};

}  // namespace sinter::train

#endif  // SINTER_TRAIN_CONFIG_H_
