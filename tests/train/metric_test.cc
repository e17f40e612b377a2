#include "sinter/metric.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "sinter/error.h"
#include "sinter/ops.h"
#include "sinter/recipe.h"

namespace sinter::train {
namespace {

// Scores (some of them equal) and classes.
struct Sample {
  std::vector<float> scores;
  std::vector<std::int32_t> classes;
};

Sample draw(std::size_t rows, unsigned seed, int levels) {
  std::mt19937 random(seed);
  Sample sample;
  for (std::size_t i = 0; i < rows; ++i) {
    sample.classes.push_back(random() % 3 == 0 ? 1 : 0);
    const auto level = static_cast<float>(random() % static_cast<unsigned>(levels));
    sample.scores.push_back(level / static_cast<float>(levels) +
                            0.2F * static_cast<float>(sample.classes.back()));
  }
  return sample;
}

std::shared_ptr<const data::Dataset> dataset_of(const Sample& sample) {
  const auto rows = static_cast<std::int64_t>(sample.scores.size());
  return std::make_shared<data::TensorDataset>(
      Batch{{"scores", tensor(sample.scores, {rows})}, {"labels", tensor(sample.classes, {rows})}});
}

Batch pass_on(const Batch& batch) { return {{"scores", batch["scores"]}}; }

double measure(const Metric& metric, const Sample& sample, std::int64_t batch = 7) {
  Evaluator evaluator(pass_on, {metric});
  return evaluator.evaluate(dataset_of(sample), batch).front().value;
}

// By definition: the share of pairs that are in the right order.
double naive_auroc(const Sample& sample) {
  double pairs = 0;
  double wins = 0;
  for (std::size_t i = 0; i < sample.scores.size(); ++i) {
    for (std::size_t j = 0; j < sample.scores.size(); ++j) {
      if (sample.classes[i] != 1 || sample.classes[j] != 0) continue;
      ++pairs;
      if (sample.scores[i] > sample.scores[j]) wins += 1;
      if (sample.scores[i] == sample.scores[j]) wins += 0.5;
    }
  }
  return wins / pairs;
}

TEST(Metric, AurocIsTheShareOfPairsInOrder) {
  for (const int levels : {2, 5, 1000}) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      const Sample sample = draw(150, seed, levels);
      EXPECT_NEAR(measure(auroc(), sample), naive_auroc(sample), 1e-12) << levels;
    }
  }
}

// By definition: thresholds from the highest score down.
double naive_average_precision(const Sample& sample) {
  std::vector<float> thresholds = sample.scores;
  std::sort(thresholds.begin(), thresholds.end(), std::greater<>());
  thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
  double positives = 0;
  for (const std::int32_t each : sample.classes) positives += each;
  double area = 0;
  double before = 0;
  for (const float threshold : thresholds) {
    double hits = 0;
    double called = 0;
    for (std::size_t i = 0; i < sample.scores.size(); ++i) {
      if (sample.scores[i] < threshold) continue;
      ++called;
      hits += sample.classes[i];
    }
    area += (hits / positives - before) * hits / called;
    before = hits / positives;
  }
  return area;
}

TEST(Metric, AuprcIsAveragePrecision) {
  for (const int levels : {2, 5, 1000}) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      const Sample sample = draw(150, seed, levels);
      EXPECT_NEAR(measure(auprc(), sample), naive_average_precision(sample), 1e-12) << levels;
    }
  }
}

TEST(Metric, RanksAgreeWithScikitLearn) {
  // scikit-learn 1.9.1: roc_auc_score and average_precision_score of these.
  const Sample sample{{0.1F, 0.4F, 0.35F, 0.8F, 0.4F, 0.6F, 0.4F}, {0, 0, 1, 1, 1, 0, 0}};
  EXPECT_NEAR(measure(auroc(), sample), 0.5833333333333333, 1e-12);
  EXPECT_NEAR(measure(auprc(), sample), 0.6333333333333333, 1e-12);
}

TEST(Metric, RanksOfOneClassOrOfNoNumbersAreNoNumber) {
  EXPECT_TRUE(std::isnan(measure(auroc(), {{0.1F, 0.2F}, {0, 0}})));
  EXPECT_TRUE(std::isnan(measure(auprc(), {{0.1F, 0.2F}, {0, 0}})));
  EXPECT_TRUE(std::isnan(measure(auroc(), {{NAN, 0.2F}, {0, 1}})));
}

TEST(Metric, AccuracyTakesTheFirstOfEqualLogits) {
  const Batch rows{{"logits", tensor(std::vector<float>{1, 1, 0, 2, 3, 3, 0, 0, 0}, {3, 3})},
                   {"labels", tensor(std::vector<std::int64_t>{0, 2, 0}, {3})}};
  Evaluator evaluator(
      [](const Batch& batch) {
        return Batch{{"logits", batch["logits"]}};
      },
      {accuracy()});
  const auto set = std::make_shared<data::TensorDataset>(rows);
  EXPECT_NEAR(evaluator.evaluate(set, 2).front().value, 2.0 / 3, 1e-15);
}

