#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "sinter/autograd.h"
#include "sinter/metric.h"
#include "sinter/ops.h"
#include "train/batch_function.h"

namespace sinter::train {
namespace {

// Rows of a metric's scores: all of them, or evenly spaced ones when there are too many.
class KeptRows {
 public:
  explicit KeptRows(std::int64_t most) : most_(std::max<std::int64_t>(most, 2)) {}

  void add(const std::vector<std::vector<double>>& columns) {
    columns_.resize(columns.size());
    for (std::size_t row = 0; row < columns.front().size(); ++row, ++seen_) {
      if (seen_ % stride_ != 0) continue;
      if (static_cast<std::int64_t>(columns_.front().size()) == most_) halve();
      if (seen_ % stride_ != 0) continue;
      for (std::size_t c = 0; c < columns.size(); ++c) columns_[c].push_back(columns[c][row]);
    }
  }

  const Metric::Columns& columns() const { return columns_; }

 private:
  void halve() {
    for (std::vector<double>& column : columns_) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < column.size(); i += 2) column[kept++] = column[i];
      column.resize(kept);
    }
    stride_ *= 2;
  }

  std::int64_t most_;
  std::int64_t stride_ = 1;
  std::int64_t seen_ = 0;
  Metric::Columns columns_;
};

std::vector<double> doubles(const Tensor& x) { return cast(x, Dtype::f64).to_vector<double>(); }

}  // namespace

struct Evaluator::Impl {
  Forward forward;
  std::vector<Metric> metrics;
  std::vector<std::vector<State>> sums;  // of each metric
  std::vector<KeptRows> kept;
  std::vector<std::size_t> column_counts;  // of each metric's scores, known from the first trace on
  BatchFunction program;

  Impl(Forward given_forward, std::vector<Metric> given_metrics, const CompileOptions& options)
      : forward(std::move(given_forward)),
        metrics(std::move(given_metrics)),
        program([this](const Batch& batch) { return add_up(batch); }, "evaluation", options) {
    for (const Metric& metric : metrics) {
      std::vector<State>& states = sums.emplace_back();
      for (const Shape& shape : metric.sum_shapes) states.emplace_back(zeros(shape, Dtype::f64));
    }
  }

  // Adds the batch to the sums; the columns of all scores.
  std::vector<Tensor> add_up(const Batch& batch) {
    const Batch outputs = forward(batch);
    std::vector<Tensor> columns;
    column_counts.assign(metrics.size(), 0);
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (metrics[m].sums) add_sums(metrics[m], sums[m], outputs, batch);
      if (!metrics[m].scores) continue;
      const std::vector<Tensor> found = metrics[m].scores(outputs, batch);
      column_counts[m] = found.size();
      columns.insert(columns.end(), found.begin(), found.end());
    }
    return columns;
  }

  static void add_sums(const Metric& metric, const std::vector<State>& states, const Batch& outputs,
                       const Batch& batch) {
    const std::vector<Tensor> parts = metric.sums(outputs, batch);
    bool fits = parts.size() == states.size();
    for (std::size_t i = 0; fits && i < parts.size(); ++i) {
      fits = parts[i].shape() == states[i].shape() && parts[i].dtype() == Dtype::f64;
    }
    if (!fits) {
      raise({.where = "metric '" + metric.name + "'",
             .what = "its sums are not what sum_shapes says",
             .got = std::to_string(parts.size()) + " tensors" +
                    (parts.empty() ? "" : ", the first " + parts.front().to_string()),
             .expected = std::to_string(states.size()) + " of f64, of these shapes",
             .hint = {}});
    }
    for (std::size_t i = 0; i < parts.size(); ++i) states[i].assign(states[i] + parts[i]);
  }

  void start() {
    kept.clear();
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      for (const State& state : sums[m]) state.assign(zeros(state.shape(), Dtype::f64));
      kept.emplace_back(metrics[m].most_rows);
    }
  }

  void keep(const std::vector<Tensor>& columns) {
    auto next = columns.begin();
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      std::vector<std::vector<double>> rows;
      for (std::size_t i = 0; i < column_counts[m]; ++i) rows.push_back(doubles(*next++));
      if (!rows.empty()) kept[m].add(rows);
    }
  }

  double finish(std::size_t m) const {
    const Metric& metric = metrics[m];
    if (metric.scores) return metric.finish(kept[m].columns());
    Metric::Columns values;
    for (const State& state : sums[m]) values.push_back(state.value().to_vector<double>());
    return metric.finish(values);
  }
};

Evaluator::Evaluator(Forward forward, std::vector<Metric> metrics, const CompileOptions& options)
    : impl_(std::make_unique<Impl>(std::move(forward), std::move(metrics), options)) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

const std::vector<Metric>& Evaluator::metrics() const { return impl_->metrics; }

MetricValues Evaluator::evaluate(const std::shared_ptr<const data::Dataset>& data,
                                 std::int64_t batch) {
  const TrainingScope evaluating(false);
  const NoGradScope untracked;
  impl_->start();
  data::Loader loader(data, {.batch = batch, .epochs = 1});
  for (const Batch& each : loader) impl_->keep(impl_->program.call(each));
  MetricValues values;
  for (std::size_t m = 0; m < impl_->metrics.size(); ++m) {
    values.push_back({.name = impl_->metrics[m].name, .value = impl_->finish(m)});
  }
  return values;
}

std::vector<std::pair<std::string, Interval>> Evaluator::bootstrap(int times, double level,
                                                                   std::uint64_t seed) const {
  std::vector<std::pair<std::string, Interval>> intervals;
  const philox::Key key = philox::key_from_seed(seed);
  for (std::size_t m = 0; m < impl_->metrics.size(); ++m) {
    const Metric& metric = impl_->metrics[m];
    if (!metric.scores || m >= impl_->kept.size()) continue;
    const Metric::Columns& all = impl_->kept[m].columns();
    const std::size_t rows = all.empty() ? 0 : all.front().size();
    if (rows == 0) continue;
    std::vector<double> values;
    Metric::Columns drawn(all.size(), std::vector<double>(rows));
    for (int t = 0; t < times; ++t) {
      for (std::size_t i = 0; i < rows; ++i) {
        const philox::Block block =
            philox::generate(philox::counter_at(i, static_cast<std::uint64_t>(t)), key);
        const auto row = static_cast<std::size_t>((std::uint64_t{block.words[0]} * rows) >> 32);
        for (std::size_t c = 0; c < all.size(); ++c) drawn[c][i] = all[c][row];
      }
      const double value = metric.finish(drawn);
      if (!std::isnan(value)) values.push_back(value);
    }
    if (values.empty()) continue;
    std::sort(values.begin(), values.end());
    const auto at = [&](double share) {
      const auto last = static_cast<double>(values.size() - 1);
      return values[static_cast<std::size_t>(std::lround(share * last))];
    };
    intervals.emplace_back(metric.name, Interval{.value = metric.finish(all),
                                                 .low = at((1 - level) / 2),
                                                 .high = at((1 + level) / 2)});
  }
  return intervals;
}

}  // namespace sinter::train
