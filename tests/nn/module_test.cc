#include <gtest/gtest.h>

#include <cmath>

#include "error_message.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

std::vector<std::string> names_of(const nn::Module& module) {
  std::vector<std::string> names;
  for (const NamedState& each : module.states()) names.push_back(each.name);
  return names;
}

using Names = std::vector<std::string>;

struct Block : nn::UnaryModule {
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(2, 4, 3, {.padding = {1, 1}, .bias = false}));
  nn::BatchNorm2d norm1 = add("norm1", nn::BatchNorm2d(4));
  Tensor forward(const Tensor& x) const override { return relu(norm1(conv1(x))); }
  static constexpr int kLine = __LINE__ - 1;
};

struct Net : nn::UnaryModule {
  Block block = add("block", Block());
  nn::Sequential head = add("head", nn::Sequential{nn::Flatten(), nn::Linear(64, 3)});
  State scale = add_parameter("scale", ones({3}));
  Tensor forward(const Tensor& x) const override { return head(block(x)) * scale; }
};

TEST(Module, StatesAreNamedAsInTheModuleTreeInAFixedOrder) {
  EXPECT_EQ(names_of(Net()), (Names{"scale", "block.conv1.weight", "block.norm1.weight",
                                    "block.norm1.bias", "block.norm1.running_mean",
                                    "block.norm1.running_var", "head.1.weight", "head.1.bias"}));
}

TEST(Module, StatesKnowTheirFullNamesAndModulesTheirPaths) {
  const Net net;
  EXPECT_EQ(net.block.conv1.weight().name(), "block.conv1.weight");
  EXPECT_EQ(net.block.conv1.path(), "block.conv1");
  EXPECT_EQ(net.block.conv1.name(), "conv1");
  EXPECT_EQ(net.path(), "");
}

TEST(Module, ParametersLeaveOutRunningStatisticsAndGenerators) {
  const nn::Sequential model{nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Dropout(0.5)};
  EXPECT_EQ(model.parameters().size(), 4u);
  EXPECT_EQ(model.parameter_count(), 3 * 4 + 4 + 4 + 4);
  EXPECT_EQ(names_of(model), (Names{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                                    "1.running_var", "2.generator"}));
  EXPECT_EQ(model.states().back().role, StateRole::progress);
  EXPECT_EQ(model.states()[4].role, StateRole::statistic);
}

TEST(Module, CopiesAreHandlesOnTheSameParameters) {
  const Net net;
  const Net copy = net;
  EXPECT_TRUE(copy.scale == net.scale);
  EXPECT_TRUE(copy.parameters()[1] == net.parameters()[1]);
  const nn::Sequential one{nn::Linear(2, 2)};
  const nn::Sequential other{one};
  EXPECT_EQ(names_of(other), (Names{"0.weight", "0.bias"}));
}

TEST(Module, AModuleUsedTwiceIsListedOnceUnderItsFirstName) {
  const nn::Linear shared(3, 3);
  const nn::Sequential model{shared, nn::ReLU(), shared};
  EXPECT_EQ(names_of(model), (Names{"0.weight", "0.bias"}));
  EXPECT_EQ(model.parameters().size(), 2u);
  EXPECT_EQ(shared.weight().name(), "0.weight");
  EXPECT_EQ(shared.path(), "0");
}

TEST(Module, ATiedStateIsOneParameter) {
  struct Tied : nn::Module {
    nn::Embedding embedding = add("embedding", nn::Embedding(5, 3));
    State output = add_tied("output", embedding.weight());
  };
  const Tied model;
  EXPECT_EQ(model.parameters().size(), 1u);
}

TEST(Module, NamesThatAreEmptyDottedOrTakenAreErrors) {
  struct Bad : nn::Module {
    explicit Bad(const std::string& first, const std::string& second) {
      add(first, nn::ReLU());
      add_parameter(second, ones({1}));
    }
  };
  EXPECT_NE(message_of([] { Bad("", "a"); }).find("must not be empty or contain a dot"),
            std::string::npos);
  EXPECT_NE(message_of([] { Bad("a", "b.c"); }).find("\"b.c\""), std::string::npos);
  EXPECT_NE(message_of([] { Bad("a", "a"); }).find("a part of this name already"),
            std::string::npos);
}

