// The text of fused groups for CUDA: golden files, and that NVRTC takes it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "backend/cuda/groups/fused.h"
#include "cuda_groups.h"
#include "nvrtc.h"
#include "source_path.h"

namespace sinter::backend::cuda {
namespace {

using testing::GroupGenerator;
using testing::Nvrtc;

std::string text_of(const ir::Group& group) {
  const GroupSource source = group_source(group);
  std::string text = fmt::format("// workspace {}\n", source.workspace_bytes);
  for (const GroupLaunch& launch : source.launches) {
    text += fmt::format("// grid {} block {}\n{}", launch.grid, launch.block, launch.text);
  }
  return text;
}

void expect_golden(const std::string& name, const std::string& text) {
  // After a meant change: SINTER_UPDATE_GOLDEN=1 backend_test
  const std::string path = tests::source_path("tests/golden/cuda/" + name + ".cu");
  if (std::getenv("SINTER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, golden.str());
}

TEST(FusedText, IsThatOfTheGoldenFiles) {
  expect_golden("bias_relu", text_of(testing::bias_relu(128, 512)));
  expect_golden("adamw", text_of(testing::adamw(1000003)));
  expect_golden("softmax_short", text_of(testing::softmax(128, 10)));
  expect_golden("softmax_warp", text_of(testing::softmax(128, 1000)));
  expect_golden("softmax_block", text_of(testing::softmax(128, 50000)));
  expect_golden("softmax_blocks", text_of(testing::softmax(1, 5000000)));
  expect_golden("bias_gradient", text_of(testing::bias_gradient(128, 512)));
  expect_golden("bias_gradient_chunks", text_of(testing::bias_gradient(25088, 32)));
}

TEST(FusedText, DependsOnTheGroupOnly) {
  EXPECT_EQ(text_of(testing::softmax(5, 300)), text_of(testing::softmax(5, 300)));
  EXPECT_NE(text_of(testing::softmax(5, 300)), text_of(testing::softmax(5, 301)));
  // The same once collapsed.
  ir::Group flat;
  flat.space = Shape{12};
  testing::BodyBuilder flat_body(flat);
  flat_body.store(flat_body.load(Dtype::f32, {1}), {1});
  ir::Group apart;
  apart.space = Shape{3, 1, 4};
  testing::BodyBuilder apart_body(apart);
  apart_body.store(apart_body.load(Dtype::f32, {4, 7, 1}), {4, 4, 1});
  EXPECT_EQ(text_of(flat), text_of(apart));
}

TEST(FusedText, OfAProgramHasEqualKernelsOnce) {
  const std::vector<GroupSource> once = {group_source(testing::softmax(5, 300))};
  const std::vector<GroupSource> twice = {once[0], once[0]};
  EXPECT_EQ(program_source(once), program_source(twice));
}

TEST(FusedText, LaunchesNothingForAnEmptySpace) {
  EXPECT_TRUE(group_source(testing::bias_relu(0, 10)).launches.empty());
  EXPECT_TRUE(group_source(testing::softmax(0, 10)).launches.empty());
  // An empty row has a sum.
  EXPECT_EQ(group_source(testing::softmax(3, 0)).launches.size(), 1u);
  EXPECT_EQ(group_source(testing::bias_gradient(0, 3)).launches.size(), 1u);
}

TEST(FusedText, Uses64BitPositionsWhere32AreTooFew) {
  const auto is_wide = [](const ir::Group& group) {
    return text_of(group).find("unsigned long long p") != std::string::npos;
  };
  EXPECT_FALSE(is_wide(testing::bias_relu(std::int64_t{1} << 20, 1024)));
  EXPECT_TRUE(is_wide(testing::bias_relu(std::int64_t{1} << 22, 1024)));
  ir::Group far;  // few points, far apart
  far.space = Shape{4};
  testing::BodyBuilder body(far);
  body.store(body.load(Dtype::f32, {std::int64_t{1} << 30}), {1});
  EXPECT_TRUE(is_wide(far));
}

TEST(FusedText, HoldsTheBitsOfTwoOverPiOnlyWhereAnAngleIsWrapped) {
  ir::Group group;
  group.space = Shape{100};
  testing::BodyBuilder body(group);
  const std::int32_t x = body.load(Dtype::f32, {1});
  body.store(body.emit(ir::ScalarOp::wrap_angle, Dtype::f32, x, -1, -1, 1), {1});
  const std::vector<GroupSource> with = {group_source(testing::softmax(5, 300)),
                                         group_source(group)};
  EXPECT_NE(program_source(with).find("0xa2f9836eu"), std::string::npos);
  EXPECT_NE(program_source(with).find("inline unsigned sinter_two_over_pi"), std::string::npos);
  EXPECT_EQ(program_source({with.begin(), with.begin() + 1}).find("0xa2f9836eu"),
            std::string::npos);
}

// Many kernels in one program: a kernel apart costs five times as much.
TEST(FusedText, CompilesWithNvrtcForEveryArchitecture) {
  const Nvrtc* const nvrtc = Nvrtc::open();
  if (nvrtc == nullptr) GTEST_SKIP() << "there is no libnvrtc";
  std::vector<GroupSource> sources;
  for (const ir::Group& group : testing::step_groups()) sources.push_back(group_source(group));
  EXPECT_GE(sources.size(), 10u);
  for (const std::int64_t columns : {10, 1000, 50000}) {
    sources.push_back(group_source(testing::softmax(100, columns)));
    sources.push_back(group_source(testing::softmax(1, columns * 100)));
  }
  sources.push_back(group_source(testing::bias_relu(std::int64_t{1} << 22, 1024)));
  sources.push_back(group_source(testing::softmax(1 << 10, std::int64_t{1} << 22)));
  sources.push_back(group_source(testing::bias_gradient(std::int64_t{1} << 22, 1024)));
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    GroupGenerator generator(seed);
    sources.push_back(group_source(generator.make(seed % 4 == 0 ? 300000 : 4000)));
  }
  for (const char* architecture : {"sm_80", "sm_90"}) {
    const Nvrtc::Result result = nvrtc->compile(program_source(sources), architecture);
    EXPECT_TRUE(result.compiled) << architecture << result.log;
    EXPECT_GT(result.image.size(), 10000u);
    EXPECT_EQ(result.log.find("error"), std::string::npos) << result.log;
  }
}

}  // namespace
}  // namespace sinter::backend::cuda
