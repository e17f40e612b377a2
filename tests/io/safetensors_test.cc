#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../base/damaged_file.h"
#include "base/file.h"
#include "sinter/error.h"

namespace sinter::io {
namespace {

// A file: the length of the header, the header, the data.
std::string file_of(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + data;
}

// The header's member for one tensor.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + offsets + "]}";
}

template <class T>
TensorView view_of(const std::vector<T>& values, const Shape& shape, Dtype dtype = dtype_of<T>) {
  return {.dtype = dtype,
          .shape = shape,
          .data = reinterpret_cast<const std::byte*>(values.data()),
          .bytes = values.size() * sizeof(T)};
}

template <class T>
std::vector<T> elements(const TensorView& view) {
  std::vector<T> values(view.bytes / sizeof(T));
  if (view.bytes != 0) std::memcpy(values.data(), view.data, view.bytes);
  return values;
}

class Safetensors : public DamagedFileTest {
 protected:
  SafetensorsFile read(const std::string& content) const {
    put(content);
    return SafetensorsFile(path_);
  }
  std::string refusal(const std::string& content) const {
    std::string message = message_of([&] { read(content); });
    EXPECT_LT(largest_allocation, kMegabyte);
    return message;
  }

  std::string write_refusal(const std::vector<NamedTensor>& tensors,
                            const Metadata& metadata = {}) {
    try {
      write_safetensors(path_, tensors, metadata);
    } catch (const Error& error) {
      return std::string(error.what()).substr(path_.size() + 2);
    }
    return "nothing was thrown";
  }

  void expect_refusal(const std::string& content, const std::string& part) {
    const std::string message = refusal(content);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
};

// Written by Python's safetensors 0.8.0 from PyTorch tensors, with metadata {"format": "pt"}.
std::string golden() {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]},)"
      R"("empty":{"dtype":"F32","shape":[0,3],"data_offsets":[24,24]},)"
      R"("half":{"dtype":"BF16","shape":[1],"data_offsets":[24,26]},)"
      R"("a":{"dtype":"BOOL","shape":[3],"data_offsets":[26,29]}}    )";
  const unsigned char data[] = {7,    0,    0,    0,    0,    0,    0, 0, 0,    0,
                                0x80, 0x3f, 0,    0,    0x20, 0xc0, 0, 0, 0x40, 0x40,
                                0,    0,    0x80, 0x3e, 0xc0, 0x3f, 1, 0, 1};
  return file_of(header, std::string(reinterpret_cast<const char*>(data), sizeof(data)));
}

TEST_F(Safetensors, ReadsAFileWrittenByPython) {
  const std::string content = golden();
  ASSERT_EQ(content.size(), 357U);
  const SafetensorsFile file = read(content);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"n", "b", "empty", "half", "a"}));
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}}));
  EXPECT_EQ(file.get("n").shape, Shape{});
  EXPECT_EQ(elements<std::int64_t>(file.get("n")), (std::vector<std::int64_t>{7}));
  EXPECT_EQ(file.get("b").shape, (Shape{2, 2}));
  EXPECT_EQ(file.get("b").dtype, Dtype::f32);
  EXPECT_EQ(elements<float>(file.get("b")), (std::vector<float>{1.0f, -2.5f, 3.0f, 0.25f}));
  EXPECT_EQ(file.get("empty").shape, (Shape{0, 3}));
  EXPECT_EQ(file.get("empty").bytes, 0U);
  EXPECT_EQ(file.get("half").dtype, Dtype::bf16);
  EXPECT_EQ(elements<std::uint16_t>(file.get("half")), (std::vector<std::uint16_t>{0x3fc0}));
  EXPECT_EQ(file.get("a").dtype, Dtype::boolean);
  EXPECT_EQ(elements<std::uint8_t>(file.get("a")), (std::vector<std::uint8_t>{1, 0, 1}));
}

