// The bytes of a file, unpacked on the way when it is compressed (gzip, xz, zstd, bzip2).
#ifndef SINTER_DATA_BYTE_SOURCE_H_
#define SINTER_DATA_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"

namespace sinter::data {

struct Compression;
class Unpacker;

// Reads from the start to the end, in as little memory as the caller asks for: a compressed file is
// unpacked piece by piece, so one that unpacks to a terabyte does no harm to those who stop early.
// Whether a file is compressed is told by its first bytes, not by its name. Every failure is an
// Error that names the file and, for damaged compression, the byte of the file.
class ByteSource {
 public:
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Reads `bytes` bytes, fewer only when the content ends before; gives the number read. Reaching
  // the end of a compressed file also checks its checksum, where its format has one.
  std::size_t read(void* to, std::size_t bytes);

  // How much of the content has been read.
  std::uint64_t offset() const { return offset_; }

  // No content that can be held is longer than this: the size of a plain file, and of a compressed
  // one what its format can make of it at best, up to this machine's memory.
  std::uint64_t most_bytes() const;

  bool compressed() const { return compression_ != nullptr; }
  const std::string& path() const { return file_.path(); }

 private:
  MappedFile file_;
  const Compression* compression_;  // null for a plain file
  std::uint64_t offset_ = 0;
  std::unique_ptr<Unpacker> unpacker_;
};

}  // namespace sinter::data

#endif  // SINTER_DATA_BYTE_SOURCE_H_
