// Small programs for the tests of verify(), text and the null back end.
#ifndef SINTER_TESTS_IR_TEST_PROGRAMS_H_
#define SINTER_TESTS_IR_TEST_PROGRAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/program.h"

namespace sinter::ir::testing {

inline constexpr BufferRef arena(std::int64_t offset) { return {BufferKind::arena, 0, offset}; }
inline constexpr BufferRef external(BufferKind kind, std::int32_t index = 0) {
  return {kind, index, 0};
}

inline Argument argument(BufferRef buffer, const Shape& shape, Dtype dtype = Dtype::f32) {
  return {buffer, dtype, dense_layout(shape)};
}

// out[i] = a[i] + b[i] over `n` elements.
inline Group sum_group(std::int64_t n) {
  Group group;
  group.space = Shape{n};
  group.operands = {{Dtype::f32, false, {1}}, {Dtype::f32, false, {1}}, {Dtype::f32, true, {1}}};
  group.body = {{ScalarOp::load, Dtype::f32, -1, -1, -1, 0},
                {ScalarOp::load, Dtype::f32, -1, -1, -1, 1},
                {ScalarOp::add, Dtype::f32, 0, 1, -1, 0},
                {ScalarOp::store, Dtype::f32, 2, -1, -1, 2}};
  return group;
}

inline Step sum_step(const Argument& a, const Argument& b, const Argument& out) {
  Step step;
  step.group = std::make_shared<const Group>(sum_group(out.layout.shape.elements()));
  step.inputs = {a, b};
  step.outputs = {out};
  step.cost = {static_cast<double>(out.layout.shape.elements()),
               static_cast<double>(out.layout.shape.elements()) * 12};
  step.label = "fused: add";
  step.scope = "fc1";
  step.location = {"mlp.cc", 14};
  return step;
}

inline Step kernel_step(OpId op, std::vector<Argument> inputs, std::vector<Argument> outputs,
                        Attributes attributes = {}) {
  Step step;
  step.op = op;
  step.attributes = std::move(attributes);
  step.inputs = std::move(inputs);
  step.outputs = std::move(outputs);
  step.cost = {1000, 100};
  step.label = "kernel";
  return step;
}

// One training step in little: a sum, the same in place, a product with workspace, the result, and
// a State updated in place. Every buffer has 64 floats, 256 bytes.
//   0: arena+0 = input 0 + state 0
//   1: arena+0 = arena+0 + input 0       (in place)
//   2: arena+256 = matmul(arena+0, transposed input 0), workspace arena+512
//   3: output 0 = arena+256 + arena+0
//   4: state 0 = state 0 + arena+256     (in place)
inline Program small_program() {
  const Shape flat{64};
  const Shape square{8, 8};
  const Argument x = argument(external(BufferKind::input), flat);
  const Argument w = argument(external(BufferKind::state), flat);
  const Argument a = argument(arena(0), flat);
  const Argument b = argument(arena(256), flat);
  Argument transposed = argument(external(BufferKind::input), square);
  transposed.layout.strides = {1, 8};
  Program program;
  program.inputs = {{Dtype::f32, flat}};
  program.outputs = {{Dtype::f32, flat}};
  program.states = {{7, {Dtype::f32, flat}, true}};
  program.arena_bytes = 1024;
  program.steps = {sum_step(x, w, a), sum_step(a, x, a),
                   kernel_step(OpId::matmul, {argument(arena(0), square), transposed},
                               {argument(arena(256), square)}),
                   sum_step(b, a, argument(external(BufferKind::output), flat)), sum_step(w, b, w)};
  program.steps[2].workspace = arena(512);
  program.steps[2].workspace_bytes = 200;
  program.memory.parameters = 256;
  return program;
}

}  // namespace sinter::ir::testing

#endif  // SINTER_TESTS_IR_TEST_PROGRAMS_H_
