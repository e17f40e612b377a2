#include "sinter/shape.h"

#include <gtest/gtest.h>

#include "sinter/error.h"

namespace sinter {
namespace {

TEST(Shape, CountsElements) {
  EXPECT_EQ((Shape{128, 28, 28, 1}.elements()), 128 * 28 * 28);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ((Shape{3, 0, 2}.elements()), 0);
}

TEST(Shape, PrintsLikeATuple) {
  EXPECT_EQ(Shape{}.to_string(), "()");
  EXPECT_EQ(Shape{3}.to_string(), "(3,)");
  EXPECT_EQ((Shape{3, 4}.to_string()), "(3, 4)");
}

TEST(Shape, RefusesWhatCannotBeAddressed) {
  EXPECT_THROW((Shape{-1}), Error);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
  EXPECT_THROW((Shape{std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
  EXPECT_THROW((Shape{0, std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
}

TEST(Shape, BroadcastsAtTheInnermostAxis) {
  EXPECT_EQ(broadcast_shapes("t", {5, 1, 3}, {4, 1}), (Shape{5, 4, 3}));
  EXPECT_EQ(broadcast_shapes("t", {}, {2}), (Shape{2}));
  EXPECT_EQ(broadcast_shapes("t", {1}, {0}), (Shape{0}));
  EXPECT_THROW(broadcast_shapes("t", {2}, {3}), Error);
}

TEST(Shape, CountsAxesFromTheEnd) {
  EXPECT_EQ((Shape{2, 3}.dim(-1)), 3);
  EXPECT_THROW((Shape{2, 3}.dim(2)), Error);
  EXPECT_THROW((Shape{2, 3}.dim(-3)), Error);
}

}  // namespace
}  // namespace sinter
