#include "../golden/golden.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using golden::expect_near;
using golden::floats;
using golden::Json;

const Json& layers() {
  static const Json content = golden::read("layers");
  return content;
}

void load(const nn::Module& module, const Json& values) {
  for (const NamedState& each : module.states()) {
    if (!values.contains(each.name)) continue;
    const Tensor file = floats(values.at(each.name));
    ASSERT_EQ(file.shape(), each.layout.shape_in_file(each.state.shape())) << each.name;
    each.state.assign(each.layout.from_file(file));
  }
}

// y, dx and the gradient of each parameter, in the layout of files.
std::vector<Tensor> evaluate(const nn::UnaryModule& module, const Tensor& x, const Tensor& dy) {
  const Tensor watched = watch(x);
  const Tensor y = module(watched);
  const Tensor loss = sum(y * dy);
  std::vector<Tensor> results{y, gradients(loss, std::vector<Tensor>{watched}).front()};
  std::vector<State> parameters;
  std::vector<FileLayout> layouts;
  for (const NamedState& each : module.states()) {
    if (each.role != StateRole::parameter) continue;
    parameters.push_back(each.state);
    layouts.push_back(each.layout);
  }
  if (parameters.empty()) return results;
  const std::vector<Tensor> found = gradients(loss, parameters);
  for (std::size_t i = 0; i < found.size(); ++i) results.push_back(layouts[i].to_file(found[i]));
  return results;
}

void compare(const nn::Module& module, const std::vector<Tensor>& results, const Json& values,
             const std::string& what) {
  expect_near(results.at(0), values.at("y"), 1e-5, what + " y");
  expect_near(results.at(1), values.at("dx"), 1e-5, what + " dx");
  std::size_t next = 2;
  for (const NamedState& each : module.states()) {
    if (each.role != StateRole::parameter) continue;
    expect_near(results.at(next++), values.at("d" + each.name), 2e-5, what + " d" + each.name);
  }
}

// Eager, then compiled, twice: the second call of a compiled step is traced again and compared.
void check(const nn::UnaryModule& module, const Json& values, const std::string& name) {
  load(module, values);
  const Tensor x = floats(values.at("x"));
  const Tensor dy = floats(values.at("dy"));
  const std::vector<Tensor> eager = evaluate(module, x, dy);
  compare(module, eager, values, name + " eager");
  auto step = compile([&](const Tensor& input, const Tensor& output_gradient) {
    return evaluate(module, input, output_gradient);
  });
  for (int call = 0; call < 2; ++call) {
    compare(module, step(x, dy), values, name + " compiled");
  }
}

TEST(LayersGolden, Linear) {
  check(nn::Linear(5, 3), layers().at("linear"), "linear");
  check(nn::Linear(5, 3, {.bias = false}), layers().at("linear_without_bias"), "without bias");
}

TEST(LayersGolden, Conv2d) {
  check(nn::Conv2d(3, 4, 3, {.padding = {1, 1}}), layers().at("conv2d"), "conv2d");
  check(nn::Conv2d(2, 3, {3, 2},
                   {.stride = {2, 1}, .padding = {2, 1}, .dilation = {2, 1}, .bias = false}),
        layers().at("conv2d_strided"), "strided");
}

TEST(LayersGolden, ConvolutionsOfOtherRanksAndInGroups) {
  check(nn::Conv1d(3, 4, 3, {.stride = {2}, .padding = {1}}), layers().at("conv1d"), "conv1d");
  check(nn::Conv3d(2, 3, {2, 3, 2},
                   {.stride = {1, 2, 1}, .padding = {0, 1, 1}, .dilation = {2, 1, 1}}),
        layers().at("conv3d"), "conv3d");
  check(nn::Conv2d(4, 6, 3, {.padding = {1}, .groups = 2}), layers().at("conv2d_groups"), "groups");
  check(nn::Conv2d(3, 6, {3, 2}, {.stride = {2}, .groups = 3}), layers().at("conv2d_depthwise"),
        "depthwise");
  check(nn::ConvTranspose2d(4, 6, {3, 2},
                            {.stride = {2}, .padding = {1, 0}, .output_padding = {1}, .groups = 2}),
        layers().at("conv_transpose2d"), "transposed");
}

TEST(LayersGolden, MaxPool2d) {
  check(nn::MaxPool2d(2), layers().at("max_pool2d"), "max_pool2d");
  check(nn::MaxPool2d(3, 2, 1), layers().at("max_pool2d_overlapping"), "overlapping");
}

TEST(LayersGolden, Activations) {
  check(nn::GELU(), layers().at("gelu"), "gelu");
  check(nn::Tanh(), layers().at("tanh"), "tanh");
  check(nn::Sigmoid(), layers().at("sigmoid"), "sigmoid");
  check(nn::Softmax(), layers().at("softmax"), "softmax");
}

