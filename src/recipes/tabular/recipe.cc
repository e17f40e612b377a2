#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/philox.h"
#include "recipes/tabular/tabular.h"
#include "sinter/data.h"
#include "sinter/error.h"
#include "sinter/settings.h"
#include "sinter/system.h"

namespace sinter::recipes::tabular {
namespace {

using train::Split;

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t first = 0; first <= text.size() && !text.empty();) {
    const std::size_t comma = std::min(text.find(',', first), text.size());
    if (comma > first) parts.push_back(text.substr(first, comma - first));
    first = comma + 1;
  }
  return parts;
}

// The rows of a table in an order that has nothing to do with a run's seed: runs with several seeds
// are measured on the same rows.
void shuffle(std::vector<std::int64_t>* rows) {
  constexpr std::uint64_t kSplitSeed = 0;
  const philox::Key key = philox::key_from_seed(kSplitSeed);
  for (std::size_t left = rows->size(); left > 1; --left) {
    const philox::Block block = philox::generate(philox::counter_at(left, 0), key);
    const std::uint64_t bits = (std::uint64_t{block.words[1]} << 32) | block.words[0];
    std::swap((*rows)[left - 1], (*rows)[bits % left]);
  }
}

void sort_by(const data::Table& table, const std::string& name, std::vector<std::int64_t>* rows) {
  const data::Column* column = table.find(name);
  if (column == nullptr) {
    raise({.where = "order_by",
           .what = "there is no column '" + name + "'",
           .got = {},
           .expected = {},
           .hint = {}});
  }
  std::vector<double> keys;
  for (const std::int64_t row : *rows) {
    const std::optional<double> key = data::parse_number((*column)[row]);
    if (!key) {
      raise({.where = "order_by, column '" + name + "', row " + std::to_string(row + 1),
             .what = "this is no number to order rows by",
             .got = "'" + std::string((*column)[row].substr(0, 80)) + "'",
             .expected = "a number in every row",
             .hint = {}});
    }
    keys.push_back(*key);
  }
  std::stable_sort(rows->begin(), rows->end(), [&](std::int64_t a, std::int64_t b) {
    return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)];
  });
}

// A table with the rows of each split.
class TabularData {
 public:
  explicit TabularData(const train::Config& config) : config_(config) {}

  TabularSpec measure() {
    read();
    TabularSpec spec =
        measure_columns(table_, rows(Split::train), target_, config_.text("kind"), ignored_);
    spec.model = config_.text("model");
    spec.width = config_.integer("width");
    spec.layers = config_.integer("layers");
    spec.dropout = config_.real("dropout");
    return spec;
  }

  std::shared_ptr<const data::Dataset> split(Split split, const TabularSpec& spec) {
    std::shared_ptr<const data::Dataset>& dataset = datasets_[static_cast<std::size_t>(split)];
    if (dataset != nullptr) return dataset;
    read();
    const DeviceScope host("cpu");
    dataset = std::make_shared<data::TensorDataset>(encode(spec, table_, rows(split)));
    return dataset;
  }

  // The objective on the test rows of a model that always answers the same.
  void add_baseline(const TabularSpec& spec, train::Task* task) {
    const DeviceScope host("cpu");
    const Batch test = encode(spec, table_, rows(Split::test));
    const auto count = test.count();
    if (!spec.target.is_class()) {
      double squares = 0;
      for (const float x : test["targets"].to_vector<float>()) {
        squares += static_cast<double>(x) * static_cast<double>(x);
      }
      task->baseline = std::sqrt(squares / count) * spec.target.deviation;
      task->baseline_text = "always the mean";
      return;
    }
    std::vector<double> counts(spec.target.classes.size());
    for (const std::int32_t label : test["labels"].to_vector<std::int32_t>()) {
      ++counts[static_cast<std::size_t>(label)];
    }
    const bool is_rank = counts.size() == 2;  // average precision of equal scores: the share
    task->baseline =
        (is_rank ? counts[1] : *std::max_element(counts.begin(), counts.end())) / count;
    task->baseline_text =
        is_rank ? "the same score for every row" : "always the most frequent class";
  }

