// Compressed files, unpacked on the way.
#ifndef SINTER_DATA_UNPACKER_H_
#define SINTER_DATA_UNPACKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/file.h"

namespace sinter::data {

// Reads the content of a compressed file from the start to the end. What it keeps besides is a
// window of the content given so far, however large a one the file asks for.
class Unpacker {
 public:
  virtual ~Unpacker() = default;

  // Gives at most `bytes` bytes, and 0 only at the end of the content. Throws Error, naming the
  // file and where in it, for data that is damaged, ends too early, does not have its own checksum
  // or is followed by something else.
  virtual std::size_t read(std::byte* to, std::size_t bytes) = 0;
};

// A format of compressed files.
struct Compression {
  std::string_view ending;  // of files' names: ".gz"
  std::string_view magic;   // their first bytes
  // No file of the format holds more than this many times its own bytes.
  std::uint64_t best_ratio;
  // REQUIRES: the file outlives the Unpacker.
  std::unique_ptr<Unpacker> (*open)(const MappedFile& file);
};

std::span<const Compression> compressions();

// The format that the first bytes tell; null for a plain file. Names do not count.
const Compression* compression_of(const MappedFile& file);

// By zlib. libarchive unpacks gzip too, but believes damaged data (it leaves the checksum unread)
// and passes over what follows.
std::unique_ptr<Unpacker> open_gzip(const MappedFile& file);
// By libarchive.
std::unique_ptr<Unpacker> open_bzip2(const MappedFile& file);
std::unique_ptr<Unpacker> open_xz(const MappedFile& file);
std::unique_ptr<Unpacker> open_zstd(const MappedFile& file);

}  // namespace sinter::data

#endif  // SINTER_DATA_UNPACKER_H_
