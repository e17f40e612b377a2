// Modules of any number of inputs and results.
#include <gtest/gtest.h>

#include <optional>

#include "error_message.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using Pair = std::pair<Tensor, Tensor>;

// Two streams, each scaled by a gate that sees both.
struct GatedCross : nn::ModuleOf<Pair(const Tensor&, const Tensor&)> {
  nn::Linear gate = add("gate", nn::Linear(6, 3));
  State scale = add_parameter("scale", ones({3}));
  nn::Dropout dropout = add("dropout", nn::Dropout(0.5));

  Pair forward(const Tensor& a, const Tensor& b) const override {
    const Tensor g = sigmoid(gate(concatenate({a, b}, -1)));
    return {dropout(a * g) * scale, b * (1.0 - g)};
  }
  static constexpr int kLine = __LINE__ - 3;
};

struct Towers : nn::ModuleOf<Tensor(const Tensor&, const Tensor&)> {
  nn::Sequential left = add("left", nn::Sequential{nn::Linear(4, 3), nn::ReLU()});
  nn::Embedding right = add("right", nn::Embedding(7, 3));
  GatedCross cross = add("cross", GatedCross());

  Tensor forward(const Tensor& x, const Tensor& ids) const override {
    const auto [a, b] = cross(left(x), right(ids));
    return sum(a * b, {1});
  }
};

Tensor ids() { return tensor(std::vector<std::int32_t>{1, 6}, {2}); }

TEST(ModuleOf, TwoInputsAndTwoResultsAreNamedAsInTheModuleTree) {
  const Towers towers;
  std::vector<std::string> names;
  for (const NamedState& each : towers.states()) names.push_back(each.name);
  EXPECT_EQ(names, (std::vector<std::string>{"left.0.weight", "left.0.bias", "right.weight",
                                             "cross.scale", "cross.gate.weight", "cross.gate.bias",
                                             "cross.dropout.generator"}));
  EXPECT_EQ(towers.cross.gate.path(), "cross.gate");
  EXPECT_EQ(towers.parameters().size(), 6u);
  const Towers copy = towers;
  EXPECT_TRUE(copy.cross.scale == towers.cross.scale);
}

TEST(ModuleOf, WhatItRecordsHasItsNameInPlans) {
  const Towers towers;
  auto step = compile([&](const Tensor& x, const Tensor& rows) {
    const Tensor loss = mean(towers(x, rows));
    return gradients(loss, towers.parameters());
  });
  const std::string text = step.report(ones({2, 4}), ids()).text;
  for (const char* const scope : {" left.0", " right", " cross.gate", " cross.dropout"}) {
    EXPECT_NE(text.find(scope), std::string::npos) << scope << " is not in\n" << text;
  }
}

TEST(ModuleOf, ErrorsNameTheModuleAndTheLine) {
  const Towers towers;
  // In a module of the library that it calls: the user's line is the one in GatedCross.
  std::string message = message_of([&] { towers.cross(zeros({2, 3}), zeros({2, 2})); });
  EXPECT_EQ(message, "cross.gate (Linear) [arity_test.cc:" + std::to_string(GatedCross::kLine) +
                         "]: the input has the wrong number of features; got (2, 5); expected "
                         "(..., 6)");
  // In an op of its own.
  struct Product : nn::ModuleOf<Tensor(const Tensor&, const Tensor&)> {
    Tensor forward(const Tensor& a, const Tensor& b) const override { return a * b; }
  };
  message = message_of([] { Product()(zeros({2, 3}), zeros({2, 4})); });
  EXPECT_NE(message.find("[arity_test.cc:" + std::to_string(__LINE__ - 3) + "]"), std::string::npos)
      << message;
}

TEST(ModuleOf, FollowsTheThreadsMode) {
  const Towers towers;
  const TrainingScope evaluating(false);
  const auto [a, b] = towers.cross(ones({2, 3}), ones({2, 3}));
  const Tensor both = a + b;  // the gate and what is left of it
  for (const float each : both.to_vector<float>()) EXPECT_NEAR(each, 1, 1e-6);
}

TEST(ModuleOf, InputsMayBeLeftOutAndResultsMayBeAnything) {
  struct Count {
    Tensor sum;
    int given;
  };
  struct Masked : nn::ModuleOf<Count(const std::vector<Tensor>&, std::optional<Tensor>)> {
    Count forward(const std::vector<Tensor>& xs, std::optional<Tensor> mask) const override {
      Tensor total = xs.at(0);
      for (std::size_t i = 1; i < xs.size(); ++i) total = total + xs[i];
      return {mask ? total * *mask : total, static_cast<int>(xs.size())};
    }
  };
  const Masked masked;
  const Count all = masked({ones({2}), ones({2})}, std::nullopt);
  EXPECT_EQ(all.sum.to_vector<float>(), (std::vector<float>{2, 2}));
  EXPECT_EQ(all.given, 2);
  EXPECT_EQ(masked({ones({2})}, zeros({2})).sum.to_vector<float>(), (std::vector<float>{0, 0}));
}

TEST(ModuleOf, OtherFunctionsOfAModuleWorkInItsScope) {
  struct Scores : nn::Module {
    Tensor operator()(const Tensor& q, const Tensor& k,
                      SourceLocation location = SourceLocation::current()) const {
      return scoped([&] { return matmul(q, transpose(k)); }, location);
    }
  };
  struct Outer : nn::Module {
    Scores scores = add("scores", Scores());
  };
  const Outer outer;
  auto step = compile([&](const Tensor& q, const Tensor& k) { return outer.scores(q, k); });
  const std::string text = step.report(ones({2, 3}), ones({4, 3})).text;
  EXPECT_NE(text.find(" scores"), std::string::npos) << text;
}

}  // namespace
}  // namespace sinter
