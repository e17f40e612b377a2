// The recipe `tabular` as a user has it: files in, lines out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "../base/temporary_folder.h"
#include "run_command.h"

namespace sinter {
namespace {

using Words = std::vector<std::string>;

// y = 2 a, for which a network of any size will do; a town that says nothing.
void write_table(const std::string& path) {
  std::ofstream file(path);
  file << "a;town;y\n";
  for (int i = 0; i < 300; ++i) {
    file << i % 50 << ";" << (i % 3 == 0 ? "Ulm" : "\"Bad; Urach\"") << ";" << 2.5 * (i % 50)
         << "\n";
  }
}

TEST(TabularCommand, predicts_a_number_for_rows_of_a_file_and_for_lines) {
  const TemporaryFolder folder;
  write_table(folder / "t.csv");
  const CommandResult trained =
      run_command(folder.path(), {"train", "tabular", "--data", "t.csv", "--out", "run",
                                  "--threads", "1", "--epochs", "60", "--batch", "16"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(content_of(folder / "run/summary.json").find("\"rmse\":"), std::string::npos);
  const CommandResult file = run_command(folder.path(), {"predict", "run", "t.csv"});
  ASSERT_EQ(file.status, 0) << file.err;
  EXPECT_EQ(std::count(file.out.begin(), file.out.end(), '\n'), 300);
  RunningCommand::Options lines;
  lines.input = "{\"a\": 20, \"town\": \"Ulm\"}\n\n{\"a\": \"20\", \"town\": null}\n";
  const CommandResult line = run_command(folder.path(), {"predict", "run"}, lines);
  ASSERT_EQ(line.status, 0) << line.err;
  EXPECT_EQ(line.out.rfind("{\"index\":0,\"value\":", 0), 0u) << line.out;
  const double value = std::atof(line.out.c_str() + std::string("{\"index\":0,\"value\":").size());
  EXPECT_NEAR(value, 50, 10);
  EXPECT_NE(line.out.find("{\"index\":2,"), std::string::npos) << "numbered as the lines are";

  lines.input = "{\"b\": 3}\n";
  const CommandResult none = run_command(folder.path(), {"predict", "run"}, lines);
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.err.find("line 1: no column of the model is there"), std::string::npos);
}

TEST(TabularCommand, tells_intervals_of_its_figures) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder.path(), {"train", "tabular", "--out", "run", "--threads", "1",
                                        "--epochs", "1", "--set", "embedded_rows=500"})
                .status,
            0);
  const CommandResult eval =
      run_command(folder.path(), {"eval", "run", "--bootstrap", "50", "--threads", "1"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_NE(eval.out.find("\"auprc_interval\":["), std::string::npos) << eval.out;
}

}  // namespace
}  // namespace sinter
