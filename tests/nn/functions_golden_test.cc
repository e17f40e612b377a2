// Functions that are no layers beside PyTorch's (computed there in f64).
#include <functional>
#include <limits>

#include "../golden/golden.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using golden::expect_near;
using golden::floats;
using golden::Json;
using Tensors = std::vector<Tensor>;
using Function = std::function<Tensor(const Tensors&)>;

const Json& functions() {
  static const Json content = golden::read("functions");
  return content;
}

// The result, then the gradient of sum(result * dy) for each input.
Tensors evaluate(const Function& function, const Tensors& inputs, const Tensor& dy) {
  Tensors watched;
  for (const Tensor& input : inputs) watched.push_back(watch(input));
  const Tensor y = function(watched);
  Tensors results = gradients(sum(y * dy), watched);
  results.insert(results.begin(), y);
  return results;
}

void check(const std::string& name, const Function& function, double tolerance = 1e-5) {
  const Json& values = functions().at(name);
  Tensors inputs;
  for (const Json& input : values.at("inputs")) inputs.push_back(floats(input));
  const Tensor dy = floats(values.at("dy"));
  CompiledFunction compiled([&](const Tensors& in) {
    return evaluate(function, {in.begin(), in.end() - 1}, in.back());
  });
  Tensors arguments = inputs;
  arguments.push_back(dy);
  for (const Tensors& results : {evaluate(function, inputs, dy), compiled.call(arguments)}) {
    expect_near(results.at(0), values.at("y"), tolerance, name);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      expect_near(results.at(i + 1), values.at("gradients").at(i), tolerance,
                  name + " gradient " + std::to_string(i));
    }
  }
}

TEST(FunctionsGolden, LayerNorm) {
  const auto norm = [](const Tensors& x) { return layer_norm(x[0], x[1], x[2]); };
  check("layer_norm_row", norm);
  check("layer_norm_image", norm);
  // The inputs are f32 numbers around 1e5, whose spacing is 1 % of their spread.
  check("layer_norm_far", norm);
}

TEST(FunctionsGolden, Cumsum) {
  check("cumsum", [](const Tensors& x) { return cumsum(x[0], 1); });
  check("cumsum_reverse", [](const Tensors& x) { return cumsum(x[0], -1, true); });
}

TEST(FunctionsGolden, Losses) {
  const Tensor labels = floats(functions().at("labels"));
  const Tensor weight = floats(functions().at("positive_weight"));
  const std::vector<std::pair<std::string, LossReduction>> reductions = {
      {"mean", LossReduction::mean}, {"sum", LossReduction::sum}, {"none", LossReduction::none}};
  for (const auto& [name, reduction] : reductions) {
    const LossReduction r = reduction;
    check("mse_loss_" + name, [=](const Tensors& x) { return mse_loss(x[0], x[1], r); });
    check("l1_loss_" + name, [=](const Tensors& x) { return l1_loss(x[0], x[1], r); });
    check("huber_loss_" + name, [=](const Tensors& x) { return huber_loss(x[0], x[1], 0.7, r); });
    check("binary_cross_entropy_" + name,
          [=](const Tensors& x) { return binary_cross_entropy(x[0], labels, r); });
    check("with_logits_" + name, [=](const Tensors& x) {
      return binary_cross_entropy_with_logits(x[0], labels, r, Operand(weight));
    });
  }
  const Tensor edges = floats(functions().at("edge_labels"));
  check("binary_cross_entropy_edges",
        [&](const Tensors& x) { return binary_cross_entropy(x[0], edges, LossReduction::none); });
}

TEST(FunctionsGolden, Statistics) {
  check("norm_1", [](const Tensors& x) { return norm(x[0], {1}, false, 1); });
  check("norm_2", [](const Tensors& x) { return norm(x[0], {1}); });
  check("norm_inf", [](const Tensors& x) {
    return norm(x[0], {1}, false, std::numeric_limits<double>::infinity());
  });
  check("var", [](const Tensors& x) { return var(x[0], {0}); });
  check("logsumexp", [](const Tensors& x) { return logsumexp(x[0], {1}); });
}

TEST(FunctionsGolden, AvgPool2d) {
  check("avg_pool2d_plain", [](const Tensors& x) { return avg_pool2d(x[0]); });
  check("avg_pool2d_padded", [](const Tensors& x) {
    return avg_pool2d(x[0], {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
  });
  check("avg_pool2d_not_counted", [](const Tensors& x) {
    return avg_pool2d(
        x[0], {.kernel = {3, 2}, .stride = {1, 2}, .padding = {1, 1}, .count_include_pad = false});
  });
}

TEST(FunctionsGolden, PoolingOfOtherRanks) {
  check("max_pool1d", [](const Tensors& x) {
    return max_pool(x[0], {.kernel = {3}, .stride = {2}, .padding = {1}});
  });
  check("max_pool3d", [](const Tensors& x) { return max_pool(x[0], {.kernel = {2, 3, 1}}); });
  check("avg_pool1d", [](const Tensors& x) { return avg_pool(x[0], {.kernel = {3}}); });
  check("avg_pool3d", [](const Tensors& x) {
    return avg_pool(x[0], {.stride = {1}, .padding = {1}, .count_include_pad = false});
  });
}

TEST(FunctionsGolden, ConvTranspose) {
  check("conv_transpose1d", [](const Tensors& x) {
    return conv_transpose(x[0], x[1], {.stride = {3}, .padding = {1}, .output_padding = {2}});
  });
  check("conv_transpose2d", [](const Tensors& x) {
    return conv_transpose(x[0], x[1],
                          {.stride = {2, 1},
                           .padding = {1, 0},
                           .output_padding = {1, 0},
                           .dilation = {1, 2},
                           .groups = 2});
  });
  check("conv_transpose3d", [](const Tensors& x) {
    return conv_transpose(x[0], x[1], {.stride = {2}, .padding = {0, 1, 0}});
  });
}

TEST(FunctionsGolden, BatchNormFarFromZero) {
  for (const char* name : {"batch_norm_near", "batch_norm_far", "batch_norm_very_far"}) {
    check(
        name, [](const Tensors& x) { return batch_norm(x[0], x[1], x[2]).y; }, 2e-5);
  }
}

TEST(FunctionsGolden, PositionsOfExtremes) {
  const Json& values = functions().at("extremes");
  std::vector<float> x;
  for (const Json& row : values.at("x")) {
    for (const Json& each : row) {
      x.push_back(each.is_null() ? std::numeric_limits<float>::quiet_NaN()
                                 : std::stof(each.get<std::string>()));
    }
  }
  const Tensor rows = tensor(x, {4, 4});
  using Positions = std::vector<std::int64_t>;
  EXPECT_EQ(argmax(rows, 1).to_vector<std::int64_t>(), values.at("argmax").get<Positions>());
  EXPECT_EQ(argmin(rows, 1).to_vector<std::int64_t>(), values.at("argmin").get<Positions>());
}

}  // namespace
}  // namespace sinter
