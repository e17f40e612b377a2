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

}  // namespace
}  // namespace sinter::backend::cpu
