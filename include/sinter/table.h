// Tables of text: CSV and its relatives.
#ifndef SINTER_TABLE_H_
#define SINTER_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::data {

// One column's cells, as they stand in the file, in one piece of memory.
class Column {
 public:
  explicit Column(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  std::int64_t size() const { return static_cast<std::int64_t>(ends_.size()); }
  // REQUIRES: 0 <= row < size().
  std::string_view operator[](std::int64_t row) const;
  void append(std::string_view cell);
  std::int64_t bytes() const;

 private:
  std::string name_;
  std::string cells_;                // one after the other
  std::vector<std::uint64_t> ends_;  // of each
};

struct Table {
  std::vector<Column> columns;

  std::int64_t rows() const { return columns.empty() ? 0 : columns.front().size(); }
  // Nothing when there is no such column.
  const Column* find(std::string_view name) const;
  std::int64_t bytes() const;
};

// The table of a file, or of all .csv and .tsv files of a folder (also compressed: .csv.gz, ...)
// one after the other in the order of their names; they must have the same header. The first line
// names the columns. Cells are separated by commas, semicolons or tabs, whichever the header has
// most of, and may be quoted (RFC 4180); a UTF-8 byte order mark is passed over.
//
// Files are not trusted. Throws Error, naming file and line, for a line with more or fewer cells
// than the header, a name that is empty or occurs twice, a quote that does not end, a cell of more
// than a mebibyte, more than 65,536 columns, and a file without rows.
Table read_table(const std::string& path);

// Whether a cell stands for nothing known: empty, "NA", "N/A", "NaN", "null", "None", "?" (in any
// case).
bool is_missing(std::string_view cell);
// The finite number that a cell spells (3, -1.5, 1e-3; spaces around it do not count), whatever the
// locale; nothing when it spells none.
std::optional<double> parse_number(std::string_view cell);

}  // namespace sinter::data

#endif  // SINTER_TABLE_H_
