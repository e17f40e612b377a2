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
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/system.h"
#include "tensor/apply.h"
#include "workloads.h"

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
  for (const Tensor& result :
       apply(ir::find(op_list(), sample.op), inputs, sample.attributes, {})) {
    results.push_back(elements_of(result));
  }
  return results;
}

TEST_P(OpParity, TheDeviceComputesWhatTheCpuComputes) {
  const Sample& sample = GetParam();
  const bool is_contraction = ir::find(op_list(), sample.op).kind == ir::OpKind::contraction;
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
                    (is_contraction && std::fabs(a - b) <= tolerance * (1 + std::fabs(a))))
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

Training train(const char* device, const char* name, Way way) {
  constexpr int kSteps = 10;
  const DeviceScope scope(device);
  const std::string wanted =
      name;  // g++ 14 takes a reference to what a temporary gave for a dangling one
  const cli::Workload& workload = cli::find_workload(wanted);
  const char* const rows = std::getenv("SINTER_TEST_BATCH");
  const std::int64_t batch = rows == nullptr ? 8 : std::atoll(rows);
  manual_seed(0);
  nn::Sequential model = workload.model();
  optim::AdamW optimizer(model.parameters());
  const auto update = [&](const std::vector<Tensor>& arguments) {
    const Tensor loss = cross_entropy(model(arguments[0]), arguments[1]);
    optimizer.step(gradients(loss, model.parameters()));
    return std::vector<Tensor>{loss};
  };
  CompiledFunction step(update);
  Training training;
  std::vector<NamedState> states = model.states();
  for (const NamedState& each : optimizer.states()) states.push_back(each);
  for (const NamedState& each : states) {
    if (each.state.dtype() == Dtype::f32) training.names.push_back(each.name);
  }
  training.before = values_of(states);
  Generator generator(1);
  for (int i = 0; i < kSteps; ++i) {
    const data::Batch made = workload.data(batch, generator);
    const std::vector<Tensor> arguments = {made.inputs, made.targets};
    const Tensor loss = way == Way::compiled ? step.call(arguments)[0] : update(arguments)[0];
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
  const Training cpu = train("cpu", GetParam(), Way::compiled);
  const Training cuda = train("cuda", GetParam(), Way::compiled);
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
  expect_same_training(train("cuda", GetParam(), Way::compiled),
                       train("cuda", GetParam(), Way::compiled), "the second run");
}

// The first compiled step is launched kernel by kernel, the others are one graph each.
TEST_P(TrainingParity, OpByOpCompiledAndReplayedHaveTheSameBits) {
  expect_same_training(train("cuda", GetParam(), Way::op_by_op),
                       train("cuda", GetParam(), Way::compiled), "compiled");
}

INSTANTIATE_TEST_SUITE_P(All, TrainingParity, testing::Values("mlp", "cnn"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace sinter