TEST_F(Safetensors, ReadsBackWhatItWrote) {
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const std::vector<std::uint8_t> bytes = {1, 0, 1};
  const std::vector<std::uint16_t> halves = {0x3c00, 0xffff};
  const std::vector<double> doubles = {1e300};
  const std::vector<std::int32_t> ints = {-1};
  const std::vector<std::int64_t> longs = {-2};
  const std::vector<NamedTensor> tensors = {
      {"u8", view_of(bytes, {3})},
      {"conv1.weight", view_of(weight, {3, 2})},
      {"bool", view_of(bytes, {3, 1}, Dtype::boolean)},
      {"f16", view_of(halves, {2}, Dtype::f16)},
      {"bf16", view_of(halves, {1, 2}, Dtype::bf16)},
      {"f64", view_of(doubles, {})},
      {"i32", view_of(ints, {1})},
      {"i64", view_of(longs, {1, 1, 1, 1, 1, 1, 1, 1})},
      {"empty", view_of(std::vector<float>{}, {4, 0})},
      {"odd \"name\"\n\xc3\xa4", view_of(weight, {6})},
  };
  const Metadata metadata = {{"sinter", "{\"version\": 1}\n"}, {"", ""}};
  write_safetensors(path_, tensors, metadata);
  const SafetensorsFile file(path_);
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.names().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& written = tensors[i].view;
    EXPECT_EQ(file.names()[i], tensors[i].name);
    ASSERT_TRUE(file.contains(tensors[i].name));
    const TensorView read = file.get(tensors[i].name);
    EXPECT_EQ(read.dtype, written.dtype);
    EXPECT_EQ(read.shape, written.shape);
    EXPECT_EQ(elements<std::uint8_t>(read), elements<std::uint8_t>(written)) << tensors[i].name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read.data) % size_of(read.dtype), 0U)
        << tensors[i].name << " is not aligned";
  }
  // The mapping starts at a page, so addresses show offsets in the file.
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.get("f64").data) % 64, 0U);
}

TEST_F(Safetensors, WritesTheSameBytesEveryTime) {
  const std::vector<float> weight = {1, -2};
  const std::vector<std::uint8_t> mask = {1};
  write_safetensors(path_,
                    std::vector<NamedTensor>{{"m", view_of(mask, {1}, Dtype::boolean)},
                                             {"w", view_of(weight, {2})}},
                    {{"b", "2"}, {"a", "1"}});
  std::string header = R"({"__metadata__":{"a":"1","b":"2"},)" + entry("m", "BOOL", "1", "8,9") +
                       "," + entry("w", "F32", "2", "0,8") + "}";
  header.resize(184, ' ');  // 8 + 184 = 3 * 64
  const std::string data("\0\0\x80\x3f\0\0\0\xc0\x01", 9);
  EXPECT_EQ(read_file(path_, kMegabyte), file_of(header, data));
}

TEST_F(Safetensors, WritesAndReadsAFileWithoutTensors) {
  write_safetensors(path_, {});
  EXPECT_EQ(read_file(path_, kMegabyte), file_of("{}" + std::string(54, ' ')));
  EXPECT_TRUE(SafetensorsFile(path_).names().empty());
  EXPECT_TRUE(read(file_of("{}")).names().empty());
  EXPECT_TRUE(read(file_of(R"({"__metadata__":{}})")).metadata().empty());
}

TEST_F(Safetensors, RefusesToWriteWhatNobodyCouldRead) {
  const std::vector<float> weight = {1, 2};
  const TensorView view = view_of(weight, {2});
  EXPECT_EQ(write_refusal({{"w", view}, {"w", view}}), "two tensors are named \"w\"");
  EXPECT_EQ(write_refusal({{"__metadata__", view}}), "no tensor may be named \"__metadata__\"");
  EXPECT_EQ(
      write_refusal({{"w", view_of(weight, {3})}}),
      "tensor \"w\" has a size that does not fit its dtype and shape; got 8 bytes; expected 12");
  EXPECT_NE(write_refusal({{"w", {.dtype = Dtype::f32, .shape = {2}, .data = nullptr, .bytes = 8}}})
                .find("does not fit"),
            std::string::npos);
  EXPECT_NE(write_refusal({{"\xff", view}}).find("not UTF-8"), std::string::npos);
  EXPECT_NE(write_refusal({}, {{"a", "\xc3"}}).find("not UTF-8"), std::string::npos);
  EXPECT_EQ(folder_.entries(), 0);
  EXPECT_THROW(write_safetensors(folder_ / "none/file", {}), Error);
}

