#include <algorithm>
#include <numeric>

#include "recipes/tabular/tabular.h"
#include "sinter/error.h"
#include "sinter/ops.h"

namespace sinter::recipes::tabular {
namespace {

constexpr std::int64_t kBatch = 1024;

std::vector<std::string> names_of(const TabularSpec& spec) {
  std::vector<std::string> names;
  for (const NumberColumn& column : spec.numbers) names.push_back(column.name);
  for (const WordColumn& column : spec.words) names.push_back(column.name);
  return names;
}

std::string cell_of(const Json& value, const std::string& where) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  raise({.where = where,
         .what = "this is no cell of a table",
         .got = json_text(value),
         .expected = "a number, a text, true, false or null",
         .hint = {}});
}

// {"column": cell, ...}; a column that is not there is missing, one that is not known an Error.
Batch read_object(const TabularSpec& spec, const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  if (!json.is_object()) {
    raise({.where = where,
           .what = "this is no JSON object",
           .got = {},
           .expected = "{\"column\": value, ...}",
           .hint = {}});
  }
  const std::vector<std::string> names = names_of(spec);
  data::Table table;
  for (const std::string& name : names) {
    table.columns.emplace_back(name).append(json.contains(name) ? cell_of(json[name], where) : "");
  }
  const bool any = std::any_of(names.begin(), names.end(),
                               [&](const std::string& name) { return json.contains(name); });
  if (!any) {
    raise({.where = where,
           .what = "no column of the model is there",
           .got = {},
           .expected = "\"" + names.front() + "\" and others",
           .hint = {}});
  }
  const std::int64_t row = 0;
  return encode(spec, table, std::span(&row, 1));
}

void read_rows(const TabularSpec& spec, const std::string& path, const train::Rows& take) {
  data::Table table = data::read_table(path);
  // What is asked for may stand there too; it is not looked at.
  std::erase_if(table.columns,
                [&](const data::Column& column) { return column.name() == spec.target.name; });
  for (std::int64_t first = 0; first < table.rows(); first += kBatch) {
    std::vector<std::int64_t> rows(
        static_cast<std::size_t>(std::min(kBatch, table.rows() - first)));
    std::iota(rows.begin(), rows.end(), first);
    take(encode(spec, table, rows));
  }
}

std::string answer(const TabularSpec& spec, const Batch& outputs, std::int64_t row) {
  OrderedJson json;
  if (!spec.target.is_class()) {
    const auto* values = reinterpret_cast<const float*>(outputs["predictions"].data());
    json["value"] =
        json_number(static_cast<double>(values[row]) * spec.target.deviation + spec.target.mean, 7);
  } else {
    const auto classes = static_cast<std::int64_t>(spec.target.classes.size());
    const auto* mine =
        reinterpret_cast<const float*>(outputs["probabilities"].data()) + row * classes;
    const std::int64_t best = std::max_element(mine, mine + classes) - mine;
    json["class"] = spec.target.classes[static_cast<std::size_t>(best)];
    json["probability"] = json_number(static_cast<double>(mine[best]), 6);
    for (std::int64_t c = 0; c < classes; ++c) {
      json["probabilities"][spec.target.classes[static_cast<std::size_t>(c)]] =
          json_number(static_cast<double>(mine[c]), 6);
    }
  }
  const std::string text = json_text(json);
  return text.substr(1, text.size() - 2);
}

// Rows of numbers, in the order of the columns, as encode() has them; NaN is a missing cell.
Batch encode_rows(const TabularSpec& spec, const Tensor& rows) {
  const Tensor cells = cast(rows, Dtype::f64);
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < spec.numbers.size(); ++i) {
    const NumberColumn& column = spec.numbers[i];
    const auto at = static_cast<std::int64_t>(i);
    const Tensor values = slice(cells, 1, at, at + 1);
    const Tensor missing = isnan(values);
    parts.push_back(
        cast(where(missing, 0.0, (values - column.mean) / column.deviation), Dtype::f32));
    if (column.has_missing) parts.push_back(cast(missing, Dtype::f32));
  }
  return {{"numbers", concatenate(parts, 1)}};
}

Tensor result_of(const TabularSpec& spec, const Batch& outputs) {
  if (spec.target.is_class()) return outputs["probabilities"];
  const Tensor values = cast(outputs["predictions"], Dtype::f64);
  return cast(values * spec.target.deviation + spec.target.mean, Dtype::f32);
}

}  // namespace

void add_tabular_prediction(const TabularSpec& spec, train::Task* task) {
  task->read_file = [spec](const std::string& path, const train::Rows& take) {
    read_rows(spec, path, take);
  };
  task->read_line = [spec](const std::string& text, const std::string& where) {
    return read_object(spec, text, where);
  };
  task->answer = [spec](const Batch& outputs, std::int64_t row) {
    return answer(spec, outputs, row);
  };
  if (!spec.words.empty()) return;  // words are no numbers
  task->raw = {.shape = {static_cast<std::int64_t>(spec.numbers.size())},
               .batch = [spec](const Tensor& rows) { return encode_rows(spec, rows); },
               .result = [spec](const Batch& outputs) { return result_of(spec, outputs); }};
}

}  // namespace sinter::recipes::tabular
