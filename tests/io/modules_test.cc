// Networks in files.
#include <gtest/gtest.h>

#include "../base/temporary_folder.h"
#include "io/safetensors.h"
#include "sinter/io.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::io {
namespace {

// An image and ids in, two results out; its own forward stands between convolution and Linear.
struct Network : nn::ModuleOf<std::pair<Tensor, Tensor>(const Tensor&, const Tensor&)> {
  explicit Network(const nn::FeatureOrder& order)
      : fc(add("fc", nn::Linear(2 * 3 * 4, 3, {.order = order}))) {}

  nn::Conv2d conv = add("conv", nn::Conv2d(1, 4, 3));
  nn::Embedding table = add("table", nn::Embedding(5, 3));
  nn::Linear fc;

  std::pair<Tensor, Tensor> forward(const Tensor& image, const Tensor& ids) const override {
    const Tensor a = fc(flatten(relu(conv(image))));
    const Tensor b = table(ids);
    return {a * b, a - b};
  }
};

std::vector<float> results_of(const Network& network) {
  const Tensor image = Generator(7).uniform({1, 4, 5, 1});
  const auto [product, difference] = network(image, tensor(std::vector<std::int32_t>{3}, {1}));
  return concatenate({product, difference}, 1).to_vector<float>();
}

TEST(Modules, of_several_inputs_come_back_from_files_before_they_have_run) {
  const TemporaryFolder folder;
  for (const nn::FeatureOrder& order :
       {nn::FeatureOrder::flattened(6, 4), nn::FeatureOrder::in_memory()}) {
    manual_seed(1);
    const Network network(order);
    const std::vector<float> before = results_of(network);
    save_weights(folder / "w.safetensors", network.states());
    manual_seed(2);
    const Network other(order);
    load_weights(folder / "w.safetensors", other.states());
    EXPECT_EQ(results_of(other), before);
    const SafetensorsFile file(folder / "w.safetensors");
    EXPECT_EQ(file.names(), (std::vector<std::string>{"conv.weight", "conv.bias", "table.weight",
                                                      "fc.weight", "fc.bias"}));
  }
}

// Sequential or own forward: one order in files, so that each reads what the other wrote.
TEST(Modules, of_two_forms_have_one_file) {
  const TemporaryFolder folder;
  const nn::Sequential chain{nn::Conv2d(1, 4, 3), nn::ReLU(), nn::Flatten(), nn::Linear(24, 3)};
  struct Own : nn::UnaryModule {
    nn::Conv2d conv = add("0", nn::Conv2d(1, 4, 3));
    nn::Linear fc = add("3", nn::Linear(24, 3, {.order = nn::FeatureOrder::flattened(6, 4)}));
    Tensor forward(const Tensor& x) const override { return fc(flatten(relu(conv(x)))); }
  };
  const Own own;
  save_weights(folder / "w.safetensors", chain.states());
  load_weights(folder / "w.safetensors", own.states());
  const Tensor x = Generator(3).uniform({2, 4, 5, 1});
  EXPECT_EQ(own(x).to_vector<float>(), chain(x).to_vector<float>());
  const SafetensorsFile file(folder / "w.safetensors");
  const auto* in_file = reinterpret_cast<const float*>(file.get("3.weight").data);
  const std::vector<float> in_memory = own.fc.weight().value().to_vector<float>();
  for (std::size_t p = 0; p < 6; ++p) {
    for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(in_file[c * 6 + p], in_memory[p * 4 + c]);
  }
}

TEST(Modules, whose_file_would_be_in_the_wrong_order_do_not_run) {
  const Network silent{nn::FeatureOrder()};
  try {
    results_of(silent);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("fc (Linear)"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("their order in files is not stated"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace sinter::io
