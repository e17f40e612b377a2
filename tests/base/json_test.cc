#include "base/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "sinter/error.h"
#include "small_stack.h"

namespace sinter {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_json(text, "line 3");
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

TEST(Json, ReadsValues) {
  const Json json = parse_json(R"( {"a": [1, -2.5, "x\u00e4", null, true], "b": {"c": []}} )", "");
  EXPECT_EQ(json["a"][1].get<double>(), -2.5);
  EXPECT_EQ(json["a"][2].get<std::string>(), "x\xc3\xa4");
  EXPECT_TRUE(json["b"]["c"].empty());
  EXPECT_EQ(parse_json("18446744073709551615", "").get<std::uint64_t>(),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})", "")["a"], 2);
}

TEST(Json, RefusesOtherTextsByTheirByte) {
  EXPECT_EQ(refusal(""), "line 3: this is not valid JSON at byte 0");
  EXPECT_EQ(refusal("{\"a\": 1,}"), "line 3: this is not valid JSON at byte 8");
  EXPECT_EQ(refusal("[1] x"), "line 3: this is not valid JSON at byte 4");
  EXPECT_EQ(refusal(std::string("[1]\0", 4)), "line 3: this is not valid JSON at byte 3");
  EXPECT_EQ(refusal("[1e999]"),
            "line 3: a number is too large; expected numbers that an f64 can hold");
  for (const char* text : {"[", "[1", "{\"a\"", "nul", "NaN", "'a'", "[01]", "\"\xff\"",
                           "\"\\ud800\"", "// c\n1", "\"a\nb\"", "]", "[}"}) {
    EXPECT_EQ(refusal(text).rfind("line 3: this is not valid JSON at byte ", 0), 0U) << text;
  }
}

TEST(Json, RefusesDepthThatRecursionCouldNotFollow) {
  const auto nested = [](int levels) { return repeated("[", levels) + repeated("]", levels); };
  EXPECT_EQ(refusal(nested(kMaxJsonDepth)), "nothing was thrown");
  EXPECT_EQ(refusal(nested(kMaxJsonDepth + 1)),
            "line 3: this JSON is nested too deep at byte 64; expected at most 64 levels");
  // Brackets within strings are none; a quote that is escaped ends no string.
  EXPECT_EQ(refusal("[\"" + repeated("[", 100) + "\\\"" + repeated("{", 100) + "\"]"),
            "nothing was thrown");
  EXPECT_EQ(refusal("[" + nested(60) + "," + nested(60) + "]"), "nothing was thrown");
  run_with_small_stack([&] {
    for (const int levels : {3'000, 38'000, 1'000'000}) {
      EXPECT_NE(refusal(nested(levels)).find("nested too deep"), std::string::npos);
      EXPECT_NE(refusal(repeated("[", levels)).find("nested too deep"), std::string::npos);
      EXPECT_NE(refusal(repeated("{\"a\":", levels)).find("nested too deep"), std::string::npos);
    }
    EXPECT_EQ(json_text(OrderedJson::parse(nested(kMaxJsonDepth))), nested(kMaxJsonDepth));
  });
}

TEST(Json, WritesOneLineInOrder) {
  EXPECT_EQ(json_text(OrderedJson{{"z", 1}, {"a", {1.5, "q\"\n", nullptr, false}}}),
            R"({"z":1,"a":[1.5,"q\"\n",null,false]})");
}

TEST(Json, WritesWhatJsonCannotSpell) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(json_text(OrderedJson{infinity, -infinity, std::nan("")}), "[null,null,null]");
  EXPECT_EQ(json_text(OrderedJson("a\xff"
                                  "b")),
            "\"a\xef\xbf\xbd"
            "b\"");
}

TEST(Json, WritesNumbersAsShortAsTheyAreKnown) {
  EXPECT_EQ(json_text(json_number(0.1F)), "0.1");
  EXPECT_EQ(json_text(json_number(16777216.0F)), "16777216.0");
  EXPECT_EQ(json_text(json_number(std::numeric_limits<float>::denorm_min())), "1e-45");
  EXPECT_EQ(json_text(json_number(-0.0F)), "-0.0");
  EXPECT_EQ(json_text(json_number(std::numeric_limits<float>::infinity())), "null");
  EXPECT_EQ(json_text(json_number(2.0 / 3, 3)), "0.667");
  EXPECT_EQ(json_text(json_number(123456.0, 3)), "123000.0");
  EXPECT_EQ(json_text(json_number(0.1, 17)), "0.1");
  EXPECT_EQ(json_text(json_number(std::nan(""), 3)), "null");
}

}  // namespace
}  // namespace sinter
