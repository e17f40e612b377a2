// The recipe `tabular`: a class or a number from the columns of a table.
#ifndef SINTER_RECIPES_TABULAR_TABULAR_H_
#define SINTER_RECIPES_TABULAR_TABULAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "sinter/recipe.h"
#include "sinter/table.h"

namespace sinter::recipes::tabular {

// A column of numbers: (x - mean) / deviation, and 0 with a mark beside it where x is missing.
struct NumberColumn {
  std::string name;
  double mean = 0;
  double deviation = 1;
  bool has_missing = false;  // in the training rows: then there is a column of marks
};

// A column of words: each has a number from 1 on; 0 is for those not seen in training. A missing
// cell is the word "".
struct WordColumn {
  std::string name;
  std::vector<std::string> words;  // ascending
};

// What is to be predicted: one of `classes`, or (without any) a number.
struct Target {
  std::string name;
  std::vector<std::string> classes;  // ascending
  double mean = 0;                   // of a number
  double deviation = 1;

  bool is_class() const { return !classes.empty(); }
};

// All that is needed to make the network again and feed it.
struct TabularSpec {
  std::string model;  // "mlp" or "linear"
  std::int64_t width = 0;
  std::int64_t layers = 0;
  double dropout = 0;
  std::vector<NumberColumn> numbers;
  std::vector<WordColumn> words;
  Target target;

  // Columns of numbers and marks together.
  std::int64_t number_count() const;
};

// The description of a model, and back. Throws Error, naming `where`, for another text.
std::string to_json(const TabularSpec& spec);
TabularSpec spec_from_json(const std::string& text, const std::string& where);

// Which columns there are, of which kind, measured on `rows` of a table. Columns of `ignored`
// names, and those with one value only, are left out. `kind`: "auto", "class" or "number" of the
// target. Throws Error when there is no such target, or nothing to predict from.
TabularSpec measure_columns(const data::Table& table, std::span<const std::int64_t> rows,
                            const std::string& target, const std::string& kind,
                            const std::vector<std::string>& ignored);

// The rows as batches hold them: "numbers" f32 (N, number_count), "words" i32 (N, words) and, where
// the table has the target, "labels" i32 (N,) or "targets" f32 (N,). What there is none of is left
// out. Throws Error, naming the row, for a cell of a column of numbers that is none, a class that
// was not there in training and a missing target; for a missing column too.
Batch encode(const TabularSpec& spec, const data::Table& table, std::span<const std::int64_t> rows);

// States, forward, loss, metrics and objective of a network for the spec.
train::Task make_tabular_task(const TabularSpec& spec);
// Parts of the task that read what predict is given and say what came out.
void add_tabular_prediction(const TabularSpec& spec, train::Task* task);

// A table made up: classes that follow from products of numbers and from a word, which a linear
// model cannot see. In kUnknowable of the rows a needed cell is missing and nothing tells the
// class, so that the highest accuracy that can be expected is kTabularCeiling.
inline constexpr double kUnknowable = 0.06;
inline constexpr double kTabularCeiling = 1 - kUnknowable / 2;
data::Table make_table(std::int64_t rows);

}  // namespace sinter::recipes::tabular

#endif  // SINTER_RECIPES_TABULAR_TABULAR_H_