TEST(Metric, ErrorsAreInTheTargetsUnit) {
  const Batch rows{{"guess", tensor(std::vector<float>{1, 2, 3, 4, 5}, {5})},
                   {"truth", tensor(std::vector<float>{1, 2, 3, 4, 8}, {5})}};
  Evaluator evaluator(
      [](const Batch& batch) {
        return Batch{{"guess", batch["guess"]}};
      },
      {rmse("guess", "truth", 10, "eV"), mae("guess", "truth", 10, "eV")});
  const MetricValues values = evaluator.evaluate(std::make_shared<data::TensorDataset>(rows), 2);
  EXPECT_NEAR(*find_metric(values, "rmse"), 10 * std::sqrt(9.0 / 5), 1e-12);
  EXPECT_NEAR(*find_metric(values, "mae"), 10 * 3.0 / 5, 1e-12);
  EXPECT_EQ(evaluator.metrics()[0].unit, "eV");
  EXPECT_FALSE(find_metric(values, "none"));
}

TEST(Metric, AMeanWeighsBatchesByTheirWeight) {
  // Batches of 2, 2 and 1 rows: means 1.5, 3.5 and 5 are not averaged alike.
  const auto set = std::make_shared<data::TensorDataset>(
      Batch{{"x", tensor(std::vector<float>{1, 2, 3, 4, 5}, {5})}});
  Evaluator evaluator(
      [](const Batch& batch) {
        return Batch{{"x", batch["x"]}};
      },
      {mean_metric("mean", Better::lower,
                   [](const Batch& outputs, const Batch&) { return mean(outputs["x"]); })});
  EXPECT_NEAR(evaluator.evaluate(set, 2).front().value, 3, 1e-12);
  EXPECT_NEAR(evaluator.evaluate(set, 2).front().value, 3, 1e-12) << "sums start again";
}

TEST(Metric, KeepsAnEvenSampleOfTooManyRows) {
  Metric first = auroc();
  std::vector<double> seen;
  first.most_rows = 8;
  first.finish = [&](const Metric::Columns& columns) {
    seen = columns[0];
    return 0.0;
  };
  Sample sample;
  for (int i = 0; i < 50; ++i) {
    sample.scores.push_back(static_cast<float>(i));
    sample.classes.push_back(0);
  }
  measure(first, sample);
  EXPECT_EQ(seen, (std::vector<double>{0, 8, 16, 24, 32, 40, 48}));
}

TEST(Metric, BootstrapIntervalsHoldTheValueAndRepeat) {
  const Sample sample = draw(400, 9, 50);
  Evaluator evaluator(pass_on, {auroc(), auprc()});
  evaluator.evaluate(dataset_of(sample));
  const auto intervals = evaluator.bootstrap(300);
  ASSERT_EQ(intervals.size(), 2u);
  for (const auto& [name, interval] : intervals) {
    EXPECT_LT(interval.low, interval.value) << name;
    EXPECT_GT(interval.high, interval.value) << name;
    EXPECT_LT(interval.high - interval.low, 0.25) << name;
  }
  EXPECT_EQ(evaluator.bootstrap(300)[0].second.low, intervals[0].second.low);
  // Hanley and McNeil's (1982) standard error of an AUC, for the size of the interval.
  const double a = intervals[0].second.value;
  double positives = 0;
  for (const std::int32_t each : sample.classes) positives += each;
  const double negatives = 400 - positives;
  const double q1 = a / (2 - a);
  const double q2 = 2 * a * a / (1 + a);
  const double error =
      std::sqrt((a * (1 - a) + (positives - 1) * (q1 - a * a) + (negatives - 1) * (q2 - a * a)) /
                (positives * negatives));
  const double width = intervals[0].second.high - intervals[0].second.low;
  EXPECT_NEAR(width, 2 * 1.96 * error, 0.35 * width);
}

TEST(Metric, KnowsWhichWayIsBetter) {
  const Metric up{.name = "up", .better = Better::higher};
  const Metric down{.name = "down", .better = Better::lower};
  EXPECT_TRUE(up.is_better(2, 1));
  EXPECT_TRUE(down.is_better(1, 2));
  EXPECT_FALSE(up.is_better(1, 1));
  EXPECT_FALSE(up.is_better(NAN, 1));
  EXPECT_TRUE(up.is_better(1, NAN));
}

TEST(Metric, AreEvaluatedByAsManyProgramsAsTheTaskSays) {
  Task task;
  task.forward = [](const Batch& batch) { return batch; };
  task.programs = 0;
  EXPECT_THROW(make_evaluator(task), Error);
}

TEST(Metric, SumsOfAnotherShapeThanPromisedAreAnError) {
  Evaluator evaluator(
      pass_on,
      {Metric{.name = "wrong",
              .sums = [](const Batch&,
                         const Batch&) { return std::vector<Tensor>{zeros({2}, Dtype::f64)}; },
              .sum_shapes = {Shape{}},
              .finish = [](const Metric::Columns&) { return 0.0; }}});
  EXPECT_THROW(evaluator.evaluate(dataset_of({{1}, {0}})), Error);
}

}  // namespace
}  // namespace sinter::train
