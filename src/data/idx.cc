#include "data/idx.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "data/byte_source.h"
#include "sinter/error.h"

namespace sinter::data {
namespace {

static_assert(std::endian::native == std::endian::little, "the conversion below swaps bytes");

constexpr int kMaxRank = 8;

// The element types that the third byte of a file names.
struct ElementType {
  std::uint8_t code;
  Dtype dtype;             // in memory
  std::size_t file_bytes;  // of one element in the file
};
constexpr ElementType kElementTypes[] = {
    {0x08, Dtype::u8, 1},  {0x09, Dtype::i32, 1}, {0x0B, Dtype::i32, 2},
    {0x0C, Dtype::i32, 4}, {0x0D, Dtype::f32, 4}, {0x0E, Dtype::f64, 8},
};

struct Header {
  ElementType type;
  std::vector<std::int64_t> shape;
  std::uint64_t data_bytes;  // in the file
};

std::string at_byte(std::uint64_t offset) { return " at byte " + std::to_string(offset); }

std::string hex(unsigned byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  return {'0', 'x', digits[byte / 16 % 16], digits[byte % 16]};
}

void read_header_bytes(ByteSource& source, std::uint8_t* to, std::size_t bytes) {
  if (source.read(to, bytes) == bytes) return;
  raise({.where = source.path(),
         .what = "the idx header ends too early," + at_byte(source.offset()),
         .got = {},
         .expected = {},
         .hint = {}});
}

ElementType element_type(const ByteSource& source, std::uint8_t code) {
  for (const ElementType& type : kElementTypes) {
    if (type.code == code) return type;
  }
  raise({.where = source.path(),
         .what = "unknown idx element type" + at_byte(2),
         .got = hex(code),
         .expected = "0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d (f32) or 0x0e (f64)",
         .hint = {}});
}

Header read_header(ByteSource& source) {
  std::array<std::uint8_t, 4> magic{};
  read_header_bytes(source, magic.data(), magic.size());
  if (magic[0] != 0 || magic[1] != 0) {
    raise({.where = source.path(),
           .what = "not an idx file: wrong first bytes" + at_byte(0),
           .got = hex(magic[0]) + " " + hex(magic[1]),
           .expected = "0x00 0x00",
           .hint = {}});
  }
  Header header{.type = element_type(source, magic[2]), .shape = {}, .data_bytes = 0};
  if (magic[3] < 1 || magic[3] > kMaxRank) {
    raise({.where = source.path(),
           .what = "the number of axes is out of range," + at_byte(3),
           .got = std::to_string(magic[3]),
           .expected = "1 to " + std::to_string(kMaxRank),
           .hint = {}});
  }

  // A product that overflows is more than any file can hold, which read_data() refuses, unless a
  // later length is 0.
  std::uint64_t bytes = header.type.file_bytes;
  for (int axis = 0; axis < magic[3]; ++axis) {
    std::array<std::uint8_t, 4> big_endian{};
    read_header_bytes(source, big_endian.data(), big_endian.size());
    std::uint64_t length = 0;
    for (const std::uint8_t byte : big_endian) length = length << 8 | byte;
    header.shape.push_back(static_cast<std::int64_t>(length));
    if (__builtin_mul_overflow(bytes, length, &bytes)) bytes = UINT64_MAX;
  }
  header.data_bytes = bytes;
  return header;
}

// The elements as the file has them.
std::vector<std::uint8_t> read_data(ByteSource& source, std::uint64_t bytes) {
  const std::uint64_t header_bytes = source.offset();
  const auto refuse_short = [&](std::uint64_t end) {
    raise({.where = source.path(),
           .what = "the data ends too early," + at_byte(end),
           .got = std::to_string(end - header_bytes) + " bytes of data",
           .expected = std::to_string(bytes) + ", as the header says",
           .hint = "is the file complete?"});
  };
  const std::uint64_t most = source.most_bytes();
  if (bytes > most) {
    if (!source.compressed()) refuse_short(most);
    raise({.where = source.path(),
           .what = "the header, up to byte " + std::to_string(header_bytes) +
                   ", declares more data than a compressed file of this size, or this machine's "
                   "memory, can hold",
           .got = std::to_string(bytes) + " bytes",
           .expected = "at most " + std::to_string(most),
           .hint = {}});
  }

  constexpr std::size_t kFirstPiece = std::size_t{1} << 20;
  const auto total = static_cast<std::size_t>(bytes);
  std::vector<std::uint8_t> data;
  std::size_t filled = 0;
  while (filled < total) {
    const std::size_t piece = source.compressed() ? std::max(kFirstPiece, filled) : total;
    data.resize(filled + std::min(piece, total - filled));
    const std::size_t got = source.read(data.data() + filled, data.size() - filled);
    filled += got;
    if (filled < data.size()) refuse_short(source.offset());
  }
  std::uint8_t surplus = 0;
  const std::uint64_t end = source.offset();
  if (source.read(&surplus, 1) != 0) {
    raise({.where = source.path(),
           .what = "more data than the header declares, from byte " + std::to_string(end),
           .got = {},
           .expected = std::to_string(bytes) + " bytes of data",
           .hint = {}});
  }
  return data;
}

void swap_bytes(std::vector<std::uint8_t>& data, std::size_t element_bytes) {
  if (element_bytes == 1) return;
  for (std::size_t at = 0; at < data.size(); at += element_bytes) {
    std::reverse(data.begin() + static_cast<std::ptrdiff_t>(at),
                 data.begin() + static_cast<std::ptrdiff_t>(at + element_bytes));
  }
}

// Elements of T, in this machine's byte order, as i32.
template <class T>
std::vector<std::uint8_t> widen(const std::vector<std::uint8_t>& narrow) {
  std::vector<std::uint8_t> wide(narrow.size() / sizeof(T) * sizeof(std::int32_t));
  for (std::size_t i = 0; i < narrow.size() / sizeof(T); ++i) {
    T from = 0;
    std::memcpy(&from, narrow.data() + i * sizeof(T), sizeof(T));
    const std::int32_t to = from;
    std::memcpy(wide.data() + i * sizeof(to), &to, sizeof(to));
  }
  return wide;
}

}  // namespace

IdxArray read_idx(const std::string& path) {
  ByteSource source(path);
  Header header = read_header(source);
  std::vector<std::uint8_t> data = read_data(source, header.data_bytes);
  swap_bytes(data, header.type.file_bytes);
  if (header.type.dtype == Dtype::i32 && header.type.file_bytes == 1) {
    data = widen<std::int8_t>(data);
  } else if (header.type.dtype == Dtype::i32 && header.type.file_bytes == 2) {
    data = widen<std::int16_t>(data);
  }
  return {.dtype = header.type.dtype, .shape = std::move(header.shape), .bytes = std::move(data)};
}

}  // namespace sinter::data
