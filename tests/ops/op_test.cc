// All samples of all ops, in all ways in which an op can run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <set>

#include "ir/internal_error.h"
#include "ops/list.h"
#include "ops/op_reference.h"
#include "ops/op_samples.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/system.h"
#include "tensor/apply.h"

namespace sinter {
namespace {

using Tensors = std::vector<Tensor>;
using Values = std::vector<std::vector<double>>;

Tensors make_inputs(const Sample& sample, Dtype floating) {
  Tensors inputs;
  for (const SampleInput& input : sample.inputs) inputs.push_back(make_tensor(input, floating));
  return inputs;
}

Tensors run(const Sample& sample, const Tensors& inputs) {
  if (sample.function) return {sample.function(inputs)};
  return apply(ir::find(op_list(), sample.op), inputs, sample.attributes, {});
}

bool is_close(double got, double want, double tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::fabs(got - want) <= tolerance * (1 + std::fabs(want));
}

void expect_close(const std::string& what, const std::vector<double>& got,
                  const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(is_close(got[i], want[i], tolerance))
        << what << ": element " << i << " is " << got[i] << " instead of " << want[i];
  }
}

void expect_same_bits(const std::string& what, const Tensors& got, const Tensors& want) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t r = 0; r < got.size(); ++r) {
    ASSERT_EQ(got[r].to_string(), want[r].to_string()) << what;
    const std::vector<double> a = elements_of(got[r]);
    const std::vector<double> b = elements_of(want[r]);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
      ASSERT_TRUE(both_nan || std::memcmp(&a[i], &b[i], sizeof(double)) == 0)
          << what << ": element " << i << " of result " << r << " is " << a[i] << " instead of "
          << b[i];
    }
  }
}

// Whether the op takes `dtype` for all inputs that stand for more than one type.
bool takes(const Sample& sample, Dtype dtype) {
  if (sample.function) return true;
  const ir::Op& op = ir::find(op_list(), sample.op);
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    if (sample.inputs[i].dtype != Dtype::f64) continue;
    if (!op.inputs[std::min(i, op.input_count() - 1)].dtypes.has(dtype)) return false;
  }
  return true;
}

bool has_floats(const Sample& sample) {
  for (const SampleInput& input : sample.inputs) {
    if (input.dtype == Dtype::f64) return true;
  }
  return false;
}

// What computes or folds in f32 where its operands have 16 bits, and what only moves them.
bool takes_halves(const Sample& sample) {
  if (sample.function) {
    constexpr const char* kMoves[] = {"argmax",      "argmin", "any ",  "all ",
                                      "concatenate", "stack",  "slice "};
    return std::any_of(std::begin(kMoves), std::end(kMoves),
                       [&](const char* name) { return sample.name.rfind(name, 0) == 0; });
  }
  const ir::Op& op = ir::find(op_list(), sample.op);
  return op.kind == ir::OpKind::pointwise || op.kind == ir::OpKind::reduce ||
         op.kind == ir::OpKind::view || op.id == ir::OpId::copy || op.id == ir::OpId::pad ||
         op.id == ir::OpId::pack || op.id == ir::OpId::gather || op.id == ir::OpId::max_pool ||
         op.id == ir::OpId::max_pool_gradient || op.id == ir::OpId::max_pool_gather;
}

class OpSample : public testing::TestWithParam<Sample> {
 protected:
  std::vector<Dtype> dtypes() const {
    if (!has_floats(GetParam())) return {Dtype::f64};
    std::vector<Dtype> taken;
    for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16}) {
      if (takes(GetParam(), dtype) && (!is_half(dtype) || takes_halves(GetParam()))) {
        taken.push_back(dtype);
      }
    }
    return taken;
  }
};

TEST_P(OpSample, ComputesWhatTheNaiveVersionComputes) {
  const Sample& sample = GetParam();
  const ir::Attributes attributes =
      sample.function ? sample.attributes
                      : ir::completed(ir::find(op_list(), sample.op), sample.attributes);
  for (const Dtype dtype : dtypes()) {
    const Tensors inputs = make_inputs(sample, dtype);
    const Tensors results = run(sample, inputs);
    std::vector<Array> arrays;
    std::vector<Dtype> result_dtypes;
    for (const Tensor& input : inputs) arrays.push_back({input.shape(), elements_of(input)});
    for (const Tensor& result : results) result_dtypes.push_back(result.dtype());
    const std::vector<Array> want =
        sample.function           ? std::vector<Array>{sample.naive_function(arrays)}
        : sample.naive != nullptr ? std::vector<Array>{pointwise_reference(sample.naive, arrays)}
                                  : reference(sample.op, arrays, attributes, result_dtypes);
    ASSERT_EQ(results.size(), want.size());
    for (std::size_t r = 0; r < want.size(); ++r) {
      EXPECT_EQ(results[r].shape(), want[r].shape);
      std::vector<double> values = want[r].values;
      for (double& value : values) {
        // What f16 cannot hold becomes infinite.
        if (is_half(result_dtypes[r])) {
          value = stored(value, result_dtypes[r]);
        }
      }
      expect_close(std::string(name_of(dtype)), elements_of(results[r]), values,
                   tolerance_of(sample, dtype));
    }
  }
}