TEST_F(Safetensors, NamesWhatThereIsWhenATensorIsMissing) {
  const SafetensorsFile file = read(golden());
  EXPECT_FALSE(file.contains("conv1.weight"));
  EXPECT_FALSE(file.contains("__metadata__"));
  try {
    file.get("conv1.weight");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), path_ +
                                ": there is no such tensor; got \"conv1.weight\"; expected one of "
                                "\"n\", \"b\", \"empty\", \"half\", \"a\"");
  }
  EXPECT_THROW(read(file_of("{}")).get(""), Error);
}

TEST_F(Safetensors, RefusesALyingHeaderLength) {
  expect_refusal("", "too short");
  expect_refusal("1234567", "got 7 bytes; expected at least 8");
  expect_refusal(std::string(8, '\0'), "does not begin with '{' at byte 8");
  expect_refusal(std::string(8, '\xff'), "got 18446744073709551615; expected at most 100000000");
  std::string file = file_of("{}");
  file[0] = 3;
  EXPECT_EQ(refusal(file), "the header goes beyond the end of the file; got 2 bytes; expected 3");
  const std::uint64_t large = 100'000'001;
  std::memcpy(file.data(), &large, sizeof(large));
  expect_refusal(file, "too large; got 100000001");
}

TEST_F(Safetensors, RefusesWhatIsNotJson) {
  expect_refusal(file_of("[]"), "does not begin with '{'");
  expect_refusal(file_of(" {}"), "does not begin with '{'");
  EXPECT_EQ(refusal(file_of("{")), "the header is not valid JSON at byte 9");
  EXPECT_EQ(refusal(file_of("{}x")), "the header is not valid JSON at byte 10");
  EXPECT_EQ(refusal(file_of(std::string("{}\0 ", 4))), "the header is not valid JSON at byte 10");
  for (const char* text : {"{\"a\"", "{\"a\":", "{\"__metadata__\":{}", "{,}", "{}{}", "{}//c",
                           "{\"\xff\":{}}", "{\"\\ud800\":{}}", "{\"a\":{\"shape\":[01]}}"}) {
    expect_refusal(file_of(text), "not valid JSON at byte ");
  }
}

TEST_F(Safetensors, RefusesDeepJsonWithoutFollowingIt) {
  const std::string brackets(100000, '[');
  expect_refusal(file_of("{\"a\":" + brackets), "tensor \"a\" has content that the format forbids");
  expect_refusal(file_of("{\"a\":{\"shape\":" + brackets), "forbids; got an array");
  std::string braces;
  for (int i = 0; i < 50000; ++i) braces += "{\"shape\":";
  expect_refusal(file_of(braces),
                 "field \"shape\", has content that the format forbids; got an object");
  expect_refusal(file_of("{\"__metadata__\":{\"a\":" + brackets), "forbids; got an array");
}

