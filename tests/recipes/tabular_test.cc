#include "recipes/tabular/tabular.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "../base/temporary_folder.h"
#include "sinter/error.h"
#include "sinter/nn.h"
#include "sinter/recipes.h"

namespace sinter::recipes::tabular {
namespace {

data::Table table_of(const std::vector<std::pair<std::string, std::vector<std::string>>>& columns) {
  data::Table table;
  for (const auto& [name, cells] : columns) {
    data::Column& column = table.columns.emplace_back(name);
    for (const std::string& cell : cells) column.append(cell);
  }
  return table;
}

std::vector<std::int64_t> all_rows(const data::Table& table) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(table.rows()));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  return rows;
}

TabularSpec measured(const data::Table& table, const std::string& target,
                     const std::string& kind = "auto",
                     const std::vector<std::string>& ignored = {}) {
  TabularSpec spec = measure_columns(table, all_rows(table), target, kind, ignored);
  spec.model = "mlp";
  spec.width = 8;
  spec.layers = 1;
  return spec;
}

const data::Table& people() {
  static const data::Table table =
      table_of({{"age", {"20", "40", "", "60"}},
                {"town", {"Ulm", "Bonn", "NA", "Ulm"}},
                {"one", {"1", "1", "1", "1"}},
                {"big", {"1000000001", "1000000003", "1000000001", "1000000003"}},
                {"buys", {"yes", "no", "yes", "no"}}});
  return table;
}

TEST(Columns, AreNumbersOrWordsByTheirCells) {
  const TabularSpec spec = measured(people(), "buys");
  ASSERT_EQ(spec.numbers.size(), 2u) << "age and big; a constant tells nothing";
  EXPECT_EQ(spec.numbers[0].name, "age");
  EXPECT_DOUBLE_EQ(spec.numbers[0].mean, 40);
  EXPECT_DOUBLE_EQ(spec.numbers[0].deviation, std::sqrt(800.0 / 3));
  EXPECT_TRUE(spec.numbers[0].has_missing);
  EXPECT_DOUBLE_EQ(spec.numbers[1].mean, 1000000002);
  EXPECT_DOUBLE_EQ(spec.numbers[1].deviation, 1);
  ASSERT_EQ(spec.words.size(), 1u);
  EXPECT_EQ(spec.words[0].words, (std::vector<std::string>{"", "Bonn", "Ulm"}));
  EXPECT_EQ(spec.target.classes, (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(spec.number_count(), 3);
  EXPECT_EQ(measured(people(), "buys", "auto", {"age", "town"}).numbers.size(), 1u);
}

TEST(Columns, EncodeMissingCellsAndWordsNeverSeen) {
  const TabularSpec spec = measured(people(), "buys");
  const data::Table fresh = table_of({{"town", {"Kiel", "", "Bonn"}},
                                      {"big", {"1000000003", "", "1000000002"}},
                                      {"age", {"?", "40", "1e2"}}});
  const Batch batch = encode(spec, fresh, all_rows(fresh));
  EXPECT_FALSE(batch.has("labels"));
  const auto deviation = static_cast<float>(std::sqrt(800.0 / 3));
  EXPECT_EQ(batch["numbers"].to_vector<float>(),
            (std::vector<float>{0, 1, 1, 0, 0, 0, 60 / deviation, 0, 0}));
  EXPECT_EQ(batch["words"].to_vector<std::int32_t>(), (std::vector<std::int32_t>{0, 1, 2}));
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Columns, WhatDoesNotFitIsNamedWithColumnAndRow) {
  const TabularSpec spec = measured(people(), "buys");
  const auto encoded = [&](const std::string& age, const std::string& buys) {
    const data::Table bad =
        table_of({{"age", {age}}, {"town", {"Ulm"}}, {"big", {"1"}}, {"buys", {buys}}});
    return error_of([&] { encode(spec, bad, all_rows(bad)); });
  };
  EXPECT_EQ(encoded("old", "yes"),
            "column 'age', row 1: this is no number; got 'old'; expected a number, or nothing");
  EXPECT_EQ(encoded("1", "perhaps"),
            "column 'buys', row 1: this class is not in the training rows; got 'perhaps'; expected "
            "a class that is");
  const data::Table less = table_of({{"age", {"1"}}});
  EXPECT_NE(error_of([&] { encode(spec, less, all_rows(less)); }).find("no column 'big'"),
            std::string::npos);
  EXPECT_NE(error_of([] { measured(people(), "sells"); }).find("no column 'sells'"),
            std::string::npos);
  EXPECT_NE(error_of([] { measured(people(), "one", "class"); }).find("only one class"),
            std::string::npos);
  EXPECT_NE(error_of([] { measured(people(), "town", "number"); }).find("these are no numbers"),
            std::string::npos);
  const data::Table lonely = table_of({{"a", {"1", "1"}}, {"b", {"x", "y"}}});
  EXPECT_NE(error_of([&] { measured(lonely, "b"); }).find("no column to predict from"),
            std::string::npos);
}

TEST(Target, IsANumberWhereItIsOne) {
  EXPECT_FALSE(measured(people(), "big", "number").target.is_class());
  EXPECT_TRUE(measured(people(), "big").target.is_class()) << "two whole numbers";
  const data::Table prices = table_of({{"x", {"1", "2", "3"}}, {"price", {"1.5", "2.5", "9"}}});
  EXPECT_FALSE(measured(prices, "price").target.is_class());
  EXPECT_EQ(make_tabular_task(measured(prices, "price")).objective, "rmse");
}

TEST(TabularSpec, GoesThroughItsText) {
  const TabularSpec spec = measured(people(), "buys");
  EXPECT_EQ(to_json(spec_from_json(to_json(spec), "here")), to_json(spec));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"width\":8", "\"width\":-1"},
           {"\"layers\":1", "\"layers\":\"x\""},
           {"\"dropout\":0.0", "\"dropout\":1.0"},
           {"\"classes\":[\"no\",\"yes\"]", "\"classes\":[\"no\"]"},
           {"\"numbers\":[", "\"numbers\":[3,"},
           {"{", ""}}) {
    std::string text = to_json(spec);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    EXPECT_THROW(spec_from_json(text, "here"), Error) << text;
  }
}

