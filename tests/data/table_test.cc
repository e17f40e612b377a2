#include "sinter/table.h"

#include <gtest/gtest.h>

#include <clocale>
#include <filesystem>
#include <fstream>

#include "../base/temporary_folder.h"
#include "sinter/error.h"

namespace sinter::data {
namespace {

class TableTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(folder_.path());
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  std::string refusal(const std::string& content) const {
    const std::string path = write("t.csv", content);
    try {
      read_table(path);
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.rfind(path, 0), 0u) << text;
      return text.substr(path.size());
    }
    return "no error";
  }

  TemporaryFolder folder_;
};

std::vector<std::string> cells(const Table& table, const std::string& name) {
  std::vector<std::string> all;
  const Column* column = table.find(name);
  for (std::int64_t row = 0; column != nullptr && row < column->size(); ++row) {
    all.emplace_back((*column)[row]);
  }
  return all;
}

TEST_F(TableTest, ReadsQuotedCellsEmptyOnesAndEveryLineEnd) {
  const Table table =
      read_table(write("a.csv", "x,\"the, name\",z\r\n1,\"a \"\"b\"\",\nc\",\r\n,,3\n\n4,5,6"));
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(cells(table, "x"), (std::vector<std::string>{"1", "", "4"}));
  EXPECT_EQ(cells(table, "the, name"), (std::vector<std::string>{"a \"b\",\nc", "", "5"}));
  EXPECT_EQ(cells(table, "z"), (std::vector<std::string>{"", "3", "6"}));
  EXPECT_EQ(table.find("none"), nullptr);
}

TEST_F(TableTest, FindsTheSeparatorAndPassesOverAByteOrderMark) {
  const Table semicolons = read_table(write("s.csv", "\xEF\xBB\xBFprice;\"a,b,c\"\n1,5;2\n"));
  EXPECT_EQ(cells(semicolons, "price"), (std::vector<std::string>{"1,5"}));
  const Table tabs = read_table(write("t.tsv", "a\tb\n1, 2\t3\n"));
  EXPECT_EQ(cells(tabs, "a"), (std::vector<std::string>{"1, 2"}));
}

TEST_F(TableTest, AFolderIsReadFileAfterFile) {
  write("b.csv", "x,y\n3,4\n");
  write("a.csv", "x,y\n1,2\n");
  write("README.md", "not a table");
  EXPECT_EQ(cells(read_table(folder_.path()), "x"), (std::vector<std::string>{"1", "3"}));
  write("c.csv", "x,z\n1,2\n");
  EXPECT_THROW(read_table(folder_.path()), Error);
}

TEST_F(TableTest, ALongFileKeepsItsCells) {
  std::string text = "n,square\n";
  for (int i = 0; i < 50000; ++i) text += std::to_string(i) + "," + std::to_string(i * 3) + "\n";
  const Table table = read_table(write("long.csv", text));
  ASSERT_EQ(table.rows(), 50000);
  for (std::int64_t row = 0; row < table.rows(); row += 777) {
    EXPECT_EQ(table.columns[1][row], std::to_string(row * 3));
  }
}

TEST_F(TableTest, WhatIsNoTableIsNamedWithItsLine) {
  EXPECT_EQ(refusal("a,b\n1,2\n1\n"),
            ", line 3: the line does not have as many cells as the header; got 1; expected 2");
  EXPECT_EQ(refusal("a,b\n1,2,3\n"),
            ", line 2: the line does not have as many cells as the header; got 3; expected 2");
  EXPECT_EQ(refusal("a,a\n1,2\n"), ", line 1: two columns have one name");
  EXPECT_EQ(refusal("a,\n1,2\n"), ", line 1: a column has no name");
  EXPECT_NE(refusal("a,b\n1,\"2\n").find("a quoted cell does not end"), std::string::npos);
  EXPECT_NE(refusal("a,b\n1,\"2\"x\n").find("a quoted cell does not end"), std::string::npos);
  EXPECT_NE(refusal("a,b\n").find("the file has no rows"), std::string::npos);
  EXPECT_NE(refusal("").find("the file has no rows"), std::string::npos);
  EXPECT_NE(refusal("a\n" + std::string((1 << 20) + 10, 'x')).find("a cell is too long"),
            std::string::npos);
  EXPECT_NE(refusal("a\n\"" + std::string((1 << 22), 'x')).find("a cell is too long"),
            std::string::npos);
  EXPECT_THROW(read_table(folder_ / "none.csv"), Error);
  const TemporaryFolder empty;
  std::filesystem::create_directories(empty.path());
  EXPECT_THROW(read_table(empty.path()), Error);
}

TEST(Cell, IsANumberOrMissingWhateverTheLocale) {
  EXPECT_EQ(parse_number(" 1.5 "), 1.5);
  EXPECT_EQ(parse_number("+2"), 2.0);
  EXPECT_EQ(parse_number("-1e-3"), -1e-3);
  for (const char* text : {"", "x", "1,5", "1.5x", "inf", "nan", "1e999", "+-1", "0x10", "--1"}) {
    EXPECT_FALSE(parse_number(text)) << text;
  }
  for (const char* text : {"", "  ", "NA", "n/a", "NaN", "NULL", "None", "?"}) {
    EXPECT_TRUE(is_missing(text)) << text;
  }
  for (const char* text : {"0", "no", "-", "nah"}) EXPECT_FALSE(is_missing(text)) << text;
}

}  // namespace
}  // namespace sinter::data