TEST_P(OpSample, GivesTheSameBitsCompiled) {
  const Sample& sample = GetParam();
  for (const Dtype dtype : dtypes()) {
    const Tensors inputs = make_inputs(sample, dtype);
    CompiledFunction compiled([&](const Tensors& x) { return run(sample, x); });
    expect_same_bits(std::string(name_of(dtype)), compiled.call(inputs), run(sample, inputs));
  }
}

// What is no contraction has the CPU's bits on every device.
TEST_P(OpSample, GivesTheBitsOfTheCpu) {
  const Sample& sample = GetParam();
  if (!takes_halves(sample) || current_device() == "cpu") return;  // nothing to compare
  for (const Dtype dtype : dtypes()) {
    const Tensors here = run(sample, make_inputs(sample, dtype));
    const DeviceScope cpu("cpu");
    expect_same_bits(std::string(name_of(dtype)), here, run(sample, make_inputs(sample, dtype)));
  }
}

// The axes in reverse order.
Tensor reversed(const Tensor& x) {
  std::vector<int> axes(static_cast<std::size_t>(x.rank()));
  std::iota(axes.rbegin(), axes.rend(), 0);
  return permute(x, axes);
}

TEST_P(OpSample, GivesTheSameBitsForStridedInputs) {
  const Sample& sample = GetParam();
  for (const Dtype dtype : dtypes()) {
    const Tensors inputs = make_inputs(sample, dtype);
    Tensors turned;
    for (const Tensor& input : inputs) turned.push_back(reversed(input));
    CompiledFunction compiled([&](const Tensors& x) {
      Tensors back;
      for (const Tensor& each : x) back.push_back(reversed(each));
      return run(sample, back);
    });
    const Tensors got = compiled.call(turned);
    const Tensors want = run(sample, inputs);
    if (!is_contraction(sample)) {
      expect_same_bits(std::string(name_of(dtype)), got, want);
      continue;
    }
    // The vendor's library may sum in another order for other strides.
    const double tolerance = dtype == Dtype::f64 ? 1e-13 : sample.tolerance;
    expect_close(std::string(name_of(dtype)), elements_of(got[0]), elements_of(want[0]), tolerance);
  }
}

// Fixed weights that make one number of several results.
Tensor weigh(const Tensors& tensors, int seed) {
  Tensor total = full({}, 0, Dtype::f64);
  double number = seed;
  for (const Tensor& tensor : tensors) {
    if (!tensor.defined() || tensor.dtype() != Dtype::f64) continue;
    const Tensor weights = filled(tensor.shape(), Dtype::f64, [&](std::byte* memory) {
      for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        number = std::fmod(number * 1.61803398875 + 0.37, 1.0) + 0.25;
        std::memcpy(memory, &number, sizeof(number));
        memory += sizeof(number);
      }
    });
    total = total + sum(tensor * weights);
  }
  return total;
}

Tensors watch_floats(const Tensors& inputs) {
  Tensors watched;
  for (const Tensor& input : inputs) {
    if (input.dtype() == Dtype::f64) watched.push_back(watch(input));
  }
  return watched;
}

// The watched ones in the places of the floating inputs.
Tensors with(const Tensors& inputs, const Tensors& floats) {
  Tensors all = inputs;
  std::size_t next = 0;
  for (Tensor& each : all) {
    if (each.dtype() == Dtype::f64) each = floats[next++];
  }
  return all;
}

using Scalar = std::function<Tensor(const Tensors& floats)>;