TEST_F(Safetensors, RefusesHeadersOfAnotherForm) {
  const auto field = [](const std::string& text) { return file_of("{\"a\":{" + text + "}}"); };
  for (const char* value : {"1", "-1", "1.5", "\"x\"", "null", "true", "[]"}) {
    expect_refusal(file_of("{\"a\":" + std::string(value) + "}"), "tensor \"a\"");
    if (value == std::string("null")) continue;
    expect_refusal(file_of("{\"__metadata__\":" + std::string(value) + "}"), "\"__metadata__\"");
  }
  for (const char* value : {"1", "null", "{}", "[]", "false"}) {
    expect_refusal(field("\"dtype\":" + std::string(value)), "field \"dtype\"");
    expect_refusal(file_of("{\"__metadata__\":{\"k\":" + std::string(value) + "}}"), "field \"k\"");
  }
  for (const char* value : {"1", "null", "{}", "\"x\"", "[-1]", "[1.0]", "[1e3]", "[null]", "[[]]",
                            "[{}]", "[\"1\"]", "[18446744073709551616]", "[true]"}) {
    expect_refusal(field("\"shape\":" + std::string(value)), "field \"shape\"");
    expect_refusal(field("\"data_offsets\":" + std::string(value)), "field \"data_offsets\"");
  }
  for (const char* value : {"[]", "[0]", "[0,1,2]"}) {
    expect_refusal(field("\"data_offsets\":" + std::string(value)), "wrong number of data_offsets");
  }
  EXPECT_EQ(refusal(field("")), "tensor \"a\" lacks the field \"dtype\"");
  expect_refusal(field(R"("dtype":"U8","data_offsets":[0,1])"), "lacks the field \"shape\"");
  expect_refusal(field(R"("dtype":"U8","shape":[])"), "lacks the field \"data_offsets\"");
  expect_refusal(field(R"("dtype":"U8","stride":[])"), "unknown field; got \"stride\"");
}

TEST_F(Safetensors, RefusesNamesThatOccurTwice) {
  const std::string a = entry("a", "U8", "0", "0,0");
  EXPECT_EQ(refusal(file_of("{" + a + "," + a + "}")), "the header names \"a\" twice");
  EXPECT_EQ(refusal(file_of("{\"\\u0061\":" + a.substr(4) + "," + a + "}")),
            "the header names \"a\" twice");
  expect_refusal(file_of(R"({"__metadata__":{},"__metadata__":{}})"),
                 "names \"__metadata__\" twice");
  expect_refusal(file_of(R"({"__metadata__":{"k":"1","k":"2"}})"), "metadata name \"k\" twice");
  expect_refusal(file_of(R"({"a":{"dtype":"U8","dtype":"U8"}})"), "has the field \"dtype\" twice");
}

TEST_F(Safetensors, RefusesDtypesThatTheFormatDoesNotHave) {
  for (const char* dtype : {"F8_E4M4", "I9", "U128", "f32", ""}) {
    expect_refusal(
        file_of("{" + entry("a", dtype, "1", "0,1") + "}", "x"),
        "tensor \"a\" has a dtype that the format does not have; got \"" + std::string(dtype));
  }
}

// Some programs write null where others leave the metadata out.
TEST_F(Safetensors, TakesNullForNoMetadata) {
  const SafetensorsFile file =
      read(file_of(R"({"__metadata__":null,)" + entry("a", "U8", "1", "0,1") + "}", "x"));
  EXPECT_TRUE(file.metadata().empty());
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a"}));
  EXPECT_EQ(elements<std::uint8_t>(file.get("a")), (std::vector<std::uint8_t>{'x'}));
  expect_refusal(file_of(R"({"__metadata__":null,"__metadata__":{}})"),
                 "names \"__metadata__\" twice");
}

