#include "backend/cpu/kernels/team_kernel.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "backend/cpu/small_work.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

// A kernel as oneDNN's are: made for the number of threads that it is told, and of use with that
// only. It needs more workspace for fewer threads.
class Fussy final : public PreparedKernel {
 public:
  Fussy() { made_for.insert(threads_); }
  std::int64_t workspace_bytes() const override { return 6400 / threads_; }
  void run(void* const*, void* const* outputs, void* workspace) const override {
    EXPECT_EQ(parallel::foreign_team_size(), threads_);
    std::memset(workspace, 1, static_cast<std::size_t>(workspace_bytes()));
    *static_cast<int*>(outputs[0]) = threads_;
  }
  static inline std::multiset<int> made_for;

 private:
  int threads_ = parallel::foreign_team_size();
};

class TeamKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    Fussy::made_for.clear();
    set_thread_count(4);
    team_ = parallel::team_size();
    if (team_ == 1) GTEST_SKIP() << "there are no teams here";
  }
  void TearDown() override { set_thread_count(before_); }

  static std::unique_ptr<PreparedKernel> kernel_of(double multiplications) {
    const ir::Attributes none;
    return prepare_for_teams({ir::OpId::matmul, none, {}, {}, {}, {}}, multiplications,
                             [](const KernelCall& call) -> std::unique_ptr<PreparedKernel> {
                               EXPECT_EQ(call.op, ir::OpId::matmul);
                               return std::make_unique<Fussy>();
                             });
  }
  // The number of threads that a run was made for; in memory of exactly the bytes asked for.
  static int run(const PreparedKernel& kernel) {
    std::vector<char> workspace(static_cast<std::size_t>(kernel.workspace_bytes()));
    int threads = 0;
    void* outputs[] = {&threads};
    kernel.run(nullptr, outputs, workspace.data());
    return threads;
  }

  const int before_ = thread_count();
  int team_ = 1;
};

TEST_F(TeamKernelTest, IsMadeForTheTeamAndRunWithIt) {
  const auto kernel = kernel_of(1e9);
  EXPECT_EQ(run(*kernel), team_);
  EXPECT_EQ(run(*kernel), team_);
  EXPECT_EQ(Fussy::made_for, (std::multiset<int>{team_}));
}

TEST_F(TeamKernelTest, IsMadeOnceForEachOtherTeamThatComes) {
  const auto kernel = kernel_of(1e9);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(run(*kernel), team_);
    const parallel::CallerOnly scope;
    EXPECT_EQ(run(*kernel), 1);  // more workspace than was planned
  }
  set_thread_count(2);
  EXPECT_EQ(run(*kernel), 2);
  EXPECT_EQ(Fussy::made_for, (std::multiset<int>{1, 2, team_}));
}

TEST_F(TeamKernelTest, SmallWorkIsTheCallers) {
  const auto kernel = kernel_of(kSmallContraction - 1);
  EXPECT_EQ(run(*kernel), 1);
  EXPECT_EQ(Fussy::made_for, (std::multiset<int>{1}));
}

// Its program may be small, and then all of it runs in the caller: planned for both.
TEST_F(TeamKernelTest, WhatASmallProgramMayHoldIsPlannedForTheCallerToo) {
  const auto kernel = kernel_of(kSmallContraction);
  EXPECT_EQ(kernel->workspace_bytes(), 6400);
  EXPECT_EQ(run(*kernel), team_);
  const parallel::CallerOnly scope;
  EXPECT_EQ(run(*kernel), 1);
}

TEST(SmallWork, IsAProgramThatIsEstimatedAtLittle) {
  ir::Program program;
  EXPECT_FALSE(is_small_work(program));  // without an estimate
  ir::Step product;
  product.op = ir::OpId::matmul;
  product.cost = {.flops = 2 * kMultiplicationsPerNs * 0.6 * kSmallProgramNs, .bytes = 100};
  program.steps = {product};
  EXPECT_TRUE(is_small_work(program));
  ir::Step group;
  group.group = std::make_shared<ir::Group>();
  group.cost = {.flops = 0, .bytes = 16 * 0.6 * kSmallProgramNs};
  program.steps = {group};
  EXPECT_TRUE(is_small_work(program));
  program.steps = {product, group};
  EXPECT_FALSE(is_small_work(program));
}

}  // namespace
}  // namespace sinter::backend::cpu
