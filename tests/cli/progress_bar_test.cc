#include "progress_bar.h"

#include <gtest/gtest.h>

namespace sinter::cli {
namespace {

TEST(ProgressLine, FitsIntoEveryWidthAndKeepsWhatMattersMost) {
  const train::Observer::Step step{
      .step = 12345, .steps = 1000000, .epoch = 12, .loss = 0.4321, .units_per_second = 1234567};
  for (int columns = 0; columns <= 200; ++columns) {
    const std::string line = progress_line(step, "samples", 98765, columns);
    EXPECT_LE(static_cast<int>(line.size()), columns);
    const auto shows = [&](const char* part) { return line.find(part) != std::string::npos; };
    EXPECT_TRUE(columns < 20 || shows("loss 0.4321")) << line;
    EXPECT_TRUE(columns < 40 || shows("27:26:05 left")) << line;
  }
  EXPECT_EQ(progress_line(step, "samples", 98765, 200),
            "[------------------------]   1%  step 12345/1000000  epoch 12  loss 0.4321  1234567 "
            "samples/s  27:26:05 left");
}

}  // namespace
}  // namespace sinter::cli
