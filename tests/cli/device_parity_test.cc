// The same work on the CPU and on a CUDA device: every sample of every op, and ten training steps
// of the networks that `sinter bench` times. Needs a device, real or emulated; the largest
// differences are properties of the tests (--gtest_output=json:FILE).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "ops/list.h"
#include "ops/op_samples.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/recipes.h"
#include "sinter/step.h"
#include "sinter/system.h"
#include "tensor/apply.h"

namespace sinter {
namespace {

using Values = std::vector<double>;

// Bits, where any NaN is any other.
bool is_same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(double)) == 0;
}

class OpParity : public testing::TestWithParam<Sample> {};

std::vector<Values> results_on(const char* device, const Sample& sample, Dtype floating) {
  const DeviceScope scope(device);
  std::vector<Tensor> inputs;
  for (const SampleInput& input : sample.inputs) inputs.push_back(make_tensor(input, floating));
  std::vector<Values> results;
  const std::vector<Tensor> found =
      sample.function ? std::vector<Tensor>{sample.function(inputs)}
                      : apply(ir::find(op_list(), sample.op), inputs, sample.attributes, {});
  for (const Tensor& result : found) results.push_back(elements_of(result));
  return results;
}

TEST_P(OpParity, TheDeviceComputesWhatTheCpuComputes) {
  const Sample& sample = GetParam();
  for (const Dtype dtype : {Dtype::f64, Dtype::f32}) {
    const std::vector<Values> cpu = results_on("cpu", sample, dtype);
    const std::vector<Values> cuda = results_on("cuda", sample, dtype);
    ASSERT_EQ(cpu.size(), cuda.size());
    const double tolerance = dtype == Dtype::f64 ? 1e-13 : sample.tolerance;
    for (std::size_t r = 0; r < cpu.size(); ++r) {
      ASSERT_EQ(cpu[r].size(), cuda[r].size());
      for (std::size_t i = 0; i < cpu[r].size(); ++i) {
        const double a = cpu[r][i], b = cuda[r][i];
        ASSERT_TRUE(is_same(a, b) ||
                    (is_contraction(sample) && std::fabs(a - b) <= tolerance * (1 + std::fabs(a))))
            << name_of(dtype) << ", result " << r << ", element " << i << ": " << b
            << " instead of " << a;
      }
    }
  }
}

std::string test_name(const testing::TestParamInfo<Sample>& info) {
  std::string name;
  for (const char c : info.param.name) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name + "_" + std::to_string(info.index);
}
INSTANTIATE_TEST_SUITE_P(All, OpParity, testing::ValuesIn(op_samples()), test_name);

enum class Way { op_by_op, compiled };

// What ten training steps leave: the losses, and every State before and behind them.
struct Training {
  std::vector<float> losses;
  std::vector<std::string> names;
  std::vector<std::vector<float>> before;
  std::vector<std::vector<float>> after;
};

std::vector<std::vector<float>> values_of(const std::vector<NamedState>& states) {
  std::vector<std::vector<float>> values;
  for (const NamedState& each : states) {
    if (each.state.dtype() == Dtype::f32) {
      values.push_back(each.state.value().to_vector<float>());
    }
  }
  return values;
}

train::Workload find_workload(const std::string& name) {
  for (const train::Recipe* recipe : recipes::all()) {
    for (const train::Workload& workload : recipe->workloads()) {
      if (workload.name == name) return workload;
    }
  }
  throw std::logic_error("no workload " + name);
}

Training train_on(const char* device, const char* name, Way way) {
  constexpr int kSteps = 10;
  const DeviceScope scope(device);
  const train::Workload workload = find_workload(name);
  const char* const rows = std::getenv("SINTER_TEST_BATCH");
  const std::int64_t batch = rows == nullptr ? 8 : std::atoll(rows);
  manual_seed(0);
  const train::Task task = workload.task();
  std::vector<State> parameters;
  for (const NamedState& each : task.states) {
    if (each.role == StateRole::parameter) parameters.push_back(each.state);
  }
  optim::AdamW optimizer(parameters);
  train::TrainingStep step([&](const Batch& each) { return task.loss(task.forward(each), each); },
                           optimizer);
  Training training;
  std::vector<NamedState> states = task.states;
  for (const NamedState& each : optimizer.states()) states.push_back(each);
  for (const NamedState& each : states) {
    if (each.state.dtype() == Dtype::f32) training.names.push_back(each.name);
  }
  training.before = values_of(states);
  Generator generator(1);
  for (int i = 0; i < kSteps; ++i) {
    const Batch made = workload.synthetic(batch, generator);
    const Tensor loss = way == Way::compiled ? step(made).loss : step.directly(made).loss;
    training.losses.push_back(loss.item<float>());
  }
  training.after = values_of(states);
  return training;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b,
                      const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << what;
}

void expect_same_training(const Training& a, const Training& b, const std::string& what) {
  expect_same_bits(a.losses, b.losses, what + ": losses");
  ASSERT_EQ(a.after.size(), b.after.size());
  for (std::size_t i = 0; i < a.after.size(); ++i) {
    expect_same_bits(a.after[i], b.after[i], what + ": " + a.names[i]);
  }
}

// The length of the difference over that of what it differs from.
double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    difference += (x - y) * (x - y);
    length += x * x;
  }
  return length > 0 ? std::sqrt(difference / length) : std::sqrt(difference);
}

class TrainingParity : public testing::TestWithParam<const char*> {};

TEST_P(TrainingParity, TenStepsOnTheDeviceAreThoseOfTheCpu) {
  const Training cpu = train_on("cpu", GetParam(), Way::compiled);
  const Training cuda = train_on("cuda", GetParam(), Way::compiled);
  ASSERT_EQ(cpu.before.size(), cuda.before.size());
  for (std::size_t i = 0; i < cpu.before.size(); ++i) {
    expect_same_bits(cpu.before[i], cuda.before[i], "at the start: " + cpu.names[i]);
  }
  double of_losses = 0, of_states = 0;
  for (std::size_t i = 0; i < cpu.losses.size(); ++i) {
    of_losses = std::max<double>(
        of_losses, std::fabs(cpu.losses[i] - cuda.losses[i]) / std::fabs(cpu.losses[i]));
  }
  for (std::size_t i = 0; i < cpu.after.size(); ++i) {
    const double found = relative_difference(cpu.after[i], cuda.after[i]);
    of_states = std::max(of_states, found);
    EXPECT_LT(found, 1e-3) << cpu.names[i];
  }
  EXPECT_LT(of_losses, 1e-4);
  EXPECT_LT(cuda.losses.back(), cuda.losses.front() + 1) << "ten steps went astray";
  RecordProperty("largest_difference_of_losses", std::to_string(of_losses * 1e6) + "e-6");
  RecordProperty("largest_difference_of_states", std::to_string(of_states * 1e6) + "e-6");
}

TEST_P(TrainingParity, TwoRunsOnTheDeviceHaveTheSameBits) {
  expect_same_training(train_on("cuda", GetParam(), Way::compiled),
                       train_on("cuda", GetParam(), Way::compiled), "the second run");
}

// The first compiled step is launched kernel by kernel, the others are one graph each.
TEST_P(TrainingParity, OpByOpCompiledAndReplayedHaveTheSameBits) {
  expect_same_training(train_on("cuda", GetParam(), Way::op_by_op),
                       train_on("cuda", GetParam(), Way::compiled), "compiled");
}

INSTANTIATE_TEST_SUITE_P(All, TrainingParity, testing::Values("mlp", "cnn"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace sinter