TEST(Module, AModuleCannotContainItself) {
  nn::Sequential model{nn::ReLU()};
  nn::Sequential outer{nn::Tanh(), model};
  EXPECT_NE(message_of([&] { model.append(outer); }).find("cannot contain itself"),
            std::string::npos);
  EXPECT_NE(message_of([&] { model.append(model); }).find("cannot contain itself"),
            std::string::npos);
}

TEST(Module, ErrorsNameTheModuleByItsPathAndTheLineOfItsCall) {
  const Net net;
  const std::string message = message_of([&] { net(zeros({1, 2, 4, 4})); });
  // Within a module of the user's, the line is the one where it calls the library's.
  const std::string line = std::to_string(Block::kLine);
  EXPECT_EQ(message,
            "block.conv1 (Conv2d) [module_test.cc:" + line +
                "]: the input has the wrong shape; got (1, 2, 4, 4); "
                "expected (N, H, W, 2); images are NHWC: (batch, height, width, channels)");
}

// The op stands in the library, its mistake in the user's program.
TEST(Module, ErrorsOfOpsWithinModulesNameTheLineOfTheCall) {
  const nn::Sequential model{nn::Flatten(), nn::Linear(3, 2)};
  const auto place = [](int line) { return "module_test.cc:" + std::to_string(line); };
  const Tensor wrong = zeros({2, 3}, Dtype::f64);
  std::string message = message_of([&] { model(wrong); });
  EXPECT_NE(message.find(place(__LINE__ - 1)), std::string::npos) << message;
  EXPECT_EQ(message.find("linear.cc"), std::string::npos) << message;
  message = message_of([&] { nn::Linear(3, 2)(wrong); });
  EXPECT_NE(message.find(place(__LINE__ - 1)), std::string::npos) << message;
  message = message_of([&] { nn::Linear(3, 2)(zeros({2, 4})); });
  EXPECT_NE(message.find(place(__LINE__ - 1)), std::string::npos) << message;
  message = message_of([] { nn::Linear(0, 2); });
  EXPECT_EQ(message.find("["), std::string::npos) << message;
}

TEST(Modules, LayerNormHasAWeightAndABiasOfItsShape) {
  const nn::LayerNorm norm({2, 3});
  EXPECT_EQ(norm.weight().shape(), (Shape{2, 3}));
  const Tensor constant = full({4, 2, 3}, 7);
  EXPECT_EQ(norm(constant).to_vector<float>(), std::vector<float>(24, 0.0f));
  norm.bias().assign(full({2, 3}, 5));
  EXPECT_EQ(norm(constant).to_vector<float>(), std::vector<float>(24, 5.0f));
  EXPECT_NE(message_of([&] { norm(zeros({4, 3, 2})); }).find("innermost axes"), std::string::npos);
}

TEST(Modules, RefuseArgumentsThatDoNotWork) {
  EXPECT_NE(message_of([] { nn::Linear(0, 3); }).find("must be positive"), std::string::npos);
  EXPECT_NE(message_of([] {
              nn::Linear(12, 3, {.order = nn::FeatureOrder::flattened(4, 4)});
            }).find("as many elements"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              nn::BatchNorm(12, {.order = nn::FeatureOrder::flattened(4, 4)});
            }).find("BatchNorm: the flattened image does not have as many elements"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              nn::LayerNorm({2, 12}, 1e-5, nn::FeatureOrder::flattened(4, 4));
            }).find("LayerNorm: the flattened image does not have as many elements"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::FeatureOrder::flattened(0, 4); }).find("at least one position"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::Conv2d(1, 0, 3); }).find("must be positive"), std::string::npos);
  EXPECT_NE(message_of([] { nn::Conv2d(1, 1, 0); }).find("must be positive"), std::string::npos);
  EXPECT_NE(message_of([] {
              nn::Conv2d(1, 1, 1, {.stride = {0, 1}});
            }).find("stride"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::Conv3d(1, 1, {1, 2}); }).find("1 or 3 lengths"), std::string::npos);
  EXPECT_NE(message_of([] {
              nn::ConvTranspose1d(4, 6, 3, {.groups = 4});
            }).find("ConvTranspose1d: the channels do not divide into groups"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::BatchNorm(0); }).find("channels"), std::string::npos);
  EXPECT_NE(message_of([] { nn::BatchNorm(1, {.epsilon = 0}); }).find("epsilon"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::BatchNorm(1, {.momentum = 1.5}); }).find("momentum"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::LayerNorm(Shape{}); }).find("nothing to normalise"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              nn::LayerNorm({2, 0});
            }).find("nothing to normalise"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::LayerNorm({2}, 0); }).find("epsilon"), std::string::npos);
  EXPECT_NE(message_of([] { nn::Dropout(1.0); }).find("0 <= p < 1"), std::string::npos);
  EXPECT_NE(message_of([] { nn::MaxPool2d(0); }).find("window"), std::string::npos);
  EXPECT_NE(message_of([] { nn::MaxPool2d(2, 2, 2); }).find("half the kernel"), std::string::npos);
  EXPECT_NE(message_of([] { nn::Embedding(0, 4); }).find("must not be empty"), std::string::npos);
}

