#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "ir/graph.h"
#include "ir/hex_float.h"
#include "test_ops.h"

namespace sinter::ir {
namespace {

using testing::apply;
using testing::layer_graph;
using testing::scan_graph;
using testing::test_ops;

Graph parse(const std::string& text) { return parse_graph(text, test_ops()); }

// What parse_graph says about a text; "" when it takes it.
std::string complaint(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_complaint(const std::string& lines, const std::string& part) {
  const std::string text = complaint("sinter-graph 1\n" + lines);
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(GraphText, ReadsLikeThis) {
  EXPECT_EQ(to_text(layer_graph(), test_ops()),
            "sinter-graph 1\n"
            "input %0: f32(128, 784)\n"
            "state %1: f32(512, 784) = #12\n"
            "state %4: f32(512,) = #13\n"
            "%2: f32(784, 512) = permute(%1) {axes=[1, 0]}  ; mlp.cc:14 fc1\n"
            "%3: f32(128, 512) = matmul(%0, %2)  ; mlp.cc:14 fc1\n"
            "%5: f32(128, 512) = add(%3, %4)\n"
            "%6: f32() = full() {shape=[], value=0x1p-1}\n"
            "%7: f32(512, 784) = add(%1, %6)\n"
            "output %5\n"
            "assign #12 = %7\n");
}

TEST(GraphText, BodiesAreNested) {
  EXPECT_EQ(to_text(scan_graph(), test_ops()),
            "sinter-graph 1\n"
            "input %0: f32(3,)\n"
            "input %1: f32(7, 3)\n"
            "%2: f32(3,), %3: f32(7, 3) = scan(%0, %1) {reverse=0} body {  ; rnn.cc:3 rnn\n"
            "  input %0: f32(3,)\n"
            "  input %1: f32(3,)\n"
            "  %2: f32(3,) = add(%0, %1)\n"
            "  output %2\n"
            "  output %2\n"
            "}\n"
            "output %2\n"
            "output %3\n");
}

TEST(GraphText, LeavesOutWhatHasItsDefaultValue) {
  Graph graph = scan_graph();
  const std::string text = to_text(graph, test_ops());
  EXPECT_EQ(text.find("saved"), std::string::npos) << text;
  EXPECT_EQ(parse(text).nodes[0].attributes, graph.nodes[0].attributes);
  graph.nodes[0].attributes =
      completed(find(test_ops(), OpId::scan), {{"kept", std::vector<std::int64_t>{2}},
                                               {"saved", std::int64_t{3}},
                                               {"reverse", std::int64_t{1}}});
  const std::string longer = to_text(graph, test_ops());
  EXPECT_NE(longer.find("{reverse=1, saved=3, kept=[2]}"), std::string::npos) << longer;
  EXPECT_EQ(parse(longer).nodes[0].attributes, graph.nodes[0].attributes);
}

TEST(GraphText, NamesDtypes) {
  Graph graph;
  const ValueId x = graph.add_input({Dtype::f32, Shape{3}});
  graph.outputs = {
      apply(graph, OpId::cast, {x}, {{"dtype", static_cast<std::int64_t>(Dtype::boolean)}})};
  const std::string text = to_text(graph, test_ops());
  EXPECT_NE(text.find("%1: bool(3,) = cast(%0) {dtype=bool}"), std::string::npos) << text;
  EXPECT_EQ(first_difference(parse(text), graph), -1);
  // As texts had it before.
  EXPECT_EQ(
      first_difference(
          parse(
              "sinter-graph 1\ninput %0: f32(3,)\n%1: bool(3,) = cast(%0) {dtype=7}\noutput %1\n"),
          graph),
      -1);
}

TEST(GraphText, ReadsBackAsTheSameGraph) {
  for (const Graph& graph : {Graph{}, layer_graph(), scan_graph()}) {
    const std::string text = to_text(graph, test_ops());
    const Graph read = parse(text);
    EXPECT_EQ(first_difference(graph, read), -1);
    verify(read, test_ops());
    ASSERT_EQ(read.values.size(), graph.values.size());
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
      EXPECT_EQ(read.values[i].type, graph.values[i].type);
      EXPECT_EQ(read.values[i].node, graph.values[i].node);
    }
    EXPECT_EQ(read.inputs, graph.inputs);
    EXPECT_EQ(read.outputs, graph.outputs);
  }
}

TEST(GraphText, NumbersMayHaveGapsWhichAreClosed) {
  const Graph graph = parse(
      "sinter-graph 1\ninput %70: f32(3,)\n%9000000000: f32(3,) = add(%70, %70)\noutput "
      "%9000000000\n");
  EXPECT_EQ(graph.values.size(), 2u);
  EXPECT_EQ(graph.outputs[0], 1);
  verify(graph, test_ops());
}

TEST(GraphText, CommentsEmptyLinesAndSpacesDoNotMatter) {
  const Graph graph = parse(
      "\n; a comment\nsinter-graph 1 ; first\r\n\n\tinput   %0 :f32( 3, ) ;x\n%1:f32(3,)=add(%0,%0)"
      "\noutput %1");
  EXPECT_EQ(graph.nodes.size(), 1u);
}

TEST(GraphText, AttributesKeepEveryBit) {
  const double nan = std::bit_cast<double>(0x7ff8000000001234ULL);
  for (const double value : {0.1, -0.0, 1e300, 5e-324, std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity(), nan}) {
    Graph graph;
    graph.outputs = {apply(graph, OpId::full, {},
                           {{"shape", std::vector<std::int64_t>{2}},
                            {"value", value},
                            {"note", std::numeric_limits<std::int64_t>::min()}})};
    EXPECT_EQ(first_difference(graph, parse(to_text(graph, test_ops()))), -1)
        << to_text(graph, test_ops());
  }
}

TEST(GraphText, AnIntegerAndARealAttributeStayApart) {
  Graph graph;
  apply(graph, OpId::full, {},
        {{"shape", std::vector<std::int64_t>{}}, {"value", 2.0}, {"note", std::int64_t{2}}});
  const Graph read = parse(to_text(graph, test_ops()));
  EXPECT_EQ(read.nodes[0].attributes.real("value"), 2.0);
  EXPECT_EQ(read.nodes[0].attributes.integer("note"), 2);
}

TEST(GraphText, AScopeCannotBreakItsLine) {
  Graph graph;
  apply(graph, OpId::full, {}, {{"shape", std::vector<std::int64_t>{}}, {"value", 2.0}}, {}, {},
        "a\noutput %0");
  EXPECT_EQ(first_difference(graph, parse(to_text(graph, test_ops()))), -1);
}

TEST(GraphText, AnAgreedVersionStandsOnTheFirstLine) {
  EXPECT_NE(complaint("").find("line 0: not a graph"), std::string::npos);
  EXPECT_NE(complaint("input %0: f32()\n").find("line 1: not a graph"), std::string::npos);
  EXPECT_NE(complaint("sinter-graph 2\n").find("unknown version"), std::string::npos);
  EXPECT_NE(complaint("sinter-graph x\n").find("the version of the format"), std::string::npos);
}

TEST(GraphText, ErrorsNameTheLineAndWhatWasExpected) {
  expect_complaint("input %0: f32(3,)\nwhat %1", "line 3: not a statement; got \"what\"");
  expect_complaint("input %0 f32(3,)",
                   "line 2: not what belongs here; got \"f32(3,)\"; expected "
                   "\":\"");
  expect_complaint("input %0: f31(3,)", "line 2: dtype: unknown name; got \"f31\"");
  expect_complaint("input %0: f32(-3,)", "negative length");
  expect_complaint("input %0: f32(3, x)", "expected the length of an axis");
  expect_complaint("input %0: f32(1, 1, 1, 1, 1, 1, 1, 1, 1)", "line 2: shape: too many axes");
  expect_complaint("input %0: f32(9999999, 9999999, 9)", "line 2: shape: too many elements");
  expect_complaint("input %0: f32(99999999999999999999)", "expected the length of an axis");
  expect_complaint("input %0: f32()\ninput %0: f32()", "line 3: the value is defined twice");
  expect_complaint("input %-1: f32()", "no negative number");
  expect_complaint("input %0: f32() extra", "expected the end of the line");
  expect_complaint("output %0", "line 2: the value is not defined before this line; got %0");
  expect_complaint("input %0: f32()\noutput %0\ninput %1: f32()", "line 4: out of order");
  expect_complaint("state %0: f32() = #1\nstate %1: f32() = #1", "line 3: a State is read in two");
  expect_complaint("state %0: f32() = #-1", "expected the id of a State");
  expect_complaint("input %0: f32()\nassign #1 = %0\nassign #1 = %0",
                   "line 4: a State is assigned twice");
  expect_complaint(
      "input %0: f32()\nstate %1: f64() = #1\nassign #1 = %0",
      "line 4: a State is assigned a value of another type; got f32(); expected f64()");
}

TEST(GraphText, ErrorsInNodesNameTheLineAndTheOp) {
  expect_complaint("input %0: f32()\n%1: f32() = ad(%0, %0)", "line 3: unknown op; got \"ad\"");
  expect_complaint("input %0: f32()\n%1: f32() = (%0, %0)", "unknown op; got \"\"");
  expect_complaint("input %0: f32()\n%1: f32() = add(%0)", "line 3: add: takes two inputs");
  expect_complaint("input %0: f32()\n%1: f64() = add(%0, %0)",
                   "line 3: result 0 is f64(), but add gives f32()");
  expect_complaint("input %0: f32()\n%1: f32(), %2: f32() = add(%0, %0)", "2 results, but add");
  expect_complaint("%0: f32() = full() {shape=[]}", "full: attribute value is missing");
  expect_complaint("%0: f32() = full() {shape=[], value=1}", "attribute value is not a real");
  expect_complaint("%0: f32() = full() {shape=[], value=0x1p-1, size=3}", "size is unknown");
  expect_complaint("input %0: f32()\n%1: f64() = cast(%0) {dtype=f65}", "got \"f65\"");
  expect_complaint("input %0: f32()\n%1: f64() = cast(%0) {dtype=99}", "dtype is not a dtype");
  expect_complaint("%0: f32() = full() {shape=[], value=1.5}", "not a value; got \"1.5\"");
  expect_complaint("%0: f32() = full() {shape=[], shape=[]}", "an attribute is given twice");
  expect_complaint("%0: f32() = full() {shape=[1 2]}", "expected \"]\"");
  expect_complaint("%0: f32() = full() {=1}", "the name of an attribute");
  expect_complaint("input %0: f32()\n%1: f32() = gather(%0)", "unknown op");
}

TEST(GraphText, AMessageShowsNoMoreThanALineOfPrintableCharacters) {
  const std::string text = complaint("sinter-graph 1\n" + std::string(100000, '\x01'));
  EXPECT_LT(text.size(), 300u);
  for (const char c : text) EXPECT_TRUE(c >= ' ' && c <= '~');
}

std::string nested(int levels) {
  std::string text = "sinter-graph 1\n";
  for (int i = 0; i < levels; ++i) {
    text += "input %0: f32()\ninput %1: f32(1,)\n%2: f32(), %3: f32(1,) = scan(%0, %1) body {\n";
  }
  return text;
}

TEST(GraphText, NestingIsBounded) {
  EXPECT_NE(complaint(nested(100000)).find("nested too deeply"), std::string::npos);
  EXPECT_NE(complaint(nested(16)).find("a body does not end"), std::string::npos);
}

TEST(GraphText, APictureNamesNodesAndBodies) {
  const std::string text = to_dot(scan_graph(), test_ops());
  EXPECT_EQ(text.compare(0, 16, "digraph sinter {"), 0);
  EXPECT_NE(text.find("\"n0\" [label=\"scan {reverse=0}\", tooltip=\"rnn rnn.cc:3\"]"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\"n0b0_v1\" -> \"n0b0_n0\" [label=\"%1 f32(3,)\"]"), std::string::npos)
      << text;
  EXPECT_NE(text.find("\"n0\" -> \"o1\" [label=\"%3 f32(7, 3)\"]"), std::string::npos) << text;
}

TEST(HexFloat, RefusesWhatItDoesNotWrite) {
  for (const char* text :
       {"", "1", "0x", "0x-1", "0xinf", "0xnan", "0x0x1", "--0x1", "+0x1", "0x1p", "0x1 ", "nan",
        "nan:0", "nan:0000000000000000", "nan:7ff800000000000g", "infinity", "0x1p99999"}) {
    EXPECT_FALSE(parse_hex_float(text).has_value()) << text;
  }
  EXPECT_EQ(parse_hex_float("0x1.8p+1"), 3.0);
  EXPECT_TRUE(std::signbit(*parse_hex_float("-0x0p+0")));
}

}  // namespace
}  // namespace sinter::ir
