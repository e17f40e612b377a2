// A small list of ops for the tests of graphs and programs: the real one stands in a layer above.
#ifndef SINTER_TESTS_IR_TEST_OPS_H_
#define SINTER_TESTS_IR_TEST_OPS_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace sinter::ir::testing {

inline void need(bool condition, const char* op, const char* what) {
  if (condition) return;
  raise({.where = op, .what = what, .got = {}, .expected = {}, .hint = {}});
}

inline std::vector<TensorType> infer_full(const OpCall& call) {
  need(call.inputs.empty(), "full", "takes no inputs");
  call.attributes.real("value");
  return {{Dtype::f32, Shape(call.attributes.integers("shape"))}};
}

inline std::vector<TensorType> infer_add(const OpCall& call) {
  need(call.inputs.size() == 2, "add", "takes two inputs");
  need(call.inputs[0].dtype == call.inputs[1].dtype, "add", "the types differ");
  return {
      {call.inputs[0].dtype, broadcast_shapes("add", call.inputs[0].shape, call.inputs[1].shape)}};
}

inline std::vector<TensorType> infer_cast(const OpCall& call) {
  need(call.inputs.size() == 1, "cast", "takes one input");
  return {{static_cast<Dtype>(call.attributes.integer("dtype")), call.inputs[0].shape}};
}

inline std::vector<TensorType> infer_matmul(const OpCall& call) {
  need(call.inputs.size() == 2, "matmul", "takes two inputs");
  const Shape& a = call.inputs[0].shape;
  const Shape& b = call.inputs[1].shape;
  need(a.rank() == 2 && b.rank() == 2 && a[1] == b[0], "matmul", "the shapes do not fit");
  return {{call.inputs[0].dtype, Shape{a[0], b[1]}}};
}

inline std::vector<TensorType> infer_permute(const OpCall& call) {
  need(call.inputs.size() == 1, "permute", "takes one input");
  const std::vector<std::int64_t>& axes = call.attributes.integers("axes");
  const Shape& shape = call.inputs[0].shape;
  need(static_cast<int>(axes.size()) == shape.rank(), "permute", "an axis is missing");
  std::vector<std::int64_t> lengths;
  std::vector<bool> seen(axes.size());
  for (const std::int64_t axis : axes) {
    need(axis >= 0 && axis < shape.rank() && !seen[static_cast<std::size_t>(axis)], "permute",
         "not a permutation");
    seen[static_cast<std::size_t>(axis)] = true;
    lengths.push_back(shape[static_cast<int>(axis)]);
  }
  return {{call.inputs[0].dtype, Shape(lengths)}};
}

inline std::vector<TensorType> infer_slice(const OpCall& call) {
  need(call.inputs.size() == 1, "slice", "takes one input");
  const std::vector<std::int64_t>& start = call.attributes.integers("start");
  const std::vector<std::int64_t>& length = call.attributes.integers("length");
  const Shape& shape = call.inputs[0].shape;
  const auto rank = static_cast<std::size_t>(shape.rank());
  need(start.size() == rank && length.size() == rank, "slice", "an axis is missing");
  for (int i = 0; i < shape.rank(); ++i) {
    const std::int64_t first = start[static_cast<std::size_t>(i)];
    const std::int64_t count = length[static_cast<std::size_t>(i)];
    need(first >= 0 && first <= shape[i] && count >= 0 && count <= shape[i] - first, "slice",
         "outside the input");
  }
  return {{call.inputs[0].dtype, Shape(length)}};
}

// Two results: the pooled values, and where they were.
inline std::vector<TensorType> infer_max_pool(const OpCall& call) {
  need(call.inputs.size() == 1 && call.inputs[0].shape.rank() == 4, "max_pool", "takes NHWC");
  const Shape& x = call.inputs[0].shape;
  const Shape y{x[0], x[1] / 2, x[2] / 2, x[3]};
  return {{call.inputs[0].dtype, y}, {Dtype::u8, y}};
}

// Inputs: the carry, and (T, ...) rows. Body: (carry, row) -> (carry, row). Results: the last
// carry, and (T, ...) rows.
inline std::vector<TensorType> infer_scan(const OpCall& call) {
  need(call.inputs.size() == 2 && call.bodies.size() == 1, "scan", "two inputs and a body");
  const Graph& body = *call.bodies[0];
  const Shape& rows = call.inputs[1].shape;
  need(rows.rank() >= 1, "scan", "nothing to scan over");
  need(body.inputs.size() == 2 && body.outputs.size() == 2, "scan", "the body does not fit");
  need(body.type_of(body.inputs[0]) == call.inputs[0], "scan", "another carry goes in");
  need(body.type_of(body.outputs[0]) == call.inputs[0], "scan", "another carry comes out");
  const TensorType row{call.inputs[1].dtype,
                       Shape(std::vector<std::int64_t>(rows.begin() + 1, rows.end()))};
  need(body.type_of(body.inputs[1]) == row, "scan", "another row goes in");
  const TensorType& out = body.type_of(body.outputs[1]);
  std::vector<std::int64_t> lengths = out.shape.to_vector();
  lengths.insert(lengths.begin(), rows[0]);
  return {call.inputs[0], {out.dtype, Shape(lengths)}};
}

