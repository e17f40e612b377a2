#include <memory>

#include "../golden/golden.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/optim.h"

namespace sinter {
namespace {

using golden::expect_near;
using golden::floats;
using golden::Json;

const Json& golden_values() {
  static const Json content = golden::read("optimizers");
  return content;
}

std::vector<State> start() {
  std::vector<State> parameters;
  for (const Json& each : golden_values().at("start")) parameters.emplace_back(floats(each), "p");
  return parameters;
}

// Ten updates with the gradients that PyTorch had, eager and compiled.
template <class Make>
void check(const char* name, Make make, double max_norm = 0) {
  for (const bool compiled : {false, true}) {
    const std::vector<State> parameters = start();
    const std::unique_ptr<optim::Optimizer> optimizer = make(parameters);
    const auto update = [&](const Tensor& first, const Tensor& second) {
      if (max_norm == 0) {
        optimizer->step({first, second});
        return zeros({});
      }
      const optim::ClippedGradients clipped = optim::clip_gradients({first, second}, max_norm);
      optimizer->step(clipped);
      return clipped.norm;
    };
    auto step = compile(update);
    for (std::size_t i = 0; i < 10; ++i) {
      const Json& gradients = golden_values().at("gradients").at(i);
      const Tensor first = floats(gradients.at(0));
      const Tensor second = floats(gradients.at(1));
      const Tensor norm = compiled ? step(first, second) : update(first, second);
      const Json& wanted = golden_values().at(name).at(i);
      const std::string what =
          std::string(name) + (compiled ? " compiled" : " eager") + ", step " + std::to_string(i);
      for (std::size_t p = 0; p < 2; ++p) {
        expect_near(parameters[p], wanted.at("parameters").at(p), 2e-6, what);
      }
      if (max_norm != 0) expect_near(norm, wanted.at("norm"), 1e-6, what + " norm");
    }
    EXPECT_EQ(optimizer->step_count(), 10);
  }
}

std::unique_ptr<optim::Optimizer> adamw(const std::vector<State>& parameters,
                                        const optim::AdamWOptions& options = {}) {
  return std::make_unique<optim::AdamW>(parameters, options);
}

std::unique_ptr<optim::Optimizer> sgd(const std::vector<State>& parameters,
                                      const optim::SgdOptions& options) {
  return std::make_unique<optim::SGD>(parameters, options);
}

TEST(OptimizerGolden, AdamW) {
  check("adamw", [](const auto& parameters) { return adamw(parameters); });
  check("adamw_other", [](const auto& parameters) {
    return adamw(parameters,
                 {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.3});
  });
}

TEST(OptimizerGolden, Sgd) {
  check("sgd", [](const auto& parameters) { return sgd(parameters, {.lr = 0.1}); });
  check("sgd_momentum", [](const auto& parameters) {
    return sgd(parameters, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05});
  });
  check("sgd_nesterov", [](const auto& parameters) {
    return sgd(parameters, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true});
  });
}

TEST(OptimizerGolden, ClippingByTheGlobalNorm) {
  check(
      "sgd_clipped", [](const auto& parameters) { return sgd(parameters, {.lr = 0.1}); }, 1.5);
}

void check_schedule(const char* name, const optim::Schedule& schedule) {
  const auto wanted = golden_values().at("schedules").at(name).get<std::vector<double>>();
  auto step = compile([&](const Tensor& count) { return schedule(count); });
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto count = static_cast<std::int64_t>(i);
    EXPECT_NEAR(optim::factor_at(schedule, count), wanted[i], 1e-12) << name << " " << i;
    const std::vector<std::int64_t> counts{count};
    EXPECT_EQ(step(tensor(counts, Shape{})).item<double>(), optim::factor_at(schedule, count))
        << name << " compiled " << i;
  }
}

TEST(OptimizerGolden, Schedules) {
  check_schedule("warmup5", optim::LinearWarmup(5));
  check_schedule("cosine8_last0.1", optim::Cosine(8, 0.1));
  check_schedule("warmup3_cosine6", optim::LinearWarmup(3, optim::Cosine(6)));
  check_schedule("one_cycle10", optim::OneCycle(10));
  check_schedule("one_cycle37", optim::OneCycle(37));
  check_schedule("step3", optim::StepDecay(3, 0.3));
}

}  // namespace
}  // namespace sinter
