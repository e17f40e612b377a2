// In which order files hold parameters: stated, found out, or refused.
#include <gtest/gtest.h>

#include "../golden/golden.h"
#include "error_message.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/scan.h"

namespace sinter {
namespace {

using nn::FeatureOrder;

FileLayout layout_of(const nn::Module& module, const std::string& name) {
  for (const NamedState& each : module.states()) {
    if (each.name == name) return each.layout;
  }
  ADD_FAILURE() << "no State " << name;
  return {};
}

TEST(FileLayout, ConvolutionWeightsAreOihwInFiles) {
  const nn::Conv2d conv(3, 4, {2, 5});
  const FileLayout layout = layout_of(conv, "weight");
  const Tensor memory = conv.weight();
  const Tensor file = layout.to_file(memory);
  EXPECT_EQ(file.shape(), (Shape{4, 3, 2, 5}));
  EXPECT_EQ(layout.shape_in_file(memory.shape()), file.shape());
  const auto values = memory.to_vector<float>();
  const auto in_file = file.to_vector<float>();
  for (std::size_t o = 0; o < 4; ++o) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t p = 0; p < 10; ++p) {
        ASSERT_EQ(in_file[(o * 3 + i) * 10 + p], values[(o * 10 + p) * 3 + i]);
      }
    }
  }
  EXPECT_EQ(layout.from_file(file).to_vector<float>(), values);
  EXPECT_EQ(layout.from_file(file).shape(), memory.shape());
}

TEST(FileLayout, ColumnsBehindAnImageAreChannelMajorInFiles) {
  const nn::Linear layer(2 * 3 * 4, 2, {.order = FeatureOrder::flattened(2 * 3, 4)});
  const FileLayout layout = layout_of(layer, "weight");
  const auto values = layer.weight().value().to_vector<float>();
  const Tensor file = layout.to_file(layer.weight());
  const auto in_file = file.to_vector<float>();
  EXPECT_EQ(file.shape(), (Shape{2, 24}));
  for (std::size_t o = 0; o < 2; ++o) {
    for (std::size_t p = 0; p < 6; ++p) {
      for (std::size_t c = 0; c < 4; ++c) {
        ASSERT_EQ(in_file[o * 24 + c * 6 + p], values[o * 24 + p * 4 + c]);
      }
    }
  }
  EXPECT_EQ(layout.from_file(file).to_vector<float>(), values);
  EXPECT_TRUE(layout_of(layer, "bias").is_identity());
}