// A quantised checkpoint has tensors that Sinter cannot hold beside others that it can.
TEST_F(Safetensors, ListsTensorsOfEveryDtypeAndReadsThoseItCan) {
  struct Row {
    const char* dtype;
    std::int64_t elements;
    int bytes;
  };
  constexpr Row rows[] = {{"F8_E4M3", 3, 3},     {"F8_E5M2", 3, 3},     {"F8_E8M0", 3, 3},
                          {"F8_E4M3FNUZ", 3, 3}, {"F8_E5M2FNUZ", 3, 3}, {"I8", 3, 3},
                          {"I16", 3, 6},         {"U16", 3, 6},         {"U32", 3, 12},
                          {"U64", 3, 24},        {"C64", 3, 24},        {"F4", 6, 3},
                          {"F6_E2M3", 4, 3},     {"F6_E3M2", 8, 6}};
  std::string header = "{";
  int end = 0;
  for (const Row& row : rows) {
    header += entry(row.dtype, row.dtype, "1," + std::to_string(row.elements),
                    std::to_string(end) + "," + std::to_string(end + row.bytes)) +
              ",";
    end += row.bytes;
  }
  header += entry("scale", "F32", "1", std::to_string(end) + "," + std::to_string(end + 4)) + "}";
  const std::string number("\0\0\x80\x3f", 4);
  const SafetensorsFile file =
      read(file_of(header, std::string(static_cast<std::size_t>(end), 'x') + number));
  EXPECT_EQ(file.names().size(), std::size(rows) + 1);
  for (const Row& row : rows) {
    const TensorInfo info = file.info(row.dtype);
    EXPECT_EQ(info.dtype, row.dtype);
    EXPECT_FALSE(info.computed.has_value());
    EXPECT_EQ(info.shape, (Shape{1, row.elements}));
    EXPECT_EQ(info.bytes, static_cast<std::size_t>(row.bytes));
    EXPECT_EQ(message_of([&] { file.get(row.dtype); }),
              "tensor \"" + std::string(row.dtype) +
                  "\" has a dtype that Sinter cannot read; got " + row.dtype +
                  "; expected F64, F32, F16, BF16, I64, I32, U8 or BOOL");
  }
  EXPECT_EQ(file.info("scale").computed, Dtype::f32);
  EXPECT_EQ(elements<float>(file.get("scale")), (std::vector<float>{1.0f}));
}

TEST_F(Safetensors, RefusesPartsOfBytesAndLyingSizesOfEveryDtype) {
  EXPECT_EQ(refusal(file_of("{" + entry("a", "F4", "3", "0,2") + "}", "xx")),
            "tensor \"a\" does not end with a whole byte; got F4 (3,)");
  expect_refusal(file_of("{" + entry("a", "F6_E3M2", "3", "0,3") + "}", "xxx"),
                 "does not end with a whole byte");
  EXPECT_EQ(
      refusal(file_of("{" + entry("a", "I16", "3", "0,3") + "}", "xxx")),
      "tensor \"a\" has a size that does not fit its dtype and shape; got 3 bytes; expected 6 "
      "for I16 (3,)");
  expect_refusal(file_of("{" + entry("a", "C64", "2147483648,65536", "0,1") + "}", "x"),
                 "expected 1125899906842624 for C64");
}

TEST_F(Safetensors, RefusesShapesThatNoMemoryHolds) {
  for (const char* shape : {"18446744073709551615", "9223372036854775807", "4294967296,4294967296",
                            "0,4294967296,4294967296", "2147483648,2147483648,4"}) {
    expect_refusal(file_of("{" + entry("a", "F32", shape, "0,0") + "}"),
                   "tensor \"a\" has a shape too large for any memory; got (");
  }
  expect_refusal(file_of("{" + entry("a", "U8", "1,1,1,1,1,1,1,1,1", "0,1") + "}", "x"),
                 "tensor \"a\" has too many axes");
  std::string ones = "1";
  for (int i = 0; i < 100000; ++i) ones += ",1";
  expect_refusal(file_of("{" + entry("a", "U8", ones, "0,1") + "}", "x"), "too many axes");
}

