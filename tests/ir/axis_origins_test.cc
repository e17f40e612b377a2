#include "ir/axis_origins.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sinter::ir {
namespace {

// One letter an axis, as in the list of origins: '.', 'c', 'p', 'f', '?'.
AxisOrigins origins_of(const std::string& letters) {
  AxisOrigins origins;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    origins.axes[i] = static_cast<AxisOrigin>(std::string(".cpf?").find(letters[i]));
  }
  return origins;
}

std::string letters_of(const AxisOrigins& origins, int rank) {
  std::string letters;
  for (int axis = 0; axis < rank; ++axis) {
    letters += std::string(".cpf?")[static_cast<std::size_t>(origins[axis])];
  }
  return letters;
}

std::string after(AxisRule rule, const Shape& shape, const std::string& letters,
                  const Shape& result, const Attributes& attributes = {}) {
  const AxisOrigins origins = origins_of(letters);
  const AxisSource source{shape, &origins};
  return letters_of(follow_axes(rule, {&source, 1}, attributes, result), result.rank());
}

std::string reshaped(const Shape& shape, const std::string& letters, const Shape& result) {
  return after(AxisRule::reshape, shape, letters, result);
}

TEST(AxisOrigins, ImagesHavePositionsAndChannels) {
  EXPECT_EQ(letters_of(follow_axes(AxisRule::image, {}, {}, {8, 5, 6, 4}), 4), ".ppc");
  EXPECT_EQ(letters_of(follow_axes(AxisRule::image, {}, {}, {8, 1, 6, 1}), 4), "..p.");
}

TEST(AxisOrigins, ReshapesMergeAndSplit) {
  EXPECT_EQ(reshaped({8, 5, 6, 4}, ".ppc", {8, 30, 4}), ".pc");
  EXPECT_EQ(reshaped({8, 5, 6, 4}, ".ppc", {8, 120}), ".f");
  EXPECT_EQ(reshaped({8, 5, 6, 4}, ".ppc", {240, 4}), "pc");
  EXPECT_EQ(reshaped({8, 5, 6, 4}, ".ppc", {8, 5, 24}), ".pf");
  EXPECT_EQ(reshaped({8, 5, 6, 4}, ".ppc", {8, 5, 6, 2, 2}), ".ppcc");
  EXPECT_EQ(reshaped({8, 4, 5, 6}, ".cpp", {8, 120}), ".c");
  EXPECT_EQ(reshaped({8, 5, 4, 6}, ".pcp", {8, 120}), ".?");
  EXPECT_EQ(reshaped({8, 5, 4}, ".pc", {160}), "?");
  EXPECT_EQ(reshaped({8, 6, 4}, ".pc", {8, 8, 3}), ".??");
  EXPECT_EQ(reshaped({8, 3, 4}, "..c", {8, 12}), ".c");
  EXPECT_EQ(reshaped({8, 1, 4}, "..c", {8, 4, 1}), ".c.");
  EXPECT_EQ(reshaped({8, 6}, "..", {48}), ".");
  EXPECT_EQ(reshaped({0, 5, 4}, ".pc", {0, 20}), "..");
  EXPECT_EQ(reshaped({8, 20}, ".?", {160}), "?");
}

TEST(AxisOrigins, AFlattenedAxisIsTakenApartWhereItWasPutTogether) {
  const AxisSource image{{8, 5, 6, 4}, nullptr};
  const AxisOrigins origins = follow_axes(AxisRule::image, {&image, 1}, {}, image.shape);
  const AxisSource source{image.shape, &origins};
  const AxisOrigins flat = follow_axes(AxisRule::reshape, {&source, 1}, {}, {8, 120});
  EXPECT_EQ(flat.positions, 30);
  EXPECT_EQ(flat.channels, 4);
  const AxisSource flat_source{{8, 120}, &flat};
  const auto split = [&](const Shape& shape) {
    return letters_of(follow_axes(AxisRule::reshape, {&flat_source, 1}, {}, shape), shape.rank());
  };
  EXPECT_EQ(split({8, 30, 4}), ".pc");
  EXPECT_EQ(split({8, 5, 6, 2, 2}), ".ppcc");
  EXPECT_EQ(split({8, 15, 8}), ".??");
  EXPECT_EQ(split({4, 2, 120}), "..f");
  EXPECT_EQ(split({960}), "?");
  // Shortened, it is no whole image any more; lengthened neither.
  for (const std::int64_t length : {119, 121}) {
    EXPECT_EQ(letters_of(follow_axes(AxisRule::aligned, {&flat_source, 1}, {}, {8, length}), 2),
              ".?");
  }
}

TEST(AxisOrigins, AxesOfOperandsMeetFromTheInnermostOn) {
  const AxisOrigins image = origins_of(".ppc");
  const AxisOrigins scale = origins_of("c");
  const AxisSource sources[] = {{{4}, &scale}, {{8, 5, 6, 4}, &image}, {{8, 5, 6, 4}, nullptr}};
  EXPECT_EQ(letters_of(follow_axes(AxisRule::aligned, sources, {}, {8, 5, 6, 4}), 4), ".ppc");
  EXPECT_EQ(after(AxisRule::aligned, {8, 5, 6, 4}, ".ppc", {8, 1, 1, 4}), "...c");
  EXPECT_EQ(after(AxisRule::aligned, {8, 5, 6, 4}, ".ppc", {5, 6, 4}), "ppc");
  EXPECT_EQ(after(AxisRule::aligned, {8, 5, 6, 4}, ".ppc", {}), "");
  EXPECT_EQ(after(AxisRule::permute, {8, 5, 6, 4}, ".ppc", {4, 8, 6, 5},
                  {{"axes", std::vector<std::int64_t>{3, 0, 2, 1}}}),
            "c.pp");
}

TEST(AxisOrigins, TwoFlattenedAxesThatDifferHaveNoOrder) {
  AxisOrigins one = origins_of(".f");
  one.positions = 30;
  one.channels = 4;
  AxisOrigins other = one;
  other.positions = 20;
  other.channels = 6;
  const auto met = [&](const AxisOrigins& second) {
    const AxisSource sources[] = {{{8, 120}, &one}, {{8, 120}, &second}};
    return letters_of(follow_axes(AxisRule::aligned, sources, {}, {8, 120}), 2);
  };
  EXPECT_EQ(met(one), ".f");
  EXPECT_EQ(met(other), ".?");
}

TEST(AxisOrigins, ProductsKeepRowsAndMakeChannels) {
  const AxisOrigins rows = origins_of("pc");
  const AxisOrigins flat = origins_of(".f");
  const auto product = [](const AxisOrigins* a, const AxisOrigins* b) {
    const AxisSource sources[] = {{{5, 4}, a}, {{4, 7}, b}};
    return letters_of(follow_axes(AxisRule::matmul, sources, {}, {5, 7}), 2);
  };
  EXPECT_EQ(product(&rows, nullptr), "pc");
  EXPECT_EQ(product(nullptr, &rows), ".c");
  EXPECT_EQ(product(nullptr, nullptr), "..");
  EXPECT_EQ(product(&flat, nullptr), "..");  // features that are no image's any more
}

}  // namespace
}  // namespace sinter::ir
