// Programs on the CPU: one code, many memories; what is refused before anything runs.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "../ir/test_programs.h"
#include "backend/cpu/backend.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {
namespace {

using ir::testing::arena;
using ir::testing::argument;

// What a kernel needs may differ from machine to machine; too little would be written over.
TEST(CpuCode, RefusesAWorkspaceThatIsTooSmall) {
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
  const std::int64_t needed =
      cpu.prepare({step.op, step.attributes, inputs, input_layouts, outputs, output_layouts}, {},
                  nullptr)
          ->workspace_bytes;
  ASSERT_GT(needed, 0);
  auto program = std::make_shared<ir::Program>();
  program->arena_bytes = 192 + needed;
  program->steps = {step};
  program->steps[0].workspace_bytes = needed;
  EXPECT_NO_THROW(cpu.prepare(program));
  program->steps[0].workspace_bytes = needed - 1;
  EXPECT_THROW(cpu.prepare(program), ir::InternalError);
}

TEST(CpuCode, RefusesAWorkspaceThatIsTooSmallForAGroup) {
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

// small_program() with enough workspace for the CPU's kernel on any machine.
std::shared_ptr<const ir::Program> program() {
  auto made = std::make_shared<ir::Program>(ir::testing::small_program());
  ir::Step& matmul = made->steps[2];
  matmul.workspace_bytes = 1 << 16;
  made->arena_bytes = matmul.workspace.offset + matmul.workspace_bytes;
  return made;
}

// What one run reads and writes: 64 floats each.
struct Memory {
  explicit Memory(float scale) {
    for (std::size_t i = 0; i < input.size(); ++i) {
      input[i] = scale * (static_cast<float>(i) / 8 - 3);
      state[i] = 1 / (static_cast<float>(i) + scale);
    }
  }
  Bindings bindings() const { return {inputs, outputs, states}; }

  std::vector<float> input = std::vector<float>(64);
  std::vector<float> output = std::vector<float>(64);
  std::vector<float> state = std::vector<float>(64);
  std::vector<void*> inputs = {input.data()};
  std::vector<void*> outputs = {output.data()};
  std::vector<void*> states = {state.data()};
};

TEST(CpuCode, ManySessionsOfOneRunAtOnce) {
  CpuBackend cpu;
  const std::shared_ptr<const Code> code = cpu.prepare(program());
  const auto run = [&](Session& session, float scale) {
    Memory memory(scale);
    for (int i = 0; i < 3; ++i) session.run(memory.bindings());
    return std::pair(memory.output, memory.state);
  };
  std::vector<std::pair<std::vector<float>, std::vector<float>>> alone;
  for (int i = 0; i < 6; ++i) {
    alone.push_back(run(*code->new_session(), 1 + static_cast<float>(i)));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < alone.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::unique_ptr<Session> session = code->new_session();
      for (int round = 0; round < 300; ++round) {
        if (run(*session, 1 + static_cast<float>(i)) != alone[i]) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// A Session's memory is what the plan says, and may be another's.
TEST(CpuCode, RunsOnMemoryOfTheCallers) {
  CpuBackend cpu;
  const std::shared_ptr<const Code> code = cpu.prepare(program());
  const auto bytes = static_cast<std::size_t>(code->arena_bytes());
  EXPECT_EQ(code->arena_bytes(), program()->arena_bytes);
  constexpr std::size_t kGuard = 64;
  auto* const arena = static_cast<std::byte*>(cpu.allocate(bytes + kGuard));
  std::memset(arena, 0x5a, bytes + kGuard);
  Memory own(2);
  code->new_session()->run(own.bindings());
  Memory given(2);
  code->new_session(arena)->run(given.bindings());
  EXPECT_EQ(given.output, own.output);
  EXPECT_EQ(given.state, own.state);
  Memory once(2);
  code->run_once(once.bindings(), arena);
  EXPECT_EQ(once.output, own.output);
  EXPECT_EQ(once.state, own.state);
  for (std::size_t i = bytes; i < bytes + kGuard; ++i) EXPECT_EQ(arena[i], std::byte{0x5a});
  cpu.release(arena, bytes + kGuard);
}

TEST(CpuCode, LivesAsLongAsItsSessions) {
  CpuBackend cpu;
  const std::unique_ptr<Session> session = cpu.prepare(program())->new_session();
  Memory memory(1);
  session->run(memory.bindings());
  Memory expected(1);
  cpu.prepare(program())->new_session()->run(expected.bindings());
  EXPECT_EQ(memory.output, expected.output);
}

}  // namespace
}  // namespace sinter::backend::cpu
