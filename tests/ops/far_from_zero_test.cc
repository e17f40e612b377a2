// Means and variances of data far from zero, against f64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

const std::int64_t kRows[] = {2, 3, 7, 10, 50, 128, 1000, 1021, 33000};
const float kConstants[] = {0.1f,     3.3f,     -255.0f,    1013.25f,      6371.8f,      12345.67f,
                            54321.1f, 99999.9f, 123456.78f, 1700000000.0f, 1.234567e10f, 1e30f};

double largest(const Tensor& x) { return max(abs(x)).item<float>(); }

TEST(FarFromZero, ConstantChannelsAreNormalisedToZeros) {
  for (const std::int64_t rows : kRows) {
    const auto channels = static_cast<std::int64_t>(std::size(kConstants));
    const Tensor x = broadcast_to(tensor(kConstants, {channels}), {rows, channels});
    const BatchNormResult result = batch_norm(x, ones({channels}), zeros({channels}));
    EXPECT_LT(largest(result.y), 1e-4) << rows << " rows";
    const std::vector<float> mean = result.mean.to_vector<float>();
    const std::vector<float> variance = result.variance.to_vector<float>();
    for (std::size_t c = 0; c < mean.size(); ++c) {
      EXPECT_EQ(mean[c], kConstants[c]) << rows << " rows";
      if (std::fabs(mean[c]) > 1e18) continue;  // squares of its last places are beyond f32
      // Far less than one place of the constant, squared.
      const float place =
          std::nextafter(std::fabs(kConstants[c]), INFINITY) - std::fabs(kConstants[c]);
      EXPECT_LE(variance[c], 1e-4 * place * place) << rows << " rows of " << kConstants[c];
    }
  }
}

TEST(FarFromZero, AConstantChannelHasAFiniteGradient) {
  for (const std::int64_t rows : kRows) {
    const Tensor x = watch(full({rows, 1}, 99999.9));
    const Tensor weight = watch(ones({1}));
    const Tensor y = batch_norm(x, weight, zeros({1})).y;
    const Tensor at_row = cast(iota({rows, 1}, 0), Dtype::f32);
    const std::vector<Tensor> found = gradients(sum(y * at_row), std::vector<Tensor>{x, weight});
    // y = (x - mean) / sqrt(epsilon): a row's gradient is its weight less the weights' mean.
    const std::vector<float> dx = found[0].to_vector<float>();
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const double want =
          (static_cast<double>(i) - (static_cast<double>(rows) - 1) / 2) / std::sqrt(1e-5);
      ASSERT_NEAR(dx[i], want, 1e-4 * static_cast<double>(rows) / std::sqrt(1e-5))
          << rows << ", row " << i;
    }
    EXPECT_EQ(found[1].item<float>(), 0);
  }
}

struct Truth {
  std::vector<double> y, mean, variance;
  std::vector<double> dx;  // times sqrt(variance + epsilon): of the size of dy
};

// Batch norm of (rows, channels), and the gradient of sum(y * dy), in f64.
Truth in_double(const std::vector<float>& x, const std::vector<float>& dy, std::size_t channels) {
  const std::size_t rows = x.size() / channels;
  const auto n = static_cast<double>(rows);
  Truth t{std::vector<double>(x.size()), std::vector<double>(channels),
          std::vector<double>(channels), std::vector<double>(x.size())};
  for (std::size_t c = 0; c < channels; ++c) {
    const auto at = [&](std::size_t row) { return row * channels + c; };
    double total = 0, squares = 0, sum_dy = 0, sum_dy_y = 0;
    for (std::size_t i = 0; i < rows; ++i) total += static_cast<double>(x[at(i)]) - x[c];
    const double mean = x[c] + total / n;
    for (std::size_t i = 0; i < rows; ++i) squares += (x[at(i)] - mean) * (x[at(i)] - mean);
    t.mean[c] = mean;
    t.variance[c] = squares / n;
    const double inverse = 1 / std::sqrt(t.variance[c] + 1e-5);
    for (std::size_t i = 0; i < rows; ++i) {
      t.y[at(i)] = (x[at(i)] - mean) * inverse;
      sum_dy += dy[at(i)];
      sum_dy_y += dy[at(i)] * t.y[at(i)];
    }
    for (std::size_t i = 0; i < rows; ++i) {
      t.dx[at(i)] = dy[at(i)] - sum_dy / n - t.y[at(i)] * sum_dy_y / n;
    }
  }
  return t;
}

