#include "sinter/table.h"

#include <csv.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <exception>
#include <filesystem>
#include <set>

#include "data/byte_source.h"
#include "sinter/error.h"

namespace sinter::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostCellBytes = 1 << 20;
constexpr std::size_t kMostColumns = 65536;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view trimmed(std::string_view text) {
  constexpr const char* kSpaces = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// The separator that the first line has most of, outside of quotes.
char separator_of(std::string_view start) {
  std::array<std::int64_t, 3> counts{};
  constexpr std::string_view kSeparators = ",;\t";
  bool quoted = false;
  for (const char c : start) {
    if (c == '"') quoted = !quoted;
    if (c == '\n' && !quoted) break;
    const std::size_t which = kSeparators.find(c);
    if (which != std::string_view::npos && !quoted) ++counts[which];
  }
  return kSeparators[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) -
                                              counts.begin())];
}

// Reads one file into a table. Exceptions do not cross libcsv, which is C: the first is kept.
class Reader {
 public:
  Reader(const std::string& path, Table* table) : path_(path), table_(table) {
    first_file_ = table->columns.empty();
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
  }
  ~Reader() { csv_free(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void read() {
    ByteSource source(path_);
    std::string piece(std::size_t{1} << 16, '\0');
    bool first = true;
    while (true) {
      const std::size_t bytes = source.read(piece.data(), piece.size());
      if (bytes == 0) break;
      std::string_view text(piece.data(), bytes);
      if (first) {
        if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
          text.remove_prefix(kByteOrderMark.size());
        }
        csv_set_delim(&parser_, static_cast<unsigned char>(separator_of(text)));
        first = false;
      }
      parse(text);
      if (parser_.entry_pos > kMostCellBytes) refuse("a cell is too long", "", "1 MiB at most");
    }
    if (csv_fini(&parser_, on_cell, on_row, this) != 0) rethrow_or_refuse();
    if (failure_) std::rethrow_exception(failure_);
    if (rows_ == 0) refuse("the file has no rows", "", "a header and at least one line");
  }

 private:
  void parse(std::string_view text) {
    const std::size_t done = csv_parse(&parser_, text.data(), text.size(), on_cell, on_row, this);
    if (failure_) std::rethrow_exception(failure_);
    if (done != text.size()) rethrow_or_refuse();
  }

  [[noreturn]] void rethrow_or_refuse() {
    if (failure_) std::rethrow_exception(failure_);
    if (csv_error(&parser_) == CSV_ENOMEM) throw std::bad_alloc();
    refuse("a quoted cell does not end as it should", "",
           "\"...\" with quotes in it doubled, then a separator");
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& got,
                           const std::string& expected) const {
    raise({.where = path_ + ", line " + std::to_string(line_),
           .what = what,
           .got = got,
           .expected = expected,
           .hint = {}});
  }

  static void on_cell(void* cell, std::size_t bytes, void* reader) {
    auto* self = static_cast<Reader*>(reader);
    self->guarded([&] { self->take({static_cast<const char*>(cell), bytes}); });
  }
  static void on_row(int /*terminator*/, void* reader) {
    auto* self = static_cast<Reader*>(reader);
    self->guarded([&] { self->end_row(); });
  }
  template <class F>
  void guarded(F work) {
    if (failure_) return;
    try {
      work();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void take(std::string_view cell) {
    if (cell.size() > kMostCellBytes) refuse("a cell is too long", "", "1 MiB at most");
    if (line_ == 1) {
      if (names_.size() == kMostColumns) refuse("there are too many columns", "", "65536 at most");
      names_.emplace_back(trimmed(cell));
      return;
    }
    if (cells_ < table_->columns.size()) table_->columns[cells_].append(cell);
    ++cells_;
  }

  void end_row() {
    if (line_ == 1) {
      take_header();
    } else {
      if (cells_ != table_->columns.size()) {
        refuse("the line does not have as many cells as the header", std::to_string(cells_),
               std::to_string(table_->columns.size()));
      }
      ++rows_;
    }
    cells_ = 0;
    ++line_;
  }

  void take_header() {
    const std::set<std::string> distinct(names_.begin(), names_.end());
    if (distinct.count("") != 0) refuse("a column has no name", "", "");
    if (distinct.size() != names_.size()) refuse("two columns have one name", "", "");
    if (first_file_) {
      for (const std::string& name : names_) table_->columns.emplace_back(name);
      return;
    }
    bool same = names_.size() == table_->columns.size();
    for (std::size_t i = 0; same && i < names_.size(); ++i) {
      same = names_[i] == table_->columns[i].name();
    }
    if (!same) refuse("the header is not that of the files before", "", "the same columns");
  }

  const std::string& path_;
  Table* table_;
  bool first_file_;
  csv_parser parser_{};
  std::exception_ptr failure_;
  std::vector<std::string> names_;
  std::size_t cells_ = 0;  // of this line
  std::int64_t line_ = 1;  // of records; an empty line is none
  std::int64_t rows_ = 0;
};

bool is_table_name(const std::string& name) {
  for (const char* ending : {".csv", ".tsv"}) {
    for (const char* packed : {"", ".gz", ".xz", ".zst", ".bz2"}) {
      if (name.ends_with(std::string(ending) + packed)) return true;
    }
  }
  return false;
}

std::vector<std::string> files_of(const std::string& path) {
  if (!fs::is_directory(path)) {
    if (fs::exists(path)) return {path};
    raise({.where = path, .what = "there is no such file", .got = {}, .expected = {}, .hint = {}});
  }
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file() && is_table_name(entry.path().filename().string())) {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    raise({.where = path,
           .what = "there is no table in this folder",
           .got = {},
           .expected = ".csv or .tsv files, compressed or not",
           .hint = {}});
  }
  return files;
}

}  // namespace

std::string_view Column::operator[](std::int64_t row) const {
  const auto at = static_cast<std::size_t>(row);
  const std::uint64_t begin = at == 0 ? 0 : ends_[at - 1];
  return std::string_view(cells_).substr(begin, ends_[at] - begin);
}

void Column::append(std::string_view cell) {
  cells_ += cell;
  ends_.push_back(cells_.size());
}

std::int64_t Column::bytes() const {
  return static_cast<std::int64_t>(cells_.capacity() + ends_.capacity() * sizeof(ends_[0]));
}

const Column* Table::find(std::string_view name) const {
  for (const Column& column : columns) {
    if (column.name() == name) return &column;
  }
  return nullptr;
}

std::int64_t Table::bytes() const {
  std::int64_t bytes = 0;
  for (const Column& column : columns) bytes += column.bytes();
  return bytes;
}

Table read_table(const std::string& path) {
  Table table;
  for (const std::string& file : files_of(path)) Reader(file, &table).read();
  return table;
}

bool is_missing(std::string_view cell) {
  std::string text(trimmed(cell));
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  for (const char* word : {"", "na", "n/a", "nan", "null", "none", "?"}) {
    if (text == word) return true;
  }
  return false;
}

std::optional<double> parse_number(std::string_view cell) {
  std::string_view text = trimmed(cell);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace sinter::data
