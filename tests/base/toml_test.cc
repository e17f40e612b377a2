#include "base/toml.h"

#include <gtest/gtest.h>

#include <string>

#include "sinter/error.h"
#include "small_stack.h"

namespace sinter {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_toml(text, "c.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(Toml, ReadsTables) {
  const toml::table table =
      parse_toml("a = 1.5 # [[[[\n[b.c]\n\"d.e\".f = ['x', '''[\n[''']\n", "");
  EXPECT_EQ(table["a"].value<double>(), 1.5);
  EXPECT_EQ(table["b"]["c"]["d.e"]["f"][1].value<std::string>(), "[\n[");
}

TEST(Toml, RefusesOtherTextsByTheirPlace) {
  EXPECT_EQ(refusal("a = 1\nb = = 2\n").rfind("c.toml:2:5: ", 0), 0U)
      << refusal("a = 1\nb = = 2\n");
  EXPECT_EQ(refusal("a = \"x").rfind("c.toml:1:", 0), 0U);
}

TEST(Toml, RefusesDepthThatRecursionCouldNotFollow) {
  EXPECT_EQ(refusal("a = " + repeated("[", 16) + repeated("]", 16)), "nothing was thrown");
  EXPECT_EQ(refusal("b = 1\na = " + repeated("[", 17) + repeated("]", 17)),
            "c.toml:2:21: this is nested too deep; expected at most 16 levels");
  EXPECT_EQ(refusal(repeated("a.", 15) + "a = 1"), "nothing was thrown");
  EXPECT_EQ(refusal(repeated("a.", 16) + "a = 1"),
            "c.toml:1:32: this is nested too deep; expected at most 16 levels");
  // Numbers and strings have dots too, and brackets that are none.
  EXPECT_EQ(refusal("a = [" + repeated("1.5, ", 1000) + "1.5]"), "nothing was thrown");
  EXPECT_EQ(refusal(repeated("[[x]]\n", 1000)), "nothing was thrown");
  EXPECT_EQ(refusal("a = \"" + repeated("[.{\\\"", 100) + "\" # " + repeated("[.", 100)),
            "nothing was thrown");
  // A string of several lines may end in quotes of its own, after which no other begins.
  for (const char* text : {"'''x''''", "\"\"\"x\"\"\"\"", "'''x'''''"}) {
    EXPECT_NE(refusal("a = {b = " + std::string(text) + ", " + repeated("c.", 100) + "c = 1}")
                  .find("nested too deep"),
              std::string::npos)
        << text;
  }
  run_with_small_stack([&] {
    for (const char* each : {"a.", "a = [", "a = {a = ", "[a.", "\"a\".", "a . "}) {
      const std::string message = refusal(repeated(each, 100'000));
      EXPECT_EQ(message.rfind("c.toml:1:", 0), 0U) << each;
    }
    EXPECT_NE(
        refusal("a = " + repeated("{a = ", 100) + "1" + repeated("}", 100)).find("nested too deep"),
        std::string::npos);
    EXPECT_NE(refusal("[" + repeated("a.", 100'000) + "a]").find("nested too deep"),
              std::string::npos);
    // The most that is let through.
    const std::string key = repeated("a.", 15) + "a = ";
    EXPECT_EQ(refusal("[" + repeated("b.", 15) + "b]\n" + key + repeated("{" + key, 15) + "1" +
                      repeated("}", 15)),
              "nothing was thrown");
  });
}

}  // namespace
}  // namespace sinter