TEST(FileLayout, AnyAxisMayRunAlongAFlattenedImage) {
  const Tensor memory = tensor(std::vector<float>{0, 1, 2, 3, 4, 5}, {6});
  const FileLayout layout = FileLayout::flattened({6}, -1, 3, 2);
  EXPECT_EQ(layout.to_file(memory).to_vector<float>(), (std::vector<float>{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(layout.from_file(layout.to_file(memory)).to_vector<float>(), memory.to_vector<float>());
  EXPECT_NE(message_of([] {
              FileLayout::flattened({6, 2}, 1, 3, 2);
            }).find("as many elements"),
            std::string::npos);
}

TEST(FileLayout, ASequentialFindsTheImageBehindAFlatten) {
  const nn::Sequential features{nn::Conv2d(1, 4, 3), nn::BatchNorm2d(4), nn::ReLU(),
                                nn::MaxPool2d(2)};
  const nn::Sequential model{features, nn::Flatten(), nn::Dropout(0.1), nn::Linear(24, 5),
                             nn::Linear(5, 4)};
  const nn::Linear explicit_layer(24, 5, {.order = FeatureOrder::flattened(6, 4)});
  EXPECT_EQ(layout_of(model, "3.weight").split, layout_of(explicit_layer, "weight").split);
  EXPECT_TRUE(layout_of(model, "4.weight").is_identity());
  model(zeros({2, 6, 8, 1}));
  const nn::Sequential plain{nn::Flatten(), nn::Linear(24, 5)};
  EXPECT_TRUE(layout_of(plain, "1.weight").is_identity());
  plain(zeros({2, 6, 4}));  // no image of the library's making: its order is the caller's
}

TEST(FileLayout, AStatedOrderIsNotReplacedByOneThatIsFoundOut) {
  const nn::Sequential model{nn::Conv2d(1, 4, 3), nn::Flatten(),
                             nn::Linear(24, 5, {.order = FeatureOrder::in_memory()})};
  EXPECT_TRUE(layout_of(model, "2.weight").is_identity());
  model(zeros({2, 4, 5, 1}));
}

// ---- modules of the user's between a convolution and a linear layer ----

struct Scale : nn::UnaryModule {
  State scale = add_parameter("scale", ones({4}));
  Tensor forward(const Tensor& x) const override { return x * scale; }
};

struct CountedScale : nn::ChannelwiseModule {
  State scale = add_parameter("scale", ones({4}));
  Tensor forward(const Tensor& x) const override { return x * scale; }
};

struct Mirrored : nn::ChannelwiseModule {  // which is not what it says
  Tensor forward(const Tensor& x) const override { return concatenate({x, x}, -1); }
};

nn::Sequential with_between(const FeatureOrder& order) {
  return nn::Sequential{nn::Conv2d(1, 4, 3), Scale(), nn::Flatten(), nn::ReLU(),
                        nn::Linear(24, 5, {.order = order})};
}

constexpr const char* kNotStated =
    "the features are a flattened image, and their order in files is not stated; got 6 positions "
    "of 4 channels; expected order = FeatureOrder::flattened(6, 4), which is PyTorch's; or "
    "FeatureOrder::in_memory(), for files that hold them as memory does";

TEST(FeatureOrder, BehindAModuleThatSaysNothingTheOrderMustBeStated) {
  const Tensor x = zeros({2, 4, 5, 1});
  const nn::Sequential silent = with_between({});
  const std::string message = message_of([&] { silent(x); });
  EXPECT_EQ(message.rfind("4 (Linear) [file_layout_test.cc:", 0), 0u) << message;
  EXPECT_NE(message.find(kNotStated), std::string::npos) << message;
  auto step = compile([&](const Tensor& images) { return silent(images); });
  EXPECT_NE(message_of([&] { step(x); }).find(kNotStated), std::string::npos);

  const nn::Sequential stated = with_between(FeatureOrder::flattened(6, 4));
  EXPECT_EQ(stated(x).shape(), (Shape{2, 5}));
  EXPECT_EQ(layout_of(stated, "4.weight").split, (std::vector<std::int64_t>{5, 6, 4}));
  const nn::Sequential as_memory = with_between(FeatureOrder::in_memory());
  EXPECT_EQ(as_memory(x).shape(), (Shape{2, 5}));
  EXPECT_TRUE(layout_of(as_memory, "4.weight").is_identity());
}

TEST(FeatureOrder, TheOrderOfAnotherImageIsRefused) {
  const Tensor x = zeros({2, 4, 5, 1});
  const nn::Sequential wrong = with_between(FeatureOrder::flattened(3, 8));
  const std::string message = message_of([&] { wrong(x); });
  EXPECT_NE(message.find("another flattened image than the one whose order files have; got 6 "
                         "positions of 4 channels; expected 3 positions of 8 channels"),
            std::string::npos)
      << message;
}

TEST(FeatureOrder, AChannelwiseModuleOfTheUsersIsLookedThrough) {
  const nn::Sequential model{nn::Conv2d(1, 4, 3), CountedScale(), nn::Flatten(), nn::Linear(24, 5)};
  EXPECT_EQ(layout_of(model, "3.weight").split, (std::vector<std::int64_t>{5, 6, 4}));
  model(zeros({2, 4, 5, 1}));
  const nn::Sequential wrong{nn::Conv2d(1, 4, 3), Mirrored(), nn::Flatten(), nn::Linear(48, 5)};
  const std::string message = message_of([&] { wrong(zeros({2, 4, 5, 1})); });
  EXPECT_NE(message.find("does not keep channels in their places"), std::string::npos) << message;
}

TEST(FeatureOrder, AForwardOfTheUsersOwnIsSeenThrough) {
  struct Net : nn::UnaryModule {
    explicit Net(const FeatureOrder& order)
        : fc(add("fc", nn::Linear(2 * 3 * 4, 3, {.order = order}))) {}
    nn::Conv2d conv = add("conv", nn::Conv2d(1, 4, 3));
    nn::Linear fc;
    Tensor forward(const Tensor& x) const override {
      const Tensor y = dropout_free(relu(conv(x)));
      return fc(reshape(y, {x.dim(0), -1}));
    }
    static Tensor dropout_free(const Tensor& x) { return detach(x) * 2.0 + 1.0; }
  };
  const Tensor x = zeros({2, 4, 5, 1});
  const Net silent{FeatureOrder()};
  EXPECT_NE(message_of([&] { silent(x); }).find(kNotStated), std::string::npos);
  {
    const NoGradScope untracked;
    EXPECT_NE(message_of([&] { silent(x); }).find(kNotStated), std::string::npos);
  }
  EXPECT_EQ(Net(FeatureOrder::flattened(6, 4))(x).shape(), (Shape{2, 3}));
}

TEST(FeatureOrder, ChannelsAloneHaveOneOrder) {
  struct Net : nn::UnaryModule {
    nn::Conv2d conv = add("conv", nn::Conv2d(1, 4, 3));
    nn::Linear fc = add("fc", nn::Linear(4, 3));
    Tensor forward(const Tensor& x) const override { return fc(mean(relu(conv(x)), {1, 2})); }
  };
  EXPECT_EQ(Net()(zeros({2, 4, 5, 1})).shape(), (Shape{2, 3}));
  const nn::Sequential tokens{nn::Conv2d(1, 4, 2, {.stride = {2}}), nn::LayerNorm({4}),
                              nn::Linear(4, 6), nn::BatchNorm(6)};
  EXPECT_EQ(tokens(zeros({2, 4, 6, 1})).shape(), (Shape{2, 2, 3, 6}));
}

TEST(FeatureOrder, NormsOverAFlattenedImageStateItToo) {
  const auto model = [](const FeatureOrder& order) {
    return nn::Sequential{nn::Conv2d(1, 4, 3), nn::Flatten(), nn::BatchNorm1d(24, {.order = order}),
                          nn::LayerNorm({24}, 1e-5, order)};
  };
  const Tensor x = zeros({2, 4, 5, 1});
  std::string message = message_of([&] { model({})(x); });
  EXPECT_NE(message.find("2 (BatchNorm)"), std::string::npos) << message;
  EXPECT_NE(message.find(kNotStated), std::string::npos) << message;
  const nn::Sequential stated = model(FeatureOrder::flattened(6, 4));
  stated(x);
  for (const char* const name :
       {"2.weight", "2.bias", "2.running_mean", "2.running_var", "3.weight", "3.bias"}) {
    EXPECT_EQ(layout_of(stated, name).split, (std::vector<std::int64_t>{6, 4})) << name;
  }
  const nn::Sequential silent{nn::Conv2d(1, 4, 3), nn::Flatten(), nn::LayerNorm({24})};
  message = message_of([&] { silent(x); });
  EXPECT_NE(message.find("2 (LayerNorm)"), std::string::npos) << message;
}

TEST(FeatureOrder, PartsOfImagesHaveTheOrderOfMemoryAlone) {
  const nn::Conv2d conv(1, 4, 3);
  const Tensor features = flatten(conv(zeros({2, 4, 5, 1})));
  const Tensor joined = concatenate({features, zeros({2, 3})}, 1);
  const std::string message = message_of([&] { nn::Linear(27, 2)(joined); });
  EXPECT_NE(message.find("parts of images"), std::string::npos) << message;
  EXPECT_NE(message_of([&] {
              nn::Linear(27, 2, {.order = FeatureOrder::flattened(9, 3)})(joined);
            }).find("parts of images"),
            std::string::npos);
  nn::Linear(27, 2, {.order = FeatureOrder::in_memory()})(joined);
  EXPECT_NE(
      message_of([&] { nn::Linear(9, 2)(slice(features, 1, 3, 12)); }).find("parts of images"),
      std::string::npos);
}

// A network of the user's own shape computes what PyTorch computes with its file.
TEST(FeatureOrder, PytorchsFilesAreReadRightByAForwardOfTheUsersOwn) {
  struct Net : nn::UnaryModule {
    nn::Conv2d conv = add("0", nn::Conv2d(2, 3, 3));
    nn::Linear fc = add("4", nn::Linear(18, 4, {.order = FeatureOrder::flattened(6, 3)}));
    Tensor forward(const Tensor& x) const override {
      return fc(flatten(max_pool2d(relu(conv(x)), {.kernel = {2, 2}})));
    }
  };
  const golden::Json layers = golden::read("layers");
  const golden::Json& values = layers.at("image_network");
  const Net net;
  for (const NamedState& each : net.states()) {
    each.state.assign(each.layout.from_file(golden::floats(values.at(each.name))));
  }
  golden::expect_near(net(golden::floats(values.at("x"))), values.at("y"), 1e-5, "y");
}

// ---- what is known of values on their way ----

std::string known(const Tensor& x) {
  const std::optional<FlattenedImage> image = flattened_image(x);
  if (!image.has_value()) return "nothing";
  if (!image->is_whole) return "a part";
  return std::to_string(image->positions) + " of " + std::to_string(image->channels);
}

TEST(FlattenedImage, IsKnownThroughWhatModelsDo) {
  const nn::Conv2d conv(1, 4, 3);
  const Tensor y = conv(zeros({2, 4, 5, 1}));  // (2, 2, 3, 4)
  EXPECT_EQ(known(y), "nothing");
  EXPECT_EQ(known(flatten(y)), "6 of 4");
  EXPECT_EQ(known(flatten(y, 2)), "3 of 4");
  EXPECT_EQ(known(relu(flatten(y)) * ones({24}) + 1.0), "6 of 4");
  EXPECT_EQ(known(reshape(reshape(flatten(y), {2, 6, 4}), {2, 24})), "6 of 4");
  EXPECT_EQ(known(flatten(avg_pool2d(y, {.kernel = {1, 2}, .stride = {1, 1}}))), "4 of 4");
  EXPECT_EQ(known(flatten(max_pool2d(zeros({2, 4, 6, 3}), {.kernel = {2, 2}}))), "6 of 3");
  EXPECT_EQ(known(flatten(conv_transpose(zeros({2, 2, 2, 3}), ones({3, 2, 2, 5})))), "9 of 5");
  // Channels first is the order of files.
  EXPECT_EQ(known(flatten(permute(y, {0, 3, 1, 2}))), "nothing");
  EXPECT_EQ(known(flatten(permute(y, {0, 1, 3, 2}))), "a part");
  // A product along the channels makes channels.
  EXPECT_EQ(known(flatten(linear(y, ones({7, 4})))), "6 of 7");
  EXPECT_EQ(known(linear(flatten(y), ones({7, 24}))), "nothing");
  EXPECT_EQ(known(flatten(concatenate({y, y}, -1))), "6 of 8");
  EXPECT_EQ(known(flatten(concatenate({y, y}, 1))), "12 of 4");
  EXPECT_EQ(known(concatenate({flatten(y), flatten(y)}, 1)), "a part");
  EXPECT_EQ(known(slice(flatten(y), 1, 0, 4)), "a part");
  EXPECT_EQ(known(flatten(slice(y, 1, 0, 2, 2))), "3 of 4");
  EXPECT_EQ(known(mean(y, {1, 2})), "nothing");
  EXPECT_EQ(known(sum(flatten(y), {0})), "6 of 4");
  EXPECT_EQ(known(zeros({2, 24})), "nothing");
}

// Attention over the positions of an image: heads are parts of channels, and come together again.
TEST(FlattenedImage, TokensOfAnImageAreSequences) {
  const nn::Conv2d patches(1, 8, 2, {.stride = {2}});
  const Tensor tokens = reshape(patches(zeros({2, 4, 6, 1})), {2, 6, 8});
  const auto heads = [](const Tensor& x) {
    return reshape(permute(reshape(x, {2, 6, 2, 4}), {0, 2, 1, 3}), {4, 6, 4});
  };
  const Tensor q = heads(linear(tokens, ones({8, 8})));
  const Tensor mixed = matmul(softmax(matmul(q, transpose(q))), q);
  const Tensor back = reshape(permute(reshape(mixed, {2, 2, 6, 4}), {0, 2, 1, 3}), {2, 6, 8});
  EXPECT_EQ(known(back), "nothing");
  const nn::Linear out(8, 8);
  EXPECT_EQ(known(layer_norm(tokens + out(back), ones({8}), zeros({8}))), "nothing");
}

TEST(FlattenedImage, IsKnownBehindAScan) {
  const nn::Conv2d conv(2, 2, 3, {.padding = {1}});
  const ScanBody body = [&](const auto& carries, const auto& xs) -> ScanStep {
    const Tensor next = tanh(conv(carries[0]) + xs[0]);
    return {.carries = {next}, .ys = {next}};
  };
  const ScanResult result = scan(body, {zeros({1, 2, 3, 2})}, {ones({5, 1, 2, 3, 2})});
  EXPECT_EQ(known(flatten(result.carries[0])), "6 of 2");
  EXPECT_EQ(known(flatten(result.ys[0], 2)), "6 of 2");
}

}  // namespace
}  // namespace sinter