// One training batch after the other, as PyTorch saw them, then evaluation; eager or compiled.
void check_batch_norm(const Json& cases, bool compiled) {
  const nn::BatchNorm norm(3);
  const auto evaluate_norm = [&](const Tensor& x, const Tensor& dy) {
    return evaluate(norm, x, dy);
  };
  auto step = compile(evaluate_norm);
  for (const char* const name : {"train0", "train1", "eval"}) {
    const Json& values = cases.at(name);
    load(norm, values);
    const bool training = std::string(name) != "eval";
    const TrainingScope mode(training);
    const Tensor x = floats(values.at("x"));
    const Tensor dy = floats(values.at("dy"));
    compare(norm, compiled ? step(x, dy) : evaluate_norm(x, dy), values, name);
    if (!training) continue;
    const std::string index(1, name[5]);
    expect_near(norm.running_mean(), cases.at("running_mean" + index), 1e-6, "running mean");
    expect_near(norm.running_variance(), cases.at("running_var" + index), 1e-6, "running var");
  }
}

TEST(LayersGolden, BatchNormTrainsAndEvaluates) {
  for (const bool compiled : {false, true}) {
    check_batch_norm(layers().at("batch_norm1d"), compiled);
    check_batch_norm(layers().at("batch_norm2d"), compiled);
  }
}

TEST(LayersGolden, BatchNormInEvaluationLeavesItsStatistics) {
  const nn::BatchNorm norm(2);
  const TrainingScope evaluation(false);
  norm(full({4, 2}, 3));
  EXPECT_EQ(norm.running_mean().value().to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(norm.running_variance().value().to_vector<float>(), (std::vector<float>{1, 1}));
}

TEST(LayersGolden, ANetworkReadFromPytorchsFilesComputesTheSame) {
  check(nn::Sequential{nn::Conv2d(2, 3, 3), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(),
                       nn::Linear(18, 4)},
        layers().at("image_network"), "image network");
}

TEST(LayersGolden, CrossEntropy) {
  const Json& values = layers().at("cross_entropy");
  const Tensor labels = golden::integers(values.at("labels"));
  const auto evaluate_loss = [&](const Tensor& x) {
    const Tensor logits = watch(x);
    const Tensor loss = cross_entropy(logits, labels);
    return std::vector<Tensor>{loss, gradients(loss, std::vector<Tensor>{logits}).front()};
  };
  const Tensor logits = floats(values.at("logits"));
  auto step = compile(evaluate_loss);
  for (const auto& results : {evaluate_loss(logits), step(logits), step(logits)}) {
    expect_near(results[0], values.at("loss"), 1e-6, "loss");
    expect_near(results[1], values.at("dlogits"), 1e-6, "dlogits");
  }
}

TEST(Dropout, KeepsAShareScalesItAndDrawsAnewEachCall) {
  manual_seed(4);
  const nn::Dropout layer(0.25);
  const Tensor x = ones({100, 100});
  const auto first = layer(x).to_vector<float>();
  int kept = 0;
  for (const float value : first) {
    EXPECT_TRUE(value == 0.0f || std::abs(value - 4.0f / 3.0f) < 1e-6f) << value;
    kept += value != 0 ? 1 : 0;
  }
  EXPECT_NEAR(kept, 7500, 220);
  EXPECT_NE(layer(x).to_vector<float>(), first);
}

TEST(Dropout, IsNothingInEvaluationAndDoesNotAdvanceItsGenerator) {
  const nn::Dropout layer(0.5);
  const Tensor x = ones({10});
  const auto position = layer.states().front().state.value().to_vector<std::int64_t>();
  const TrainingScope evaluation(false);
  EXPECT_EQ(layer(x).to_vector<float>(), x.to_vector<float>());
  EXPECT_EQ(layer.states().front().state.value().to_vector<std::int64_t>(), position);
}

TEST(Dropout, CompiledDrawsWhatEagerDraws) {
  const auto draw = [](bool compiled) {
    manual_seed(9);
    const nn::Sequential model{nn::Dropout(0.5), nn::Dropout(0.1)};
    const auto call = [&](const Tensor& x) { return model(x); };
    auto step = compile(call);
    std::vector<std::vector<float>> results;
    for (int i = 0; i < 3; ++i) {
      const Tensor x = ones({37});
      results.push_back((compiled ? step(x) : call(x)).to_vector<float>());
    }
    return results;
  };
  const auto eager = draw(false);
  EXPECT_EQ(eager, draw(true));
  EXPECT_NE(eager[0], eager[1]);
}

TEST(Dropout, SeveralCanShareAGenerator) {
  const Generator generator(3);
  const nn::Sequential model{nn::Dropout(0.5, generator), nn::Dropout(0.5, generator)};
  ASSERT_EQ(model.states().size(), 1u);
  EXPECT_EQ(model.states().front().name, "0.generator");
}

}  // namespace
}  // namespace sinter
