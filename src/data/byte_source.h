// The bytes of a file, unpacked on the way when it is compressed with gzip.
#ifndef SINTER_DATA_BYTE_SOURCE_H_
#define SINTER_DATA_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"

namespace sinter::data {

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
  // the end of a compressed file also checks its checksum.
  std::size_t read(void* to, std::size_t bytes);

  // How much of the content has been read.
  std::uint64_t offset() const { return offset_; }

  // No content can be longer than this: the size of a plain file, and what gzip can make of a
  // compressed one at best.
  std::uint64_t most_bytes() const;

  bool compressed() const { return inflater_ != nullptr; }
  const std::string& path() const { return file_.path(); }

 private:
  class Inflater;

  MappedFile file_;
  std::uint64_t offset_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace sinter::data

#endif  // SINTER_DATA_BYTE_SOURCE_H_
