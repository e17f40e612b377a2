// What shares a loop: pairs by what they save, within a device's limits, whatever the order of
// recording; and States that are written late instead of copied.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <string>

#include "compile/checks.h"
#include "compile/pass.h"
#include "compile/trace.h"
#include "compile/unit_graph.h"
#include "ops/list.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/random.h"

namespace sinter {
namespace {

using compile_detail::Fusion;
using compile_detail::UnitGraph;
using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

ir::Graph recorded(const std::vector<Shape>& shapes, const Function& function) {
  compile_detail::Tracer tracer;
  Tensors inputs;
  for (const Shape& shape : shapes) inputs.push_back(tracer.add_argument({Dtype::f32, shape}));
  const NoGradScope no_grad;
  const RecorderScope scope(&tracer);
  return compile_detail::simplify(tracer.finish(function(inputs)).graph, op_list());
}

Fusion fused(const ir::Graph& graph, const backend::FusionLimits& limits = {}) {
  return compile_detail::fuse(graph, op_list(), limits, true);
}

std::size_t kernels(const std::vector<Shape>& shapes, const Function& function,
                    const backend::FusionLimits& limits = {}) {
  return fused(recorded(shapes, function), limits).units.size();
}

// The same nodes in another order that respects what they need.
ir::Graph shuffled(const ir::Graph& graph, std::mt19937& random) {
  ir::Graph result = graph;
  result.nodes.clear();
  std::vector<std::size_t> left(graph.nodes.size());
  std::iota(left.begin(), left.end(), std::size_t{0});
  std::vector<std::uint8_t> known(graph.values.size());
  for (std::size_t i = 0; i < graph.values.size(); ++i) known[i] = graph.values[i].node < 0;
  while (!left.empty()) {
    std::shuffle(left.begin(), left.end(), random);
    const auto next = std::find_if(left.begin(), left.end(), [&](std::size_t node) {
      const auto& inputs = graph.nodes[node].inputs;
      return std::all_of(inputs.begin(), inputs.end(), [&](ir::ValueId input) {
        return known[static_cast<std::size_t>(input)] != 0;
      });
    });
    for (const ir::ValueId value : graph.nodes[*next].results) {
      known[static_cast<std::size_t>(value)] = 1;
      result.values[static_cast<std::size_t>(value)].node =
          static_cast<std::int32_t>(result.nodes.size());
    }
    result.nodes.push_back(graph.nodes[*next]);
    left.erase(next);
  }
  return result;
}

TEST(Fuse, SiblingsOverOneMemoryValueReadItOnce) {
  EXPECT_EQ(kernels({Shape({64, 32})},
                    [](const Tensors& x) {
                      return Tensors{sum(x[0], {0}), max(x[0], {0})};
                    }),
            1u);
  EXPECT_EQ(kernels({Shape({64, 32})},
                    [](const Tensors& x) {
                      return Tensors{tanh(x[0]), exp(x[0])};
                    }),
            1u);
  // Nothing large in common.
  EXPECT_EQ(kernels({Shape({64, 32}), Shape({64, 32}), Shape()},
                    [](const Tensors& x) {
                      return Tensors{x[0] * x[2], x[1] * x[2]};
                    }),
            2u);
  // Loops over different axes.
  EXPECT_EQ(kernels({Shape({64, 32})},
                    [](const Tensors& x) {
                      return Tensors{sum(x[0], {0}), sum(x[0], {1})};
                    }),
            2u);
}

TEST(Fuse, ValuesOfARowAreComputedWhereTheyAreRead) {
  const Function moving = [](const Tensors& x) {
    return Tensors{x[1] * 0.9 + sum(x[0], {0}) * 0.1};
  };
  EXPECT_EQ(kernels({Shape({64, 32}), Shape({32})}, moving), 1u);
  const Function scalars = [](const Tensors& x) {
    const Tensor step = x[1] + 1.0;
    return Tensors{x[0] * sqrt(step), step};
  };
  EXPECT_EQ(kernels({Shape({1000}), Shape()}, scalars), 1u);
  backend::FusionLimits limits;
  limits.stores_rows_of_maps = false;
  EXPECT_EQ(kernels({Shape({1000}), Shape()}, scalars, limits), 2u);
  // Computing them at every point would cost more than a kernel.
  limits.hoists = false;
  const Function costly = [](const Tensors& x) { return Tensors{x[0] * tanh(exp(sin(x[1])))}; };
  EXPECT_EQ(kernels({Shape({1000, 1000}), Shape()}, costly), 1u);
  EXPECT_GE(kernels({Shape({1000, 1000}), Shape()}, costly, limits), 2u);
}

TEST(Fuse, AChainGivesTheSameKernelsInEveryOrderOfRecording) {
  const ir::Graph graph =
      recorded({Shape({40, 24}), Shape({24}), Shape({40, 1})}, [](const Tensors& x) {
        Tensor y = x[0];
        Tensors results;
        for (int i = 0; i < 8; ++i) {
          const Tensor centred = y - mean(y, {1}, true);
          y = tanh(centred * x[1]) + x[2] * 0.5;
          if (i % 3 == 2) y = matmul(matmul(y, transpose(y)), x[0]);
          results.push_back(sum(relu(y), {0}));
        }
        results.push_back(y);
        return results;
      });
  const std::size_t expected = fused(graph).units.size();
  EXPECT_LT(expected, graph.nodes.size() / 3);
  std::mt19937 random(1);
  for (int order = 0; order < 20; ++order) {
    EXPECT_EQ(fused(shuffled(graph, random)).units.size(), expected) << order;
  }
}

TEST(Fuse, GroupsKeepToTheLimitOfOperands) {
  const ir::Graph graph = recorded(std::vector<Shape>(30, Shape({50})), [](const Tensors& x) {
    Tensor all = x[0];
    for (const Tensor& each : x) all = all * each + 1.0;
    return Tensors{all};
  });
  EXPECT_EQ(fused(graph).units.size(), 1u);
  backend::FusionLimits limits;
  limits.operands = 8;
  const Fusion fusion = fused(graph, limits);
  EXPECT_GE(fusion.units.size(), 4u);
  EXPECT_LE(fusion.units.size(), 12u);
  for (const Fusion::Unit& unit : fusion.units) {
    std::set<ir::ValueId> operands;
    for (const std::int32_t node : unit.nodes) {
      for (const ir::ValueId input : graph.nodes[static_cast<std::size_t>(node)].inputs) {
        const std::int32_t maker = graph.values[static_cast<std::size_t>(input)].node;
        const bool is_constant =
            maker >= 0 && graph.nodes[static_cast<std::size_t>(maker)].op == ir::OpId::full;
        if (!is_constant && unit.maps.count(input) == 0) operands.insert(input);
      }
    }
    EXPECT_LT(operands.size(), 8u);  // and the result
  }
}

TEST(Fuse, NoGroupIsMadeThatTheCpuWouldInterpret) {
  const std::vector<Tensor> many(150, floats(std::vector<float>(40, 1.0F), {4, 10}));
  CompiledFunction wide([](const Tensors& x) {
    Tensor all = x[0];
    for (const Tensor& each : x) all = tanh(all) * each;
    return Tensors{all};
  });
  EXPECT_TRUE(wide.report(many).interpreted.empty());
  // Values of a first pass over rows that a second one wants.
  CompiledFunction passes([](const Tensors& x) {
    Tensors values;
    Tensor all = x[0];
    for (const Tensor& each : x) {
      values.push_back(tanh(exp(each)));
      all = all + values.back();
    }
    const Tensor total = sum(all, {1}, true);
    Tensors results;
    for (const Tensor& value : values) results.push_back(sum(value * total, {1}));
    return results;
  });
  EXPECT_TRUE(passes.report(many).interpreted.empty());
  CompiledFunction folded(
      [](const Tensors& x) { return Tensors{sum(square(x[0] + sum(x[1], {0})))}; });
  EXPECT_TRUE(folded.report(many).interpreted.empty());
}

TEST(Fuse, ConversionsOfEveryKindJoin) {
  const Function mixed = [](const Tensors& x) {
    return Tensors{cast(cast(cast(tanh(x[0]), Dtype::f64) * 2.0, Dtype::i64), Dtype::f32) + 1.0};
  };
  EXPECT_EQ(kernels({Shape({50})}, mixed), 1u);
}

TEST(Fuse, SeveralReducedAxesLieLikeOneInEachOperand) {
  const Function folded = [](const Tensors& x) { return Tensors{sum(square(x[0] + x[1]))}; };
  EXPECT_EQ(kernels({Shape({16, 32}), Shape({16, 32})}, folded), 1u);
  EXPECT_EQ(kernels({Shape({16, 32}), Shape()}, folded), 1u);
  EXPECT_EQ(kernels({Shape({16, 32}), Shape({32})}, folded), 2u);
  backend::FusionLimits limits;
  limits.folds_one_axis = false;
  EXPECT_EQ(kernels({Shape({16, 32}), Shape({32})}, folded, limits), 1u);
}

TEST(Fuse, StatesThatAreReadLaterAreWrittenLate) {
  const State position(floats(std::vector<float>(16 * 16, 0.5F), {16, 16}), "position");
  const State weight(floats(std::vector<float>(16 * 16, 0.25F), {16, 16}), "weight");
  auto step = compile(
      [&](const Tensor& x) {
        const Tensor old = position.value();
        position.assign(old + 1.0);  // recorded first
        const Tensor y = matmul(x, weight.value());
        weight.assign(weight.value() * 0.5);
        return matmul(y, old);
      },
      "late");
  const Tensor x = floats(std::vector<float>(16 * 16, 1.0F), {16, 16});
  EXPECT_FALSE(says(step.report(x).text, "copy")) << step.report(x).text;
  EXPECT_EQ(step(x).to_vector<float>()[0], 16 * 0.25F * 16 * 0.5F);
  EXPECT_EQ(step(x).to_vector<float>()[0], 16 * 0.125F * 16 * 1.5F);
}

// Random graphs of units against a plain search for cycles.
TEST(UnitGraph, MergesExactlyWhereNoPathLeavesAndComesBack) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const int count = 4 + static_cast<int>(random() % 20);
    UnitGraph graph(static_cast<std::size_t>(count));
    std::vector<std::vector<int>> edges(static_cast<std::size_t>(count));
    std::vector<int> owner(static_cast<std::size_t>(count));
    std::iota(owner.begin(), owner.end(), 0);
    for (int to = 1; to < count; ++to) {
      for (int k = 0; k < 2; ++k) {
        const int from = static_cast<int>(random() % static_cast<unsigned>(to));
        if (random() % 4 == 0) continue;
        edges[static_cast<std::size_t>(from)].push_back(to);
        graph.add_edge(from, to);
      }
    }
    // Whether the owners' graph has a path from a to b of two edges or more, not counting those
    // between a and b.
    const auto leaves_and_returns = [&](int a, int b) {
      std::vector<int> stack = {a};
      std::vector<std::uint8_t> seen(static_cast<std::size_t>(count));
      while (!stack.empty()) {
        const int at = stack.back();
        stack.pop_back();
        for (int node = 0; node < count; ++node) {
          if (owner[static_cast<std::size_t>(node)] != at) continue;
          for (const int next : edges[static_cast<std::size_t>(node)]) {
            const int to = owner[static_cast<std::size_t>(next)];
            if (to == at || (at == a && to == b)) continue;
            if (to == b) return true;
            if (seen[static_cast<std::size_t>(to)]++ == 0) stack.push_back(to);
          }
        }
      }
      return false;
    };
    for (int attempt = 0; attempt < 40; ++attempt) {
      const int a = owner[random() % static_cast<unsigned>(count)];
      const int b = owner[random() % static_cast<unsigned>(count)];
      if (a == b) continue;
      const bool cycle = leaves_and_returns(a, b) || leaves_and_returns(b, a);
      const int kept = graph.merge(a, b);
      ASSERT_EQ(kept < 0, cycle) << "round " << round;
      for (int& each : owner) {
        if (kept >= 0 && (each == a || each == b)) each = kept;
      }
    }
  }
}

}  // namespace
}  // namespace sinter
