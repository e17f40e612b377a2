#include "sinter/metric.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "sinter/error.h"
#include "sinter/ops.h"

namespace sinter::train {
namespace {

using Columns = Metric::Columns;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double quotient(const Columns& sums) { return sums[0][0] / sums[1][0]; }

Tensor rows_of(const Tensor& x) {
  return scalar(x.rank() == 0 ? 1.0 : static_cast<double>(x.dim(0)), Dtype::f64);
}

// Counts of rows at each score, from the highest score down.
struct Threshold {
  double positives = 0;
  double negatives = 0;
};

std::vector<Threshold> thresholds(const Columns& columns) {
  const std::vector<double>& scores = columns[0];
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<Threshold> result;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || scores[order[i]] != scores[order[i - 1]]) result.emplace_back();
    (columns[1][order[i]] != 0 ? result.back().positives : result.back().negatives) += 1;
  }
  return result;
}

bool has_nan(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); });
}

double area_under_roc(const Columns& columns) {
  if (has_nan(columns[0])) return kNaN;
  double positives = 0;
  double negatives = 0;
  double wins = 0;  // pairs in which the row of class 1 has the higher score
  for (const Threshold& at : thresholds(columns)) {
    wins += at.negatives * (positives + at.positives / 2);
    positives += at.positives;
    negatives += at.negatives;
  }
  return wins / (positives * negatives);
}

double average_precision(const Columns& columns) {
  if (has_nan(columns[0])) return kNaN;
  double positives = 0;
  double rows = 0;
  double area = 0;
  for (const Threshold& at : thresholds(columns)) {
    positives += at.positives;
    rows += at.positives + at.negatives;
    area += at.positives * positives / rows;
  }
  return area / positives;
}

Metric of_scores(std::string name, std::string scores, std::string targets,
                 double (*finish)(const Columns&)) {
  return {.name = std::move(name),
          .scores =
              [scores = std::move(scores), targets = std::move(targets)](const Batch& outputs,
                                                                         const Batch& batch) {
                return std::vector<Tensor>{outputs[scores], batch[targets]};
              },
          .finish = finish};
}

Metric of_errors(std::string name, std::string predictions, std::string targets, std::string unit,
                 Tensor (*cost)(const Tensor&), std::function<double(double)> finish) {
  return {.name = std::move(name),
          .better = Better::lower,
          .unit = std::move(unit),
          .sums =
              [predictions = std::move(predictions), targets = std::move(targets), cost](
                  const Batch& outputs, const Batch& batch) {
                const Tensor& guess = outputs[predictions];
                const Tensor& wanted = batch[targets];
                if (guess.shape() != wanted.shape()) {
                  raise({.where = "metric",
                         .what = "predictions and targets differ in shape",
                         .got = guess.to_string(),
                         .expected = wanted.to_string(),
                         .hint = {}});
                }
                const Tensor exact_guess = cast(guess, Dtype::f64);
                const Tensor exact_wanted = cast(wanted, Dtype::f64);
                const Tensor error = exact_guess - exact_wanted;
                return std::vector<Tensor>{
                    sum(cost(error)), scalar(static_cast<double>(wanted.elements()), Dtype::f64)};
              },
          .sum_shapes = {Shape{}, Shape{}},
          .finish =
              [finish = std::move(finish)](const Columns& sums) { return finish(quotient(sums)); }};
}

}  // namespace

std::optional<double> find_metric(const MetricValues& values, const std::string& name) {
  for (const MetricValue& value : values) {
    if (value.name == name) return value.value;
  }
  return std::nullopt;
}

bool Metric::is_better(double a, double b) const {
  if (std::isnan(a)) return false;
  if (std::isnan(b)) return true;
  return better == Better::higher ? a > b : a < b;
}

Metric mean_metric(std::string name, Better better,
                   std::function<Tensor(const Batch& outputs, const Batch& batch)> value) {
  return {
      .name = std::move(name),
      .better = better,
      .sums =
          [value = std::move(value)](const Batch& outputs, const Batch& batch) {
            const Tensor weight = batch.weight();
            return std::vector<Tensor>{cast(value(outputs, batch), Dtype::f64) * weight, weight};
          },
      .sum_shapes = {Shape{}, Shape{}},
      .finish = quotient};
}

Metric accuracy(std::string logits, std::string targets) {
  return {.name = "accuracy",
          .sums =
              [logits = std::move(logits), targets = std::move(targets)](const Batch& outputs,
                                                                         const Batch& batch) {
                const Tensor& wanted = batch[targets];
                const Tensor guess = argmax(outputs[logits], 1);
                const Tensor target = cast(wanted, guess.dtype());
                const Tensor right = equal(guess, target);
                return std::vector<Tensor>{sum(cast(right, Dtype::f64)), rows_of(wanted)};
              },
          .sum_shapes = {Shape{}, Shape{}},
          .finish = quotient};
}

Metric auroc(std::string scores, std::string targets) {
  return of_scores("auroc", std::move(scores), std::move(targets), area_under_roc);
}

Metric auprc(std::string scores, std::string targets) {
  return of_scores("auprc", std::move(scores), std::move(targets), average_precision);
}

Metric rmse(std::string predictions, std::string targets, double scale, std::string unit) {
  return of_errors(
      "rmse", std::move(predictions), std::move(targets), std::move(unit),
      [](const Tensor& error) { return error * error; },
      [scale](double mean) { return std::sqrt(mean) * scale; });
}

Metric mae(std::string predictions, std::string targets, double scale, std::string unit) {
  return of_errors(
      "mae", std::move(predictions), std::move(targets), std::move(unit),
      [](const Tensor& error) { return abs(error); },
      [scale](double mean) { return mean * scale; });
}

}  // namespace sinter::train