// Indexed by OpId, as the real list is; ops that the tests do not use have no name.
inline OpList test_ops() {
  static const std::vector<Op> ops = [] {
    std::vector<Op> list(kOpCount);
    for (int i = 0; i < kOpCount; ++i) list[static_cast<std::size_t>(i)].id = static_cast<OpId>(i);
    const auto set = [&](OpId id, const char* name, OpKind kind, auto infer,
                         std::vector<AttributeSpec> schema = {}) {
      Op& op = list[static_cast<std::size_t>(id)];
      op.name = name;
      op.kind = kind;
      op.infer = infer;
      op.inputs[0] = {"an input", kEveryDtype};
      op.is_variadic = true;  // infer counts them
      std::copy(schema.begin(), schema.end(), op.schema);
    };
    using Kind = AttributeKind;
    set(OpId::full, "full", OpKind::pointwise, infer_full,
        {{"shape", Kind::integers}, {"value", Kind::real}, {"note", Kind::integer, 0}});
    set(OpId::add, "add", OpKind::pointwise, infer_add);
    set(OpId::cast, "cast", OpKind::pointwise, infer_cast, {{"dtype", Kind::dtype}});
    set(OpId::permute, "permute", OpKind::view, infer_permute, {{"axes", Kind::integers}});
    set(OpId::slice, "slice", OpKind::view, infer_slice,
        {{"start", Kind::integers}, {"length", Kind::integers}});
    set(OpId::matmul, "matmul", OpKind::contraction, infer_matmul);
    Op& matmul = list[static_cast<std::size_t>(OpId::matmul)];
    matmul.inputs[1] = {"another one", kEveryDtype};
    matmul.is_variadic = false;
    set(OpId::max_pool, "max_pool", OpKind::opaque, infer_max_pool);
    set(OpId::scan, "scan", OpKind::opaque, infer_scan,
        {{"reverse", Kind::integer}, {"saved", Kind::integer, 0}, {"kept", Kind::integers, 0}});
    list[static_cast<std::size_t>(OpId::pack)].name = "pack";
    list[static_cast<std::size_t>(OpId::copy)].name = "copy";
    return list;
  }();
  return ops;
}

// Appends a node whose results have the types that its op infers; gives its first result.
inline ValueId apply(Graph& graph, OpId op, std::vector<ValueId> inputs, Attributes attributes = {},
                     std::vector<std::shared_ptr<const Graph>> bodies = {},
                     SourceLocation location = {}, std::string scope = {}) {
  std::vector<TensorType> types;
  for (const ValueId input : inputs) types.push_back(graph.type_of(input));
  std::vector<const Graph*> inner;
  for (const auto& body : bodies) inner.push_back(body.get());
  attributes = completed(find(test_ops(), op), attributes);
  const auto results = infer(find(test_ops(), op), {types, attributes, inner});
  Node node;
  node.op = op;
  node.attributes = std::move(attributes);
  node.inputs = std::move(inputs);
  node.bodies = std::move(bodies);
  node.location = location;
  node.scope = std::move(scope);
  const std::int32_t index = graph.add_node(std::move(node), results);
  return graph.nodes[static_cast<std::size_t>(index)].results[0];
}

// A layer with a State that is updated: permute, matmul, add, assign; the State read after a node.
inline Graph layer_graph() {
  Graph graph;
  const ValueId x = graph.add_input({Dtype::f32, Shape{128, 784}});
  const ValueId w = graph.add_state_in(12, {Dtype::f32, Shape{512, 784}});
  const ValueId t = apply(graph, OpId::permute, {w}, {{"axes", std::vector<std::int64_t>{1, 0}}},
                          {}, {"/home/someone/mlp.cc", 14}, "fc1");
  const ValueId y = apply(graph, OpId::matmul, {x, t}, {}, {}, {"mlp.cc", 14}, "fc1");
  const ValueId b = graph.add_state_in(13, {Dtype::f32, Shape{512}});
  const ValueId z = apply(graph, OpId::add, {y, b});
  const ValueId half =
      apply(graph, OpId::full, {}, {{"shape", std::vector<std::int64_t>{}}, {"value", 0.5}});
  const ValueId next = apply(graph, OpId::add, {w, half});
  graph.outputs = {z};
  graph.state_out = {{12, next}};
  return graph;
}

// A running sum: carry' = carry + row, and every carry is kept.
inline Graph scan_graph() {
  auto body = std::make_shared<Graph>();
  const ValueId carry = body->add_input({Dtype::f32, Shape{3}});
  const ValueId row = body->add_input({Dtype::f32, Shape{3}});
  const ValueId sum = apply(*body, OpId::add, {carry, row});
  body->outputs = {sum, sum};
  Graph graph;
  const ValueId start = graph.add_input({Dtype::f32, Shape{3}});
  const ValueId rows = graph.add_input({Dtype::f32, Shape{7, 3}});
  const ValueId last = apply(graph, OpId::scan, {start, rows}, {{"reverse", std::int64_t{0}}},
                             {body}, {"rnn.cc", 3}, "rnn");
  graph.outputs = {last, last + 1};
  return graph;
}

}  // namespace sinter::ir::testing

#endif  // SINTER_TESTS_IR_TEST_OPS_H_