// Gradients of `function` against central differences.
void check_gradients(const Sample& sample, const Tensors& inputs, const Scalar& function,
                     double tolerance) {
  const Tensors watched = watch_floats(inputs);
  const Tensor value = function(watched);
  Tensors found(watched.size());
  bool is_constant = false;
  try {
    found = gradients(value, watched);
  } catch (const Error& error) {
    // Nothing that is tracked: the differences below must all be zero.
    is_constant = std::string(error.what()).find("nothing that is tracked") != std::string::npos;
    if (!is_constant) throw;
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype() != Dtype::f64) continue;
    const std::size_t which = next++;
    const std::vector<double> gradient =
        found[which].defined()
            ? elements_of(found[which])
            : std::vector<double>(static_cast<std::size_t>(inputs[i].elements()));
    for (std::size_t e = 0; e < gradient.size(); ++e) {
      const double step = 1e-5;
      const auto moved = [&](double by) {
        SampleInput input = sample.inputs[i];
        input.values[e] += by;
        Tensors floats = watched;
        floats[which] = watch(make_tensor(input, Dtype::f64));
        return function(floats).item<double>();
      };
      const double difference = (moved(step) - moved(-step)) / (2 * step);
      ASSERT_TRUE(is_close(gradient[e], difference, tolerance))
          << "input " << i << " element " << e << ": gradient " << gradient[e]
          << ", central difference " << difference;
    }
  }
}

class SmoothOpSample : public testing::TestWithParam<Sample> {};

// In 16 bits, against the gradient in f64 at the same point: some units in the last place off, for
// what it is composed of is rounded too.
class SmoothHalfOpSample : public testing::TestWithParam<Sample> {};
TEST_P(SmoothHalfOpSample, HasItsGradientInSixteenBits) {
  const Sample& sample = GetParam();
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    const auto gradient = [&](Dtype computed) {
      Tensors inputs = make_inputs(sample, dtype);
      Tensors watched;
      for (Tensor& input : inputs) {
        if (input.dtype() != dtype) continue;
        input = watch(cast(input, computed));
        watched.push_back(input);
      }
      Tensors results = run(sample, inputs);
      for (Tensor& result : results) result = cast(result, Dtype::f64);
      return gradients(weigh(results, 1), watched);
    };
    const Tensors got = gradient(dtype);
    const Tensors want = gradient(Dtype::f64);
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(got[i].defined(), want[i].defined());
      if (!want[i].defined()) continue;
      EXPECT_EQ(got[i].dtype(), dtype);
      expect_close(std::string(name_of(dtype)), elements_of(got[i]), elements_of(want[i]),
                   8 * tolerance_of(sample, dtype));
    }
  }
}

TEST_P(SmoothOpSample, HasTheGradientOfFiniteDifferences) {
  const Sample& sample = GetParam();
  ASSERT_TRUE(sample.function || ir::find(op_list(), sample.op).gradient != nullptr);
  const Tensors inputs = make_inputs(sample, Dtype::f64);
  check_gradients(
      sample, inputs,
      [&](const Tensors& floats) { return weigh(run(sample, with(inputs, floats)), 1); }, 1e-7);
}

TEST_P(SmoothOpSample, HasTheSecondGradientOfFiniteDifferences) {
  const Sample& sample = GetParam();
  const Tensors inputs = make_inputs(sample, Dtype::f64);
  check_gradients(
      sample, inputs,
      [&](const Tensors& floats) {
        // A square first, so that linear ops have a second derivative too.
        Tensors results = run(sample, with(inputs, floats));
        for (Tensor& result : results) {
          if (result.dtype() == Dtype::f64) result = square(result);
        }
        return weigh(gradients(weigh(results, 1), floats), 2);
      },
      1e-6);
}

std::string test_name(const testing::TestParamInfo<Sample>& info) {
  std::string name;
  for (const char c : info.param.name)
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name + "_" + std::to_string(info.index);
}

std::vector<Sample> smooth_samples() {
  std::vector<Sample> smooth;
  for (const Sample& sample : op_samples()) {
    if (sample.is_smooth) smooth.push_back(sample);
  }
  return smooth;
}

std::vector<Sample> smooth_half_samples() {
  std::vector<Sample> samples = smooth_samples();
  samples.erase(std::remove_if(samples.begin(), samples.end(),
                               [](const Sample& sample) { return !takes_halves(sample); }),
                samples.end());
  return samples;
}

INSTANTIATE_TEST_SUITE_P(All, SmoothHalfOpSample, testing::ValuesIn(smooth_half_samples()),
                         test_name);
INSTANTIATE_TEST_SUITE_P(All, SmoothOpSample, testing::ValuesIn(smooth_samples()), test_name);
INSTANTIATE_TEST_SUITE_P(All, OpSample, testing::ValuesIn(op_samples()), test_name);