// The largest difference, relative to the largest number wanted or to `scale`, if that is larger.
double distance(const std::vector<float>& got, const std::vector<double>& want, double scale) {
  double worst = 0;
  for (const double each : want) scale = std::max(scale, std::fabs(each));
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::fabs(got[i] - want[i]) / scale);
  }
  return worst;
}

TEST(FarFromZero, BatchNormHasTheAccuracyOfF32AboutTheMean) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const std::int64_t rows : {2, 5, 16, 129, 3000, 20000}) {
    for (const float mean : {0.0f, 100.0f, -1e4f, 1e6f, 1.7e9f, 3e12f}) {
      // Down to a spread of a few of the mean's last places.
      for (const float places : {2.0f, 1e3f, 1e6f}) {
        const float place = std::nextafter(std::fabs(mean), INFINITY) - std::fabs(mean);
        const float spread = mean == 0 ? places * 1e-3f : places * place;
        const Shape shape({rows, 3});
        std::vector<float> x, dy;
        for (std::int64_t i = 0; i < shape.elements(); ++i) {
          x.push_back(mean + spread * normal(random));
          dy.push_back(normal(random));
        }
        const Truth truth = in_double(x, dy, 3);
        const auto step = [&](const Tensor& at, const Tensor& weights) {
          const Tensor watched = watch(at);
          const BatchNormResult result = batch_norm(watched, ones({3}), zeros({3}));
          const Tensor dx = gradients(sum(result.y * weights), std::vector<Tensor>{watched})[0];
          return std::vector<Tensor>{result.y, result.mean, result.variance, dx};
        };
        const std::vector<Tensor> got = step(tensor(x, shape), tensor(dy, shape));
        const std::string what = std::to_string(rows) + " rows around " + std::to_string(mean) +
                                 ", spread " + std::to_string(spread);
        EXPECT_LT(distance(got[0].to_vector<float>(), truth.y, 1), 1e-5) << what;
        EXPECT_LT(distance(got[1].to_vector<float>(), truth.mean, spread), 6e-8) << what;
        EXPECT_LT(distance(got[2].to_vector<float>(), truth.variance, 0), 5e-5) << what;
        std::vector<float> dx = got[3].to_vector<float>();
        for (std::size_t i = 0; i < dx.size(); ++i) {
          dx[i] *= static_cast<float>(std::sqrt(truth.variance[i % 3] + 1e-5));
        }
        EXPECT_LT(distance(dx, truth.dx, 1), 1e-4) << what;
        CompiledFunction compiled(
            [&](const std::vector<Tensor>& in) { return step(in[0], in[1]); });
        const std::vector<Tensor> again = compiled.call({tensor(x, shape), tensor(dy, shape)});
        for (std::size_t r = 0; r < got.size(); ++r) {
          EXPECT_EQ(again[r].to_vector<float>(), got[r].to_vector<float>()) << what;
        }
      }
    }
  }
}

// Rows of layer norm are channels of batch norm.
TEST(FarFromZero, LayerNormHasTheAccuracyOfF32AboutTheMean) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const std::int64_t width : {2, 17, 3000}) {
    for (const float mean : {0.0f, -1e4f, 1.7e9f}) {
      const float place = std::nextafter(std::fabs(mean), INFINITY) - std::fabs(mean);
      const float spread = mean == 0 ? 1 : 100 * place;
      std::vector<float> x, dy;
      for (std::int64_t i = 0; i < width * 3; ++i) {
        x.push_back(mean + spread * normal(random));
        dy.push_back(normal(random));
      }
      const Truth truth = in_double(x, dy, 3);
      const Tensor watched = watch(transpose(tensor(x, Shape({width, 3}))));
      const Tensor y = layer_norm(watched, ones({width}), zeros({width}));
      const Tensor weights = transpose(tensor(dy, Shape({width, 3})));
      const Tensor dx = gradients(sum(y * weights), std::vector<Tensor>{watched})[0];
      const std::string what = std::to_string(width) + " around " + std::to_string(mean);
      EXPECT_LT(distance(transpose(y).to_vector<float>(), truth.y, 1), 1e-5) << what;
      std::vector<float> scaled = transpose(dx).to_vector<float>();
      for (std::size_t i = 0; i < scaled.size(); ++i) {
        scaled[i] *= static_cast<float>(std::sqrt(truth.variance[i % 3] + 1e-5));
      }
      EXPECT_LT(distance(scaled, truth.dx, 1), 1e-4) << what;
    }
  }
}

}  // namespace
}  // namespace sinter