TEST(Modules, RefuseInputsThatDoNotFit) {
  EXPECT_NE(message_of([] {
              nn::Linear(4, 3)(zeros({2, 5}));
            }).find("the input has the wrong number of features; got (2, 5); expected (..., 4)"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              nn::Linear(4, 3)(zeros({1, 2, 2, 1}));
            }).find("Flatten"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::BatchNorm(3)(zeros({2, 3, 4})); }).find("NHWC"), std::string::npos);
  EXPECT_NE(message_of([] {
              nn::BatchNorm(3)(zeros({1, 3}));
            }).find("more than one value"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              nn::Conv1d(2, 3, 3)(zeros({1, 4, 4, 2}));
            }).find("(N, L, 2)"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::MaxPool2d(2)(zeros({4, 4})); }).find("NHWC"), std::string::npos);
  EXPECT_NE(message_of([] { nn::Embedding(3, 2)(zeros({4})); }).find("integers"),
            std::string::npos);
  EXPECT_NE(message_of([] { nn::Flatten()(scalar(1)); }).find("no batch axis"), std::string::npos);
}

TEST(Sequential, TheTasteOfTheInterfaceWorks) {
  const nn::Sequential model{nn::Conv2d(1, 32, 3), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(),
                             nn::Linear(5408, 10)};
  EXPECT_EQ(model.size(), 5u);
  EXPECT_EQ(model[0].name(), "0");
  EXPECT_EQ(model(zeros({2, 28, 28, 1})).shape(), (Shape{2, 10}));
  EXPECT_EQ(names_of(model), (Names{"0.weight", "0.bias", "4.weight", "4.bias"}));
}

TEST(Sequential, NamesGivenToAppendAreKept) {
  nn::Sequential model;
  model.append("first", nn::Linear(2, 2)).append(nn::ReLU());
  EXPECT_EQ(names_of(model), (Names{"first.weight", "first.bias"}));
  EXPECT_EQ(model[1].name(), "1");
  const Tensor x = ones({1, 2});
  EXPECT_EQ(nn::Sequential()(x).to_vector<float>(), x.to_vector<float>());
}

TEST(BatchNorm, RunningStatisticsOfDataFarFromZeroAreTheirs) {
  nn::BatchNorm norm(2, {.momentum = 1});
  const std::vector<float> x = {99999.9f, 1e6f, 99999.9f, 1e6f + 1, 99999.9f, 1e6f + 2};
  norm(tensor(x, {3, 2}));
  EXPECT_EQ(norm.running_mean().value().to_vector<float>(),
            (std::vector<float>{99999.9f, 1e6f + 1}));
  EXPECT_EQ(norm.running_variance().value().to_vector<float>(), (std::vector<float>{0, 1}));
  const TrainingScope evaluation(false);
  const std::vector<float> y = norm(tensor(x, {3, 2})).to_vector<float>();
  const float scaled = 1 / std::sqrt(1 + 1e-5f);
  const std::vector<float> want = {0, -scaled, 0, 0, 0, scaled};
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], want[i], 1e-6);
}

}  // namespace
}  // namespace sinter