TEST(OpSamples, EveryOpHasARowAndADifferentiableOneASmoothRow) {
  std::set<ir::OpId> sampled;
  std::set<ir::OpId> smooth;
  for (const Sample& sample : op_samples()) {
    sampled.insert(sample.op);
    if (sample.is_smooth) smooth.insert(sample.op);
  }
  for (const ir::Op& op : op_list()) {
    // scan takes a body, which is a graph: tests/ops/infer_test.cc and the compiler's tests have
    // it.
    if (op.id == ir::OpId::scan) continue;
    EXPECT_TRUE(sampled.count(op.id)) << op.name << " has no sample";
    if (op.gradient != nullptr) {
      EXPECT_TRUE(smooth.count(op.id)) << op.name << " has a gradient but no smooth sample";
    }
  }
}

// The types of a sample's inputs.
std::vector<ir::TensorType> types_of(const Sample& sample) {
  std::vector<ir::TensorType> types;
  for (const SampleInput& input : sample.inputs) types.push_back({input.dtype, input.shape});
  return types;
}

TEST(OpSamples, AreRefusedWithADtypeThatTheOpDoesNotTake) {
  for (const Sample& sample : op_samples()) {
    if (sample.function) continue;
    const ir::Op& op = ir::find(op_list(), sample.op);
    const ir::Attributes attributes = ir::completed(op, sample.attributes);
    for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
      const ir::DtypeSet dtypes = op.inputs[std::min(i, op.input_count() - 1)].dtypes;
      EXPECT_TRUE(dtypes.has(sample.inputs[i].dtype)) << sample.name;
      for (int d = 0; d < kDtypeCount; ++d) {
        if (dtypes.has(static_cast<Dtype>(d))) continue;
        std::vector<ir::TensorType> types = types_of(sample);
        types[i].dtype = static_cast<Dtype>(d);
        try {
          ir::infer(op, {types, attributes});
          ADD_FAILURE() << sample.name << " takes " << types[i].to_string();
        } catch (const Error& error) {
          EXPECT_NE(std::string(error.what()).find("expected " + ir::to_text(dtypes)),
                    std::string::npos)
              << error.what();
        }
      }
    }
  }
}

TEST(OpSamples, AreRefusedWithOtherAttributesThanTheSchemas) {
  for (const Sample& sample : op_samples()) {
    if (sample.function) continue;
    const ir::Op& op = ir::find(op_list(), sample.op);
    const ir::Attributes complete = ir::completed(op, sample.attributes);
    EXPECT_TRUE(ir::are_complete(op, complete)) << sample.name;
    ir::Attributes unknown = complete;
    unknown.add("unheard_of", std::int64_t{1});
    EXPECT_THROW(ir::completed(op, unknown), ir::InternalError) << sample.name;
    for (std::size_t left_out = 0; left_out < op.attribute_count(); ++left_out) {
      ir::Attributes others, of_another_kind;
      for (std::size_t i = 0; i < op.attribute_count(); ++i) {
        const auto& [name, value] = complete.entries()[i];
        if (i != left_out) others.add(name, value);
        const bool is_real = std::holds_alternative<double>(value);
        of_another_kind.add(name, i != left_out ? value
                                  : is_real     ? ir::AttributeValue(std::int64_t{1})
                                                : ir::AttributeValue(1.0));
      }
      EXPECT_THROW(ir::completed(op, of_another_kind), ir::InternalError) << sample.name;
      EXPECT_FALSE(ir::are_complete(op, others)) << sample.name;
      EXPECT_THROW(ir::infer(op, {types_of(sample), others}), ir::InternalError) << sample.name;
      if (!op.schema[left_out].default_value) {
        EXPECT_THROW(ir::completed(op, others), ir::InternalError) << sample.name;
      } else {
        EXPECT_TRUE(ir::are_complete(op, ir::completed(op, others))) << sample.name;
      }
    }
  }
}

TEST(OpList, SaysWhatEachOpIs) {
  std::set<std::string> names;
  int position = 0;
  for (const ir::Op& op : op_list()) {
    EXPECT_EQ(static_cast<int>(op.id), position++) << op.name;
    EXPECT_TRUE(names.insert(op.name).second) << op.name << " occurs twice";
    EXPECT_NE(std::string(op.doc), "") << op.name;
    EXPECT_NE(op.infer, nullptr) << op.name;
    EXPECT_FALSE(op.is_variadic && op.input_count() == 0) << op.name;
    for (std::size_t i = 0; i < op.input_count(); ++i) {
      EXPECT_FALSE(op.inputs[i].dtypes.empty()) << op.name;
    }
    EXPECT_EQ(op.kind == ir::OpKind::view, op.view != nullptr) << op.name;
    EXPECT_EQ(op.kind == ir::OpKind::pointwise, op.append != nullptr) << op.name;
    EXPECT_EQ(op.kind == ir::OpKind::composite, op.compose != nullptr) << op.name;
  }
}

}  // namespace
}  // namespace sinter