 private:
  void read() {
    if (!order_.empty()) return;
    const std::string& path = config_.text("data");
    table_ = path.empty() ? make_table(config_.integer("embedded_rows")) : data::read_table(path);
    target_ = config_.text("target");
    if (target_.empty()) target_ = table_.columns.back().name();
    ignored_ = split_list(config_.text("ignore"));
    order_.resize(static_cast<std::size_t>(table_.rows()));
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
    const std::string& order_by = config_.text("order_by");
    if (order_by.empty()) {
      shuffle(&order_);
    } else {
      sort_by(table_, order_by, &order_);
      ignored_.push_back(order_by);
    }
    const auto all = static_cast<double>(order_.size());
    validation_ = static_cast<std::size_t>(std::floor(all * config_.real("validation")));
    test_ = static_cast<std::size_t>(std::floor(all * config_.real("test")));
    if (validation_ == 0 || test_ == 0 || validation_ + test_ >= order_.size()) {
      raise({.where = path.empty() ? "table" : path,
             .what = "there are too few rows to hold some back for validation and test",
             .got = std::to_string(order_.size()),
             .expected = {},
             .hint = {}});
    }
  }

  std::span<const std::int64_t> rows(Split split) const {
    const std::span<const std::int64_t> all(order_);
    const std::size_t held = validation_ + test_;
    if (split == Split::train) return all.first(all.size() - held);
    if (split == Split::validation) return all.subspan(all.size() - held, validation_);
    return all.last(test_);
  }

  train::Config config_;
  data::Table table_;
  std::string target_;
  std::vector<std::string> ignored_;
  std::vector<std::int64_t> order_;  // training rows, validation rows, test rows
  std::size_t validation_ = 0;
  std::size_t test_ = 0;
  std::shared_ptr<const data::Dataset> datasets_[3];
};

class Tabular : public train::Recipe {
 public:
  std::string name() const override { return "tabular"; }
  std::string text() const override {
    return "a class or a number from the columns of a table: CSV files";
  }
  std::string predict_text() const override {
    return "CSV files, or JSON lines {\"column\": value, ...}";
  }

  train::Config settings() const override {
    train::Config config;
    train::add_data_setting(&config, "a CSV file, or a folder of such; empty: a table made up");
    config.add({.key = "target",
                .value = std::string(),
                .text = "the column to predict; empty: the last one"});
    config.add({.key = "kind",
                .value = std::string("auto"),
                .text = "what is predicted",
                .choices = {"auto", "class", "number"}});
    config.add({.key = "ignore",
                .value = std::string(),
                .text = "columns to leave out, separated by commas"});
    config.add({.key = "order_by",
                .value = std::string(),
                .text = "a column of numbers: train on the first rows, test on the last; empty: "
                        "random rows"});
    train::add_model_setting(&config, {"mlp", "linear"});
    train::add_weight_settings(&config);
    train::add_precision_setting(&config);
    train::add_training_settings(&config, {.epochs = 30, .batch = 128});
    train::add_optimizer_settings(&config, {.lr = 2e-3, .weight_decay = 0.02});
    const auto share = [&](const char* key, double value, const char* text) {
      config.add(
          {.key = key, .value = value, .text = text, .range = train::Setting::Range{0, 0.95}});
    };
    config.add({.key = "width",
                .value = std::int64_t{128},
                .text = "neurons of a layer",
                .range = train::Setting::Range{1, 65536}});
    config.add({.key = "layers",
                .value = std::int64_t{2},
                .text = "hidden layers",
                .range = train::Setting::Range{1, 1000}});
    share("dropout", 0.1, "share of activations that are left out");
    share("validation", 0.2, "share of the rows");
    share("test", 0.2, "share of the rows");
    config.add({.key = "embedded_rows",
                .value = std::int64_t{20000},
                .text = "of the table made up",
                .range = train::Setting::Range{10, 1e7}});
    return config;
  }

  train::Task prepare(const train::Config& config, const std::string& description) const override {
    const auto data = std::make_shared<TabularData>(config);
    const TabularSpec spec = description.empty()
                                 ? data->measure()
                                 : spec_from_json(description, "the model's description");
    train::Task task = make_tabular_task(spec);
    task.data = [data, spec](Split split) { return data->split(split, spec); };
    task.description = to_json(spec);
    if (description.empty()) data->add_baseline(spec, &task);
    add_tabular_prediction(spec, &task);
    return task;
  }
};

}  // namespace

const train::Recipe& recipe() {
  static const Tabular the_recipe;
  return the_recipe;
}

}  // namespace sinter::recipes::tabular
