#include "data/idx.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "../base/damaged_file.h"
#include "packed.h"
#include "sinter/error.h"
#include "source_path.h"

namespace sinter::data {
namespace {

// A file: the magic number of `code`, the lengths, the data.
std::string idx(int code, std::initializer_list<std::uint32_t> lengths, const std::string& data) {
  std::string file = {0, 0, static_cast<char>(code), static_cast<char>(lengths.size())};
  for (const std::uint32_t length : lengths) {
    for (const int shift : {24, 16, 8, 0}) file.push_back(static_cast<char>(length >> shift));
  }
  return file + data;
}

std::string gzip(const std::string& content) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// The formats that libarchive unpacks.
struct Packing {
  const char* name;
  int filter;
};
constexpr Packing kPackings[] = {
    {"xz", ARCHIVE_FILTER_XZ}, {"zstd", ARCHIVE_FILTER_ZSTD}, {"bzip2", ARCHIVE_FILTER_BZIP2}};

// Bytes that no compression makes smaller.
std::string noise(std::size_t bytes) {
  std::string result(bytes, '\0');
  std::uint32_t state = 1;
  for (char& c : result) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return result;
}

class Idx : public DamagedFileTest {
 protected:
  IdxArray read(const std::string& content) const {
    put(content);
    return read_idx(path_);
  }
  std::string refusal(const std::string& content) const {
    return message_of([&] { read(content); });
  }
};

template <class T>
std::vector<T> elements(const IdxArray& array) {
  EXPECT_EQ(array.dtype, dtype_of<T>);
  std::vector<T> values(array.bytes.size() / sizeof(T));
  std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
  return values;
}

TEST_F(Idx, ReadsBytesWithTheirShape) {
  const IdxArray array = read(idx(0x08, {2, 3}, "abcdef"));
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(elements<std::uint8_t>(array),
            (std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
}

TEST_F(Idx, ConvertsFromBigEndian) {
  using std::string_literals::operator""s;
  EXPECT_EQ(elements<std::int32_t>(read(idx(0x09, {3}, "\x01\xff\x80"s))),
            (std::vector<std::int32_t>{1, -1, -128}));
  EXPECT_EQ(elements<std::int32_t>(read(idx(0x0B, {3}, "\x01\x02\xff\xfe\x80\x00"s))),
            (std::vector<std::int32_t>{0x0102, -2, -32768}));
  EXPECT_EQ(elements<std::int32_t>(read(idx(0x0C, {2}, "\x01\x02\x03\x04\xff\xff\xff\xfe"s))),
            (std::vector<std::int32_t>{0x01020304, -2}));
  EXPECT_EQ(elements<float>(read(idx(0x0D, {2}, "\x3f\x80\x00\x00\xc0\x49\x0f\xdb"s))),
            (std::vector<float>{1.0f, -3.14159274f}));
  EXPECT_EQ(elements<double>(read(idx(0x0E, {1}, "\x40\x09\x21\xfb\x54\x44\x2d\x18"s))),
            (std::vector<double>{3.141592653589793}));
}

TEST_F(Idx, ReadsCompressedFilesInOneOrMoreMembers) {
  const std::string file = idx(0x08, {3, 1000000}, std::string(3000000, 'x'));
  EXPECT_EQ(read(gzip(file)).bytes.size(), 3000000U);
  const std::string parts = gzip(file.substr(0, 5)) + gzip("") + gzip(file.substr(5));
  const IdxArray array = read(parts);
  EXPECT_EQ(array.bytes, std::vector<std::uint8_t>(3000000, 'x'));
}

TEST_F(Idx, ReadsEveryCompressionInOneOrMoreStreams) {
  const std::string file = idx(0x08, {3, 100000}, noise(300000));
  const IdxArray plain = read(file);
  for (const auto& [name, filter] : kPackings) {
    EXPECT_EQ(read(packed(file, filter)).bytes, plain.bytes) << name;
    const IdxArray parts = read(packed(file.substr(0, 5), filter) + packed(file.substr(5), filter));
    EXPECT_EQ(parts.bytes, plain.bytes) << name;
    EXPECT_EQ(read(packed(idx(0x0D, {5, 0, 7}, ""), filter)).shape,
              (std::vector<std::int64_t>{5, 0, 7}));
    EXPECT_EQ(refusal(packed("", filter)), "the idx header ends too early, at byte 0") << name;
  }
}

TEST_F(Idx, ReadsEmptyArrays) {
  EXPECT_EQ(read(idx(0x08, {0}, "")).bytes.size(), 0U);
  EXPECT_EQ(read(gzip(idx(0x0D, {5, 0, 7}, ""))).shape, (std::vector<std::int64_t>{5, 0, 7}));
}

TEST_F(Idx, RefusesWhatIsNoIdxFile) {
  EXPECT_EQ(refusal(""), "the idx header ends too early, at byte 0");
  EXPECT_EQ(refusal(idx(0x08, {2, 3}, "").substr(0, 3)),
            "the idx header ends too early, at byte 3");
  EXPECT_EQ(refusal(idx(0x08, {2, 3}, "").substr(0, 10)),
            "the idx header ends too early, at byte 10");
  EXPECT_EQ(refusal("PK\x03\x04"),
            "not an idx file: wrong first bytes at byte 0; got 0x50 0x4b; expected 0x00 0x00");
  EXPECT_NE(refusal(idx(0x0A, {1}, "a")).find("element type at byte 2; got 0x0a"),
            std::string::npos);
  EXPECT_EQ(refusal(idx(0x08, {}, "")),
            "the number of axes is out of range, at byte 3; got 0; expected 1 to 8");
  EXPECT_NE(refusal(idx(0x08, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "a")).find("at byte 3; got 9"),
            std::string::npos);
}

TEST_F(Idx, RefusesTooFewAndTooManyBytes) {
  EXPECT_EQ(
      refusal(idx(0x08, {2, 3}, "abcde")),
      "the data ends too early, at byte 17; got 5 bytes of data; expected 6, as the header says; "
      "is the file complete?");
  EXPECT_EQ(refusal(gzip(idx(0x08, {2, 3}, "abcde"))), refusal(idx(0x08, {2, 3}, "abcde")));
  EXPECT_EQ(refusal(idx(0x08, {2, 3}, "abcdefg")),
            "more data than the header declares, from byte 18; expected 6 bytes of data");
  EXPECT_EQ(refusal(gzip(idx(0x08, {2, 3}, "abcdefg"))), refusal(idx(0x08, {2, 3}, "abcdefg")));
  EXPECT_NE(refusal(idx(0x0C, {2}, "abcd")).find("got 4 bytes of data; expected 8"),
            std::string::npos);
}

TEST_F(Idx, RefusesHugeLengthsWithoutTakingMemory) {
  constexpr std::uint32_t kMost = 0xffffffff;
  for (const std::string& header :
       {idx(0x08, {kMost}, "a"), idx(0x0E, {kMost, kMost}, "a"),
        idx(0x08, {1u << 31, 2, 1u << 31}, ""),
        idx(0x08, {1u << 31, 1u << 31, 4}, "a"),  // 2^64: 0 after an overflow
        idx(0x0E, {1u << 31, 1u << 30, 1, 1, 1, 1, 1, 1}, "a"),
        idx(0x08, {kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost}, "a")}) {
    EXPECT_NE(refusal(header).find("the data ends too early"), std::string::npos);
    EXPECT_LT(largest_allocation, kMegabyte);
    EXPECT_NE(refusal(gzip(header)).find("declares more data than a compressed file of this size"),
              std::string::npos);
    EXPECT_LT(largest_allocation, kMegabyte);
    for (const auto& [name, filter] : kPackings) {
      const std::string message = refusal(packed(header, filter));
      // A bzip2 file may hold 1,500,000 times its bytes, so that some lies are found at its end.
      EXPECT_TRUE(message.find("declares more data") != std::string::npos ||
                  message.find("the data ends too early") != std::string::npos)
          << name << ": " << message;
      EXPECT_LT(largest_allocation, 2 * kMegabyte) << name;
    }
  }
}

TEST_F(Idx, UnpacksNoMoreThanTheHeaderDeclares) {
  const std::string file = idx(0x08, {10}, std::string(64 * kMegabyte, '\0'));
  std::vector<std::string> bombs = {gzip(file)};
  for (const Packing& each : kPackings) bombs.push_back(packed(file, each.filter));
  for (const std::string& bomb : bombs) {
    ASSERT_LT(bomb.size(), kMegabyte);
    EXPECT_NE(refusal(bomb).find("more data than the header declares"), std::string::npos);
    EXPECT_LT(largest_allocation, kMegabyte);
  }
}

// The lie is within what the file could hold, so it is found only where the data stops.
TEST_F(Idx, TakesMemoryOnlyAsTheDataArrives) {
  const std::string file = idx(0x08, {900 * (1u << 20)}, noise(kMegabyte));
  std::vector<std::string> lies = {gzip(file)};
  for (const Packing& each : kPackings) lies.push_back(packed(file, each.filter));
  for (const std::string& lie : lies) {
    EXPECT_NE(refusal(lie).find("the data ends too early, at byte 1048584"), std::string::npos);
    EXPECT_LE(largest_allocation, 4 * kMegabyte);
  }
}

TEST_F(Idx, RefusesDamagedCompression) {
  const std::string packed = gzip(idx(0x08, {4}, "abcd"));
  EXPECT_NE(refusal(packed.substr(0, packed.size() - 1)).find("compressed data ends too early"),
            std::string::npos);
  std::string damaged = packed;
  damaged[packed.size() - 8] ^= 1;
  EXPECT_NE(refusal(damaged).find("damaged (incorrect data check), at byte "), std::string::npos);
  EXPECT_NE(refusal(packed + "x")
                .find("something else follows the compressed data, at byte " +
                      std::to_string(packed.size())),
            std::string::npos);
}

TEST_F(Idx, RefusesDamageInEveryCompression) {
  const std::string file = idx(0x08, {300000}, noise(300000));
  for (const auto& [name, filter] : kPackings) {
    const std::string whole = packed(file, filter);
    for (const std::size_t size : {whole.size() - 1, whole.size() / 2, std::size_t{20}}) {
      EXPECT_NE(refusal(whole.substr(0, size)).find("is damaged or ends too early ("),
                std::string::npos)
          << name;
    }
    EXPECT_NE(refusal(whole + "xyz").find(" of the file; is the download complete?"),
              std::string::npos)
        << name;
    // zstd's checksum is left out by those who write it fast.
    if (filter == ARCHIVE_FILTER_ZSTD) continue;
    std::string damaged = whole;
    damaged[whole.size() / 2] ^= 1;
    EXPECT_NE(refusal(damaged), "nothing was thrown") << name;
    damaged = whole;
    damaged[whole.size() - 4] ^= 2;  // in the checksum of the whole
    EXPECT_NE(refusal(damaged).find("is damaged or ends too early ("), std::string::npos) << name;
  }
}

// What lies within compressed data is data.
TEST_F(Idx, UnpacksOneLayer) {
  const std::string file = idx(0x08, {4}, "abcd");
  for (const auto& [name, filter] : kPackings) {
    EXPECT_NE(refusal(packed(packed(file, filter), filter)).find("not an idx file"),
              std::string::npos)
        << name;
    EXPECT_NE(refusal(gzip(packed(file, filter))).find("not an idx file"), std::string::npos);
  }
}

TEST_F(Idx, RefusesFoldersAndMissingFiles) {
  EXPECT_THROW(read_idx(folder_.path()), Error);
  EXPECT_THROW(read_idx(folder_ / "none"), Error);
}

// Every truncation and every change of one byte is either an Error or still a consistent array.
TEST_F(Idx, NeverCrashesOnDamage) {
  const std::string plain = idx(0x0C, {2, 3}, std::string(24, 'x'));
  const auto use = [&] {
    const IdxArray array = read_idx(path_);
    std::uint64_t bytes = size_of(array.dtype);
    for (const std::int64_t length : array.shape) bytes *= static_cast<std::uint64_t>(length);
    EXPECT_EQ(array.bytes.size(), bytes);
  };
  std::vector<std::string> files = {plain, gzip(plain)};
  for (const Packing& each : kPackings) files.push_back(packed(plain, each.filter));
  for (const std::string& file : files) attack_everywhere(file, use);
}

TEST_F(Idx, ReadsFashionMnist) {
  const std::string folder = tests::source_path("../shared/data/fashion-mnist/");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "not on this machine: " << folder;
  const IdxArray images = read_idx(folder + "train-images-idx3-ubyte.xz");
  EXPECT_EQ(images.shape, (std::vector<std::int64_t>{60000, 28, 28}));
  EXPECT_EQ(images.bytes.size(), 60000U * 28 * 28);
}

TEST_F(Idx, ReadsMnist) {
  const std::string folder = tests::source_path("../shared/data/mnist/");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "MNIST is not on this machine: " << folder;
  const IdxArray images = read_idx(folder + "train-images-idx3-ubyte.gz");
  EXPECT_EQ(images.dtype, Dtype::u8);
  EXPECT_EQ(images.shape, (std::vector<std::int64_t>{60000, 28, 28}));
  EXPECT_EQ(images.bytes.size(), 60000U * 28 * 28);
  const IdxArray labels = read_idx(folder + "train-labels-idx1-ubyte.gz");
  EXPECT_EQ(labels.shape, (std::vector<std::int64_t>{60000}));
  EXPECT_EQ(std::vector<std::uint8_t>(labels.bytes.begin(), labels.bytes.begin() + 10),
            (std::vector<std::uint8_t>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));
  EXPECT_EQ(read_idx(folder + "t10k-images-idx3-ubyte.gz").shape,
            (std::vector<std::int64_t>{10000, 28, 28}));
  EXPECT_EQ(read_idx(folder + "t10k-labels-idx1-ubyte.gz").bytes.size(), 10000U);
}

}  // namespace
}  // namespace sinter::data
