#include "data/unpacker.h"

#include <cstring>

namespace sinter::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr Compression kCompressions[] = {
    // Deflate makes at most 258 bytes of 2 bits.
    {".gz", "\x1f\x8b"sv, 1032, open_gzip},
    // LZMA makes at most 273 bytes of 14 decisions of a 44th bit each: 7,045 of one byte.
    {".xz",
     "\xfd"
     "7zXZ\0"sv,
     8192, open_xz},
    // A block of 128 KiB takes at least 4 bytes.
    {".zst", "\x28\xb5\x2f\xfd"sv, 32768, open_zstd},
    // A block of 900,000 bytes, of which 5 stand for up to 259, takes at least 32.
    {".bz2", "BZh"sv, 1'500'000, open_bzip2},
};

}  // namespace

std::span<const Compression> compressions() { return kCompressions; }

const Compression* compression_of(const MappedFile& file) {
  for (const Compression& each : kCompressions) {
    if (file.size() >= each.magic.size() &&
        std::memcmp(file.data(), each.magic.data(), each.magic.size()) == 0) {
      return &each;
    }
  }
  return nullptr;
}

}  // namespace sinter::data
