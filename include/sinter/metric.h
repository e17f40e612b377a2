// What tells how good a model is, and the one way in which it is measured.
#ifndef SINTER_METRIC_H_
#define SINTER_METRIC_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sinter/batch.h"
#include "sinter/compile.h"
#include "sinter/data.h"

namespace sinter::train {

enum class Better : std::uint8_t { higher, lower };

struct MetricValue {
  std::string name = {};
  double value = 0;
};
using MetricValues = std::vector<MetricValue>;

// The value of that name; nothing when there is none.
std::optional<double> find_metric(const MetricValues& values, const std::string& name);

// A figure over all rows of a split. It comes about in one of two ways:
//
// - `sums`: numbers that are added up over the batches, as f64 States inside the compiled
// evaluation,
//   so that a device is not waited for. `sum_shapes` says how many there are, and of what shapes.
// - `scores`: columns (N,) of which rows are kept, in bounded memory, for figures that need all
// rows
//   at once (a rank, an area under a curve). Beyond `most_rows` rows every second one is dropped,
//   then every second of the rest, ...: the figure is then of an even sample.
//
// Both are written in ops, from what the model gave (`outputs`) and the batch.
struct Metric {
  using Columns = std::vector<std::vector<double>>;

  std::string name;  // "accuracy"
  Better better = Better::higher;
  std::string unit = {};  // "%", "eV"; empty for fractions and pure numbers
  std::function<std::vector<Tensor>(const Batch& outputs, const Batch& batch)> sums = {};
  std::vector<Shape> sum_shapes = {};
  std::function<std::vector<Tensor>(const Batch& outputs, const Batch& batch)> scores = {};
  std::int64_t most_rows = std::int64_t{1} << 24;
  // From the sums (each in row-major order) or the columns.
  std::function<double(const Columns& values)> finish = {};

  // Whether `a` is a better value than `b`; one that is no number never is.
  bool is_better(double a, double b) const;
};

// The mean of a scalar that is already a mean over a batch, such as its loss, over all batches by
// their weights.
Metric mean_metric(std::string name, Better better,
                   std::function<Tensor(const Batch& outputs, const Batch& batch)> value);

// The share of rows whose largest logit (N, classes) is that of the target, i32 or i64 (N,).
Metric accuracy(std::string logits = "logits", std::string targets = "labels");
// The area under the ROC curve of scores (N,) for targets 0 and 1 (N,): the probability that a row
// of class 1 has the higher score, ties counting half. NaN when there is only one class.
Metric auroc(std::string scores = "scores", std::string targets = "labels");
// The area under the precision-recall curve as average precision: the sum over thresholds of the
// gain in recall times the precision there; rows with equal scores share a threshold. NaN without a
// row of class 1.
Metric auprc(std::string scores = "scores", std::string targets = "labels");
// Root mean square, mean absolute error of predictions (N,) or (N, D), in the targets' unit times
// `scale` (the standard deviation that targets were divided by).
Metric rmse(std::string predictions, std::string targets, double scale = 1, std::string unit = {});
Metric mae(std::string predictions, std::string targets, double scale = 1, std::string unit = {});

// A value with the interval that resampling gives.
struct Interval {
  double value = 0;
  double low = 0;
  double high = 0;
};

// All metrics of a model over a data set, one compiled program for each shape of batch.
class Evaluator {
 public:
  using Forward = std::function<Batch(const Batch&)>;

  Evaluator(Forward forward, std::vector<Metric> metrics, const CompileOptions& options = {});
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  const std::vector<Metric>& metrics() const;
  // In evaluation mode, untracked. Throws what the data set throws.
  MetricValues evaluate(const std::shared_ptr<const data::Dataset>& data, std::int64_t batch = 256);
  // Of the metrics that keep rows, after evaluate(): the share `level` of the values of `times`
  // random resamplings of the rows with replacement (the percentile bootstrap, Efron 1979). The
  // same seed gives the same numbers.
  std::vector<std::pair<std::string, Interval>> bootstrap(int times, double level = 0.95,
                                                          std::uint64_t seed = 0) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sinter::train

#endif  // SINTER_METRIC_H_