TEST(TabularTask, OfTheTableMadeUpHasEvenClassesAndSplitsOfTheSharesAskedFor) {
  const train::Recipe& tabular = train::find_recipe(all(), "tabular");
  train::Config config = tabular.settings();
  config.set("embedded_rows", "4000", "here");
  const train::Task task = tabular.prepare(config, "");
  EXPECT_NEAR(*task.baseline, 0.5, 0.05);
  EXPECT_EQ(task.objective, "auprc");
  const auto rows = [&](train::Split split) { return task.data(split)->size(); };
  EXPECT_EQ(rows(train::Split::train), 2400);
  EXPECT_EQ(rows(train::Split::validation), 800);
  EXPECT_EQ(rows(train::Split::test), 800);
  EXPECT_EQ(task.data(train::Split::test)->bytes(), task.data(train::Split::validation)->bytes());
}

TEST(TabularTask, RowsInOrderAreTrainedOnFirstAndTestedLast) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path());
  std::ofstream file(folder / "t.csv");
  file << "x,when,y\n";
  for (int i = 0; i < 20; ++i) file << i << "," << (i * 7) % 20 << "," << i % 2 << "\n";
  file.close();
  const train::Recipe& tabular = train::find_recipe(all(), "tabular");
  train::Config config = tabular.settings();
  config.set("data", folder / "t.csv", "here");
  config.set("order_by", "when", "here");
  const train::Task task = tabular.prepare(config, "");
  const TabularSpec spec = spec_from_json(task.description, "here");
  ASSERT_EQ(spec.numbers.size(), 1u) << "the order is no feature";
  const auto test = task.data(train::Split::test);
  const std::vector<std::int32_t> rows = {0, 1, 2, 3};
  std::vector<double> x;
  for (const float value : test->batch(rows, {})["numbers"].to_vector<float>()) {
    x.push_back(std::round(value * spec.numbers[0].deviation + spec.numbers[0].mean));
  }
  // when = 7 x mod 20: 16, 17, 18, 19 are x = 8, 11, 14, 17.
  EXPECT_EQ(x, (std::vector<double>{8, 11, 14, 17}));
  config.set("order_by", "y", "here");
  config.set("target", "x", "here");
  config.set("kind", "number", "here");
  EXPECT_NO_THROW(tabular.prepare(config, ""));
  config.set("order_by", "none", "here");
  EXPECT_THROW(tabular.prepare(config, ""), Error);
}

TEST(TabularTask, IsMadeAgainFromItsDescriptionWithoutData) {
  const train::Recipe& tabular = train::find_recipe(all(), "tabular");
  train::Config config = tabular.settings();
  config.set("embedded_rows", "200", "here");
  const train::Task first = tabular.prepare(config, "");
  config.set("data", "nowhere", "here");
  const train::Task again = tabular.prepare(config, first.description);
  ASSERT_EQ(again.states.size(), first.states.size());
  EXPECT_THROW(again.data(train::Split::test), Error);
}

TEST(Table, MadeUpIsTheSameAtEveryCallAndAPrefixOfMore) {
  const data::Table few = make_table(50);
  const data::Table many = make_table(80);
  for (std::size_t c = 0; c < few.columns.size(); ++c) {
    for (std::int64_t row = 0; row < 50; ++row) {
      ASSERT_EQ(few.columns[c][row], many.columns[c][row]);
    }
  }
  std::uint64_t hash = 14695981039346656037u;
  for (const data::Column& column : few.columns) {
    for (std::int64_t row = 0; row < 50; ++row) {
      for (const char c : column[row])
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
  }
  EXPECT_EQ(hash,
            6472058958181077033u);  // a change here changes every figure that was measured on it
}

}  // namespace
}  // namespace sinter::recipes::tabular