TEST_F(Safetensors, RefusesPlacesThatDoNotAddUp) {
  const auto two = [](const std::string& first, const std::string& second, int bytes) {
    return file_of("{" + entry("a", "U8", "2", first) + "," + entry("b", "U8", "2", second) + "}",
                   std::string(static_cast<std::size_t>(bytes), 'x'));
  };
  EXPECT_EQ(read(two("2,4", "0,2", 4)).names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(refusal(two("0,2", "1,3", 3)),
            "tensor \"b\" overlaps another; got offset 1; expected 2");
  expect_refusal(two("0,2", "0,2", 2), "overlaps another");
  EXPECT_EQ(refusal(two("0,2", "3,5", 5)),
            "tensor \"b\" leaves a gap before it; got offset 3; expected 2");
  expect_refusal(two("1,3", "3,5", 5), "tensor \"a\" leaves a gap before it; got offset 1");
  EXPECT_EQ(refusal(two("0,2", "2,4", 5)),
            "bytes that belong to no tensor follow the last one; got 5 bytes of data; expected 4");
  EXPECT_EQ(refusal(two("0,2", "2,4", 3)),
            "tensor \"b\" goes beyond the end of the file; got 2 to 4; expected at most 3");
  expect_refusal(two("2,0", "2,4", 4), "tensor \"a\" ends before it begins");
  expect_refusal(two("18446744073709551614,0", "2,4", 4), "ends before it begins");
  expect_refusal(two("0,3", "3,5", 5),
                 "does not fit its dtype and shape; got 3 bytes; expected 2 for u8 (2,)");
  expect_refusal(file_of("{}", "x"), "bytes that belong to no tensor");
}

TEST_F(Safetensors, RefusesTruthValuesThatAreNone) {
  const std::string header = "{" + entry("a", "BOOL", "3", "0,3") + "}";
  EXPECT_EQ(refusal(file_of(header, std::string("\1\0\2", 3))),
            "tensor \"a\" holds what is no truth value, at byte " +
                std::to_string(8 + header.size() + 2) + " of the file; got 2; expected 0 or 1");
}

TEST_F(Safetensors, HostileNamesStayOnOneShortLine) {
  const std::string name = "x\\n\\u001b[31m" + std::string(100000, 'y');
  const std::string message = refusal(file_of("{" + entry(name, "I9", "1", "0,1") + "}", "x"));
  EXPECT_LT(message.size(), 300U);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  std::string umlauts = "a";
  for (int i = 0; i < 1000; ++i) umlauts += "\xc3\xa4";
  const std::string cut = refusal(file_of("{\"" + umlauts + "\":1}"));
  EXPECT_NE(cut.find("\xc3\xa4...\""), std::string::npos) << cut;
}

TEST_F(Safetensors, RefusesFoldersAndMissingFiles) {
  EXPECT_THROW(SafetensorsFile(folder_.path()), Error);
  EXPECT_THROW(SafetensorsFile(folder_ / "none"), Error);
}

// Every truncation and every change of one byte is an Error or still a file whose tensors lie in
// it.
TEST_F(Safetensors, NeverCrashesOnDamage) {
  const std::string file = golden();
  const std::size_t size = file.size();
  const auto use = [&] {
    const SafetensorsFile read(path_);
    std::size_t total = 0;
    unsigned sum = 0;
    for (const std::string& name : read.names()) {
      if (!read.info(name).computed) continue;
      const TensorView view = read.get(name);
      EXPECT_EQ(view.bytes, static_cast<std::size_t>(view.shape.elements()) * size_of(view.dtype));
      for (const std::uint8_t byte : elements<std::uint8_t>(view)) sum += byte;
      total += view.bytes;
    }
    EXPECT_LE(total, size);
    EXPECT_LT(sum, 256U * size);
  };
  ASSERT_TRUE(attack(file, use));
  // Changed data and letters of names cannot be noticed; nearly everything else must be.
  EXPECT_LT(attack_everywhere(file, use), 9 * 60);
  EXPECT_FALSE(attack(file + "x", use));
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const char character : {'{', '}', '[', ']', '"', ',', ':', '9', '-', '\\', ' ', '\0'}) {
      std::string mutant = file;
      mutant[at] = character;
      attack(mutant, use);
    }
    std::string shorter = file;
    attack(shorter.erase(at, 1), use);
  }
}

}  // namespace
}  // namespace sinter::io
