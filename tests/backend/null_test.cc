#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "../ir/test_ops.h"
#include "../ir/test_programs.h"
#include "backend/null/backend.h"
#include "ir/internal_error.h"

namespace sinter::backend::null {
namespace {

using ir::testing::small_program;
using ir::testing::test_ops;

const ir::Attributes kNone;

// Addresses for small_program(): 64 floats each.
struct Memory {
  std::vector<float> input = std::vector<float>(64);
  std::vector<float> output = std::vector<float>(64, 3.0f);
  std::vector<float> state = std::vector<float>(64);
  std::vector<void*> inputs = {input.data()};
  std::vector<void*> outputs = {output.data()};
  std::vector<void*> states = {state.data()};

  Bindings bindings() const { return {inputs, outputs, states}; }
};

std::string complaint(Session& session, const Bindings& bindings) {
  try {
    session.run(bindings);
  } catch (const ir::InternalError& error) {
    return error.what();
  }
  return "";
}

class NullTest : public ::testing::Test {
 protected:
  NullBackend backend_{test_ops()};
  std::unique_ptr<Session> session_ =
      backend_.prepare(std::make_shared<const ir::Program>(small_program()))->new_session();
  Memory memory_;
};

TEST_F(NullTest, ARunCountsItsStepsAndTouchesNothing) {
  session_->run(memory_.bindings());
  session_->run(memory_.bindings());
  const NullCounts& counts = backend_.counts();
  EXPECT_EQ(counts.runs, 2);
  EXPECT_EQ(counts.steps, 10);
  EXPECT_EQ(counts.groups, 8);
  EXPECT_EQ(counts.group_instructions, 32);
  EXPECT_EQ(counts.kernels[static_cast<std::size_t>(ir::OpId::matmul)], 2);
  EXPECT_EQ(counts.kernels[static_cast<std::size_t>(ir::OpId::copy)], 0);
  EXPECT_EQ(counts.flops, 2 * (4 * 64 + 1000));
  EXPECT_EQ(counts.bytes, 2 * (4 * 64 * 12 + 100));
  EXPECT_EQ(memory_.output, std::vector<float>(64, 3.0f));
  backend_.reset_counts();
  EXPECT_EQ(backend_.counts(), NullCounts{});
}

TEST_F(NullTest, OnlyChosenStepsCount) {
  const std::vector<std::uint8_t> chosen = {0, 0, 1, 1, 0};
  session_->run_some(memory_.bindings(), chosen);
  EXPECT_EQ(backend_.counts().steps, 2);
  EXPECT_EQ(backend_.counts().groups, 1);
  EXPECT_THROW(session_->run_some(memory_.bindings(), {chosen.data(), 4}), ir::InternalError);
}

TEST_F(NullTest, AWatcherSeesTheAddressesOfEachStepsOutputsAndMayStop) {
  std::vector<void*> seen;
  session_->run_watched(memory_.bindings(), [&](int step, std::span<void* const> outputs) {
    EXPECT_EQ(step, static_cast<int>(seen.size()));
    ASSERT_EQ(outputs.size(), 1u);
    seen.push_back(outputs[0]);
  });
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(static_cast<std::byte*>(seen[2]), static_cast<std::byte*>(seen[0]) + 256);
  EXPECT_EQ(static_cast<float*>(seen[2])[63], 0.0f);  // readable, and zero
  EXPECT_EQ(seen[3], memory_.output.data());
  EXPECT_EQ(seen[4], memory_.state.data());
  backend_.reset_counts();
  const auto stop = [](int step, std::span<void* const>) {
    if (step == 1) throw Error("stop");
  };
  EXPECT_THROW(session_->run_watched(memory_.bindings(), stop), Error);
  EXPECT_EQ(backend_.counts().steps, 2);
}

TEST_F(NullTest, BindingsThatDoNotFitAreRefused) {
  Memory missing = memory_;
  missing.states.clear();
  EXPECT_NE(complaint(*session_, missing.bindings()).find("0 states are bound"), std::string::npos);
  missing = memory_;
  missing.outputs[0] = nullptr;
  EXPECT_NE(complaint(*session_, missing.bindings()).find("output 0 is not bound"),
            std::string::npos);
  missing = memory_;
  missing.inputs.push_back(missing.inputs[0]);
  EXPECT_NE(complaint(*session_, missing.bindings()).find("2 inputs are bound"), std::string::npos);
  EXPECT_EQ(backend_.counts(), NullCounts{});
}

TEST_F(NullTest, ProgramsThatBreakARuleAreNotPrepared) {
  auto program = std::make_shared<ir::Program>(small_program());
  program->steps[2].outputs[0].buffer.offset = 0;
  EXPECT_THROW(backend_.prepare(program), ir::InternalError);
}

TEST_F(NullTest, ArenasLargerThanTheMachineAreOnlyPlanned) {
  auto program = std::make_shared<ir::Program>(small_program());
  program->arena_bytes = std::int64_t{1} << 46;
  const auto session = backend_.prepare(program)->new_session();
  session->run(memory_.bindings());
  EXPECT_EQ(backend_.counts().steps, 5);
}

TEST_F(NullTest, MemoryIsAlignedZeroAndCopied) {
  auto* memory = static_cast<std::uint8_t*>(backend_.allocate(100));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0u);
  EXPECT_EQ(memory[99], 0);
  const std::uint8_t bytes[3] = {1, 2, 3};
  backend_.copy_to_device(memory, bytes, 3);
  backend_.copy(memory + 10, memory, 3);
  std::uint8_t back[3] = {};
  backend_.copy_to_host(back, memory + 10, 3);
  EXPECT_EQ(back[2], 3);
  backend_.release(memory, 100);
  EXPECT_NO_THROW(backend_.release(backend_.allocate(0), 0));
}

TEST_F(NullTest, MemoryThatIsNotThereIsAnError) {
  EXPECT_THROW(backend_.allocate(std::numeric_limits<std::size_t>::max() / 4), Error);
}

// What accepts() says about input 0 of `op` with `strides`.
bool accepts(Backend& backend, ir::OpId op, std::vector<std::int64_t> strides) {
  const Dtype dtypes[] = {Dtype::f32};
  const ir::Layout inputs[] = {{Shape{4, 8}, 0, std::move(strides)}};
  return backend.accepts({op, kNone, dtypes, inputs, {}, {}}, 0);
}

TEST_F(NullTest, AnswersAboutLayoutsLikeACpu) {
  EXPECT_TRUE(accepts(backend_, ir::OpId::conv, {8, 1}));
  EXPECT_FALSE(accepts(backend_, ir::OpId::conv, {1, 4}));
  EXPECT_TRUE(accepts(backend_, ir::OpId::matmul, {1, 4}));
  EXPECT_TRUE(accepts(backend_, ir::OpId::matmul, {20, 1}));
  EXPECT_FALSE(accepts(backend_, ir::OpId::matmul, {16, 2}));
  EXPECT_TRUE(accepts(backend_, ir::OpId::copy, {16, 2}));
  EXPECT_TRUE(backend_.group_accepts({Shape{4, 8}, 0, {1, 0}}));
  EXPECT_TRUE(backend_.group_accepts({Shape{4, 1}, 0, {1, 4}}));
  EXPECT_FALSE(backend_.group_accepts({Shape{4, 8}, 0, {1, 4}}));
}

// Says the opposite of the null back end, to show who was asked.
class Contrary : public NullBackend {
 public:
  using NullBackend::NullBackend;
  bool accepts(const KernelCall&, int) override { return false; }
  bool group_accepts(const ir::Layout&) override { return false; }
  std::vector<std::string> candidates(const KernelCall&) override { return {"contrary"}; }
  std::optional<PreparedCall> prepare(const KernelCall&, const std::string&,
                                      const ir::Group*) override {
    return PreparedCall{.workspace_bytes = 11, .kernel = nullptr};
  }
  std::int64_t workspace_bytes(const ir::Group&) override { return 12; }
};

TEST_F(NullTest, AnswersAboutLayoutsAndWorkspacesLikeAnotherBackEnd) {
  Contrary contrary(test_ops());
  NullBackend like(test_ops(), &contrary);
  const KernelCall call{ir::OpId::matmul, kNone, {}, {}, {}, {}};
  EXPECT_FALSE(accepts(like, ir::OpId::matmul, {8, 1}));
  EXPECT_FALSE(like.group_accepts(ir::dense_layout(Shape{4})));
  EXPECT_EQ(like.candidates(call), std::vector<std::string>{"contrary"});
  EXPECT_EQ(like.prepare(call, "contrary", nullptr)->workspace_bytes, 11);
  EXPECT_EQ(like.workspace_bytes(ir::testing::sum_group(4)), 12);
  EXPECT_EQ(backend_.candidates(call), std::vector<std::string>{""});
  EXPECT_EQ(backend_.prepare(call, "", nullptr)->workspace_bytes, 0);
  const ir::Group epilogue = ir::testing::sum_group(4);
  EXPECT_FALSE(backend_.prepare(call, "", &epilogue).has_value());
  EXPECT_EQ(backend_.workspace_bytes(ir::testing::sum_group(4)), 0);
}

}  // namespace
}  // namespace sinter::backend::null
