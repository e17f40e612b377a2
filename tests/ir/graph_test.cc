#include "ir/graph.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "ir/internal_error.h"
#include "test_ops.h"

namespace sinter::ir {
namespace {

using testing::apply;
using testing::layer_graph;
using testing::scan_graph;
using testing::test_ops;

const TensorType kRow{Dtype::f32, Shape{3}};

// What verify() says after `damage`; "" when it says nothing.
std::string complaint(Graph graph, const std::function<void(Graph&)>& damage) {
  verify(graph, test_ops());
  damage(graph);
  try {
    verify(graph, test_ops());
  } catch (const InternalError& error) {
    return error.what();
  }
  return "";
}

void expect_says(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Graph, ResultsOfANodeKnowTheirNodeAndPlace) {
  const Graph graph = scan_graph();
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].results, (std::vector<ValueId>{2, 3}));
  EXPECT_EQ(graph.values[3].node, 0);
  EXPECT_EQ(graph.values[3].result, 1);
  EXPECT_EQ(graph.values[0].node, -1);
  EXPECT_EQ(graph.type_of(3).to_string(), "f32(7, 3)");
}

TEST(Graph, UsesCountNodesOutputsAndStates) {
  Graph graph = layer_graph();
  graph.outputs.push_back(graph.outputs[0]);
  const std::vector<int> uses = count_uses(graph);
  EXPECT_EQ(uses[1], 2);  // the State: permute and its update
  EXPECT_EQ(uses[static_cast<std::size_t>(graph.outputs[0])], 2);  // returned twice
  EXPECT_EQ(uses[static_cast<std::size_t>(graph.state_out[0].value)], 1);
}

TEST(Graph, AGraphDoesNotDifferFromItsCopy) {
  EXPECT_EQ(first_difference(layer_graph(), layer_graph()), -1);
  EXPECT_EQ(first_difference(scan_graph(), scan_graph()), -1);
}

TEST(Graph, LinesAndScopesAreNoDifference) {
  Graph other = layer_graph();
  other.nodes[0].location = {"other.cc", 99};
  other.nodes[1].scope = "fc2";
  EXPECT_EQ(first_difference(layer_graph(), other), -1);
}

TEST(Graph, AnotherAttributeIsADifferenceAtItsNode) {
  Graph other = layer_graph();
  other.nodes[3].attributes = {{"shape", std::vector<std::int64_t>{}}, {"value", 0.25}};
  EXPECT_EQ(first_difference(layer_graph(), other), 3);
}

TEST(Graph, AnotherOpInputTypeOrBodyIsADifferenceAtItsNode) {
  Graph other = layer_graph();
  std::swap(other.nodes[4].inputs[0], other.nodes[4].inputs[1]);
  EXPECT_EQ(first_difference(layer_graph(), other), 4);
  other = layer_graph();
  other.nodes[2].op = OpId::matmul;
  EXPECT_EQ(first_difference(layer_graph(), other), 2);
  other = layer_graph();
  other.values[static_cast<std::size_t>(other.nodes[1].results[0])].type.dtype = Dtype::f64;
  EXPECT_EQ(first_difference(layer_graph(), other), 1);
  other = scan_graph();
  auto body = std::make_shared<Graph>(*other.nodes[0].bodies[0]);
  std::swap(body->nodes[0].inputs[0], body->nodes[0].inputs[1]);
  other.nodes[0].bodies[0] = body;
  EXPECT_EQ(first_difference(scan_graph(), other), 0);
}

TEST(Graph, AnotherStateIsADifferenceAtItsFirstReader) {
  Graph other = layer_graph();
  other.state_in[1].state = 99;
  EXPECT_EQ(first_difference(layer_graph(), other), 2);
}

TEST(Graph, AMissingNodeIsADifferenceWhereTheShorterGraphEnds) {
  Graph longer = layer_graph();
  apply(longer, OpId::add, {0, 0});
  EXPECT_EQ(first_difference(layer_graph(), longer), 5);
  EXPECT_EQ(first_difference(longer, layer_graph()), 5);
}

TEST(Graph, DifferentEndsAreADifferenceBehindTheLastNode) {
  const Graph graph = layer_graph();
  Graph other = graph;
  other.outputs[0] = 0;
  EXPECT_EQ(first_difference(graph, other), 5);
  other = graph;
  other.state_out[0].state = 13;
  EXPECT_EQ(first_difference(graph, other), 5);
  other = graph;
  other.state_out.clear();
  EXPECT_EQ(first_difference(graph, other), 5);
  other = graph;
  other.add_input(kRow);
  EXPECT_EQ(first_difference(graph, other), 5);
}

