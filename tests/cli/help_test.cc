// What the command says of itself comes from the recipes' settings.
#include <gtest/gtest.h>

#include "../base/temporary_folder.h"
#include "run_command.h"

namespace sinter {
namespace {

void expect_says(const CommandResult& result, const std::vector<std::string>& parts) {
  EXPECT_EQ(result.status, 0) << result.err;
  for (const std::string& part : parts) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " in\n" << result.out;
  }
}

TEST(Help, of_a_recipe_lists_its_settings_with_defaults_ranges_and_choices) {
  const TemporaryFolder folder;
  expect_says(run_command(folder.path(), {"train", "image", "--help"}),
              {"--lr X", "[0.003]", "cnn, mlp, linear [\"cnn\"]", "Settings of image for --set:",
               "dropout=X", "(0 to 0.95) [0.2]", "optimizer=NAME", "adamw, sgd"});
  expect_says(run_command(folder.path(), {"train", "tabular", "--help"}),
              {"Settings of tabular for --set:", "order_by=TEXT", "layers=N"});
  expect_says(run_command(folder.path(), {"compare", "tabular", "--help"}), {"target=TEXT"});
}

TEST(Help, without_a_recipe_lists_the_recipes) {
  const TemporaryFolder folder;
  expect_says(run_command(folder.path(), {"train", "--help"}),
              {"Recipes:", "image ", "tabular ", "train RECIPE --help"});
  expect_says(run_command(folder.path(), {"predict", "--help"}),
              {"Inputs:", "pixels", "CSV files"});
  expect_says(run_command(folder.path(), {"bench", "--help"}), {"mlp, cnn; all without it"});
}

TEST(Help, a_setting_of_another_recipe_is_unknown_and_one_of_its_own_is_found) {
  const TemporaryFolder folder;
  const CommandResult wrong =
      run_command(folder.path(), {"train", "tabular", "--set", "shear=0.1", "--plan"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("there is no setting 'shear'"), std::string::npos) << wrong.err;
  const CommandResult found = run_command(
      folder.path(), {"train", "--batch", "32", "tabular", "--set", "embedded_rows=100", "--plan"});
  EXPECT_EQ(found.status, 0) << found.err;
  EXPECT_NE(found.out.find("batches of 32"), std::string::npos) << found.out;
}

TEST(Remark, tells_when_nothing_was_learned) {
  const TemporaryFolder folder;
  const CommandResult result =
      run_command(folder.path(), {"train", "tabular", "--lr", "30", "--epochs", "2", "--threads",
                                  "1", "--set", "embedded_rows=2000"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("note: a test auprc of"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("try a smaller --lr (it was 30.0)"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace sinter
