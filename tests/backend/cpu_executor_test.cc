// Programs on the CPU: what is refused before anything runs.
#include <gtest/gtest.h>

#include "../ir/test_programs.h"
#include "backend/cpu/backend.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {
namespace {

using ir::testing::arena;
using ir::testing::argument;

// What a kernel needs may differ from machine to machine; too little would be written over.
TEST(CpuExecutor, RefusesAWorkspaceThatIsTooSmall) {
  const Shape ids{5};
  const Shape rows{5, 2};
  const Shape sums{3, 2};
  ir::Attributes attributes;
  attributes.add("segments", std::int64_t{3});
  ir::Step step = ir::testing::kernel_step(
      ir::OpId::segment_sum, {argument(arena(0), rows), argument(arena(64), ids, Dtype::i64)},
      {argument(arena(128), sums)}, attributes);
  step.workspace = arena(192);
  CpuBackend cpu;
  const std::vector<Dtype> inputs = {Dtype::f32, Dtype::i64};
  const std::vector<Dtype> outputs = {Dtype::f32};
  const std::vector<ir::Layout> input_layouts = {ir::dense_layout(rows), ir::dense_layout(ids)};
  const std::vector<ir::Layout> output_layouts = {ir::dense_layout(sums)};
  const std::int64_t needed = cpu.workspace_bytes(
      {step.op, step.attributes, inputs, input_layouts, outputs, output_layouts});
  ASSERT_GT(needed, 0);
  auto program = std::make_shared<ir::Program>();
  program->arena_bytes = 192 + needed;
  program->steps = {step};
  program->steps[0].workspace_bytes = needed;
  EXPECT_NO_THROW(cpu.prepare(program));
  program->steps[0].workspace_bytes = needed - 1;
  EXPECT_THROW(cpu.prepare(program), ir::InternalError);
}

TEST(CpuExecutor, RefusesAWorkspaceThatIsTooSmallForAGroup) {
  // Two passes with a value between them.
  const Shape rows{4, 5};
  ir::Group group;
  group.kind = ir::GroupKind::inner;
  group.space = rows;
  group.reduced_axes = 1;
  group.operands = {{Dtype::f32, false, {5, 1}}, {Dtype::f32, true, {5, 1}}};
  group.body = {{ir::ScalarOp::load, Dtype::f32, -1, -1, -1, 0},
                {ir::ScalarOp::sqrt, Dtype::f32, 0, -1, -1, 0},
                {ir::ScalarOp::reduce_sum, Dtype::f32, 1, -1, -1, 0},
                {ir::ScalarOp::div, Dtype::f32, 1, 2, -1, 0},
                {ir::ScalarOp::store, Dtype::f32, 3, -1, -1, 1}};
  CpuBackend cpu;
  const std::int64_t needed = cpu.workspace_bytes(group);
  if (needed == 0) GTEST_SKIP() << "groups are interpreted here, without a workspace";
  ir::Step step;
  step.group = std::make_shared<const ir::Group>(group);
  step.inputs = {argument(arena(0), rows)};
  step.outputs = {argument(arena(128), rows)};
  step.workspace = arena(256);
  step.workspace_bytes = needed;
  auto program = std::make_shared<ir::Program>();
  program->arena_bytes = 256 + needed;
  program->steps = {step};
  EXPECT_NO_THROW(cpu.prepare(program));
  program->steps[0].workspace_bytes = needed - 1;
  EXPECT_THROW(cpu.prepare(program), ir::InternalError);
}

}  // namespace
}  // namespace sinter::backend::cpu
