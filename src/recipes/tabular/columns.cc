#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "recipes/tabular/tabular.h"
#include "sinter/error.h"

namespace sinter::recipes::tabular {
namespace {

using data::Column;
using data::is_missing;
using data::parse_number;
using Rows = std::span<const std::int64_t>;

constexpr std::size_t kMostWords = 1 << 20;
// A whole number is taken for a class up to so many different ones.
constexpr std::size_t kMostNumberClasses = 20;

std::string word_of(std::string_view cell) { return is_missing(cell) ? "" : std::string(cell); }

// Whether every cell that is there is a number, and at least one is there.
bool is_numeric(const Column& column, Rows rows) {
  bool any = false;
  for (const std::int64_t row : rows) {
    if (is_missing(column[row])) continue;
    if (!parse_number(column[row])) return false;
    any = true;
  }
  return any;
}

// The words of a column in ascending order, numbers by their value.
std::vector<std::string> words_of(const Column& column, Rows rows, bool with_missing) {
  std::set<std::string> distinct;
  for (const std::int64_t row : rows) {
    const std::string word = word_of(column[row]);
    if (word.empty() && !with_missing) continue;
    distinct.insert(word);
    if (distinct.size() > kMostWords) {
      raise({.where = "column '" + column.name() + "'",
             .what = "it has too many different words",
             .got = {},
             .expected = fmt::format("at most {}", kMostWords),
             .hint = "--set ignore=" + column.name() + " leaves it out"});
    }
  }
  std::vector<std::string> words(distinct.begin(), distinct.end());
  std::stable_sort(words.begin(), words.end(), [](const std::string& a, const std::string& b) {
    const std::optional<double> x = parse_number(a);
    const std::optional<double> y = parse_number(b);
    return x && y ? *x < *y : (x.has_value() && !y);
  });
  return words;
}

struct Moments {
  double mean = 0;
  double deviation = 1;
  bool has_missing = false;
  bool is_constant = true;
};

Moments moments_of(const Column& column, Rows rows) {
  Moments moments;
  double sum = 0;
  double squares = 0;
  double first = 0;
  std::int64_t count = 0;
  for (const std::int64_t row : rows) {
    const std::optional<double> value = parse_number(column[row]);
    if (!value) {
      moments.has_missing = true;
      continue;
    }
    // Relative to the first value, so that a large common part does not swallow the differences.
    if (count++ == 0) first = *value;
    moments.is_constant = moments.is_constant && *value == first;
    sum += *value - first;
    squares += (*value - first) * (*value - first);
  }
  if (count == 0) return moments;
  const double shift = sum / static_cast<double>(count);
  moments.mean = first + shift;
  const double variance = squares / static_cast<double>(count) - shift * shift;
  if (variance > 0 && !moments.is_constant) moments.deviation = std::sqrt(variance);
  return moments;
}

bool are_whole_numbers(const std::vector<std::string>& words) {
  return std::all_of(words.begin(), words.end(), [](const std::string& word) {
    const std::optional<double> value = parse_number(word);
    return value && *value == std::floor(*value);
  });
}

Target measure_target(const Column& column, Rows rows, const std::string& kind) {
  Target target{.name = column.name(), .classes = {}};
  const bool numeric = is_numeric(column, rows);
  const std::vector<std::string> words = words_of(column, rows, false);
  const bool is_class =
      kind == "class" ||
      (kind == "auto" &&
       (!numeric || (words.size() <= kMostNumberClasses && are_whole_numbers(words))));
  if (is_class) {
    target.classes = words;
    if (words.size() < 2) {
      raise({.where = "target '" + column.name() + "'",
             .what = "there is only one class in the training rows",
             .got = words.empty() ? "none" : "'" + words.front() + "'",
             .expected = "at least two",
             .hint = {}});
    }
    return target;
  }
  if (!numeric) {
    raise({.where = "target '" + column.name() + "'",
           .what = "these are no numbers",
           .got = words.empty() ? "" : "'" + words.back() + "'",
           .expected = "numbers",
           .hint = "--set kind=class predicts classes"});
  }
  const Moments moments = moments_of(column, rows);
  target.mean = moments.mean;
  target.deviation = moments.deviation;
  return target;
}

const Column& column_of(const data::Table& table, const std::string& name) {
  const Column* column = table.find(name);
  if (column != nullptr) return *column;
  raise({.where = "table",
         .what = "there is no column '" + name + "'",
         .got = {},
         .expected = "the columns that the model was trained with",
         .hint = {}});
}

[[noreturn]] void refuse_cell(const Column& column, std::int64_t row, const char* what,
                              const char* expected) {
  raise({.where = fmt::format("column '{}', row {}", column.name(), row + 1),
         .what = what,
         .got = "'" + std::string(column[row].substr(0, 80)) + "'",
         .expected = expected,
         .hint = {}});
}

std::vector<float> encode_numbers(const TabularSpec& spec, const data::Table& table, Rows rows) {
  const auto width = static_cast<std::size_t>(spec.number_count());
  std::vector<float> values(rows.size() * width, 0.0F);
  std::size_t at = 0;
  for (const NumberColumn& number : spec.numbers) {
    const Column& column = column_of(table, number.name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::optional<double> value = parse_number(column[rows[i]]);
      float* to = values.data() + i * width + at;
      if (value) {
        to[0] = static_cast<float>((*value - number.mean) / number.deviation);
      } else if (!is_missing(column[rows[i]])) {
        refuse_cell(column, rows[i], "this is no number", "a number, or nothing");
      } else if (number.has_missing) {
        to[1] = 1;
      }
    }
    at += number.has_missing ? 2 : 1;
  }
  return values;
}

std::int32_t index_of(const std::vector<std::string>& words, const std::string& word) {
  const auto found = std::find(words.begin(), words.end(), word);
  return found == words.end() ? -1 : static_cast<std::int32_t>(found - words.begin());
}

std::vector<std::int32_t> encode_words(const TabularSpec& spec, const data::Table& table,
                                       Rows rows) {
  std::vector<std::int32_t> ids(rows.size() * spec.words.size());
  for (std::size_t c = 0; c < spec.words.size(); ++c) {
    const WordColumn& words = spec.words[c];
    std::map<std::string, std::int32_t, std::less<>> numbers;
    for (std::size_t w = 0; w < words.words.size(); ++w) {
      numbers.emplace(words.words[w], static_cast<std::int32_t>(w + 1));
    }
    const Column& column = column_of(table, words.name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto found = numbers.find(word_of(column[rows[i]]));
      ids[i * spec.words.size() + c] = found == numbers.end() ? 0 : found->second;
    }
  }
  return ids;
}

void add_target(const TabularSpec& spec, const Column& column, Rows rows, Batch* batch) {
  const auto count = static_cast<std::int64_t>(rows.size());
  if (spec.target.is_class()) {
    std::vector<std::int32_t> labels;
    for (const std::int64_t row : rows) {
      labels.push_back(index_of(spec.target.classes, word_of(column[row])));
      if (labels.back() < 0) {
        refuse_cell(column, row, "this class is not in the training rows", "a class that is");
      }
    }
    batch->add("labels", tensor(labels, {count}));
    return;
  }
  std::vector<float> targets;
  for (const std::int64_t row : rows) {
    const std::optional<double> value = parse_number(column[row]);
    if (!value) refuse_cell(column, row, "this is no number to learn", "a number");
    targets.push_back(static_cast<float>((*value - spec.target.mean) / spec.target.deviation));
  }
  batch->add("targets", tensor(targets, {count}));
}

}  // namespace

std::int64_t TabularSpec::number_count() const {
  std::int64_t count = 0;
  for (const NumberColumn& number : numbers) count += number.has_missing ? 2 : 1;
  return count;
}

TabularSpec measure_columns(const data::Table& table, Rows rows, const std::string& target,
                            const std::string& kind, const std::vector<std::string>& ignored) {
  TabularSpec spec;
  spec.target = measure_target(column_of(table, target), rows, kind);
  for (const Column& column : table.columns) {
    const std::string& name = column.name();
    const bool is_ignored = std::find(ignored.begin(), ignored.end(), name) != ignored.end();
    if (name == target || is_ignored) continue;
    if (is_numeric(column, rows)) {
      const Moments moments = moments_of(column, rows);
      if (moments.is_constant && !moments.has_missing) continue;
      spec.numbers.push_back({.name = name,
                              .mean = moments.mean,
                              .deviation = moments.deviation,
                              .has_missing = moments.has_missing});
    } else {
      WordColumn words{.name = name, .words = words_of(column, rows, true)};
      if (words.words.size() > 1) spec.words.push_back(std::move(words));
    }
  }
  if (spec.numbers.empty() && spec.words.empty()) {
    raise({.where = "table",
           .what = "there is no column to predict from",
           .got = {},
           .expected = "a column besides the target with more than one value",
           .hint = {}});
  }
  return spec;
}

Batch encode(const TabularSpec& spec, const data::Table& table, Rows rows) {
  const auto count = static_cast<std::int64_t>(rows.size());
  Batch batch;
  if (!spec.numbers.empty()) {
    batch.add("numbers", tensor(encode_numbers(spec, table, rows), {count, spec.number_count()}));
  }
  if (!spec.words.empty()) {
    batch.add("words", tensor(encode_words(spec, table, rows),
                              {count, static_cast<std::int64_t>(spec.words.size())}));
  }
  const Column* target = table.find(spec.target.name);
  if (target != nullptr) add_target(spec, *target, rows, &batch);
  return batch;
}

}  // namespace sinter::recipes::tabular