TEST(Graph, NumbersOfValuesAreNoDifference) {
  Graph a;
  const ValueId x = a.add_input(kRow);
  const ValueId y = a.add_state_in(5, kRow);
  a.outputs = {apply(a, OpId::add, {x, y})};
  Graph b;
  const ValueId v = b.add_state_in(5, kRow);
  const ValueId u = b.add_input(kRow);
  b.outputs = {apply(b, OpId::add, {u, v})};
  EXPECT_EQ(first_difference(a, b), -1);
}

TEST(GraphVerify, AcceptsWholeGraphs) {
  EXPECT_NO_THROW(verify(Graph{}, test_ops()));
  EXPECT_NO_THROW(verify(layer_graph(), test_ops()));
  EXPECT_NO_THROW(verify(scan_graph(), test_ops()));
}

TEST(GraphVerify, NamesNodeOpAndLineOfAWrongType) {
  const std::string text = complaint(layer_graph(), [](Graph& graph) {
    graph.values[static_cast<std::size_t>(graph.nodes[1].results[0])].type.dtype = Dtype::f64;
  });
  expect_says(text,
              "node 1 (matmul) at mlp.cc:14: result 0 is f64(128, 512), but matmul gives f32");
}

TEST(GraphVerify, RefusesInputsThatDoNotFit) {
  const std::string text =
      complaint(layer_graph(), [](Graph& graph) { graph.nodes[1].inputs[1] = 0; });
  expect_says(text, "matmul: the shapes do not fit");
}

TEST(GraphVerify, RefusesAMissingAttribute) {
  const std::string text =
      complaint(layer_graph(), [](Graph& graph) { graph.nodes[0].attributes = {}; });
  expect_says(text, "permute: attribute axes is missing");
}

TEST(GraphVerify, RefusesAValueReadBeforeItsNode) {
  const std::string text = complaint(
      layer_graph(), [](Graph& graph) { graph.nodes[1].inputs[0] = graph.nodes[2].results[0]; });
  expect_says(text, "is read before it is defined");
}

TEST(GraphVerify, RefusesANodeThatReadsItself) {
  const std::string text = complaint(
      layer_graph(), [](Graph& graph) { graph.nodes[2].inputs[0] = graph.nodes[2].results[0]; });
  expect_says(text, "is read before it is defined");
}

TEST(GraphVerify, RefusesValuesOutsideTheGraph) {
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.outputs[0] = 9999; }),
              "output 0: %9999 is not one of");
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.nodes[2].inputs[0] = -1; }),
              "%-1 is not one of");
}

TEST(GraphVerify, RefusesTwoDefinitionsOfOneValue) {
  expect_says(complaint(layer_graph(),
                        [](Graph& graph) { graph.nodes[2].results = graph.nodes[1].results; }),
              "is defined twice");
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.inputs.push_back(0); }),
              "is defined twice");
}

TEST(GraphVerify, RefusesAValueThatNothingDefines) {
  expect_says(complaint(layer_graph(),
                        [](Graph& graph) {
                          graph.values.push_back({kRow, -1, 0});
                        }),
              "is not defined by anything");
}

TEST(GraphVerify, RefusesAValueThatNamesAnotherNode) {
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.values[2].node = 3; }),
              "says that it is result 0 of node 3");
}

TEST(GraphVerify, RefusesMoreResultsThanTheOpGives) {
  const std::string text = complaint(layer_graph(), [](Graph& graph) {
    graph.values.push_back({kRow, 4, 1});
    graph.nodes[4].results.push_back(static_cast<ValueId>(graph.values.size() - 1));
  });
  expect_says(text, "2 results, but add gives 1");
}

TEST(GraphVerify, RefusesStatesUsedTwice) {
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.state_in[1].state = 12; }),
              "the State is read in two places");
  expect_says(
      complaint(layer_graph(), [](Graph& graph) { graph.state_out.push_back(graph.state_out[0]); }),
      "the State is written twice");
}

TEST(GraphVerify, RefusesAStateThatChangesItsType) {
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.state_out[0].value = 0; }),
              "the State is f32(512, 784) but is given f32(128, 784)");
}

TEST(GraphVerify, RefusesNodesWithoutAnOp) {
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.nodes[0].op = OpId::count; }),
              "no op of the list");
  expect_says(complaint(layer_graph(), [](Graph& graph) { graph.nodes[0].op = OpId::gather; }),
              "cannot infer");
}

TEST(GraphVerify, NamesTheBodyOfAScan) {
  const std::string text = complaint(scan_graph(), [](Graph& graph) {
    auto body = std::make_shared<Graph>(*graph.nodes[0].bodies[0]);
    body->outputs[1] = 77;
    graph.nodes[0].bodies[0] = body;
  });
  expect_says(text, "node 0 (scan) at rnn.cc:3, body 0, output 1: %77");
  expect_says(complaint(scan_graph(), [](Graph& graph) { graph.nodes[0].bodies[0] = nullptr; }),
              "body 0 is missing");
}

}  // namespace
}  // namespace sinter::ir
