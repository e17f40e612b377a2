#include "data/byte_source.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "sinter/error.h"

namespace sinter::data {
namespace {

constexpr std::size_t kMagicBytes = 2;

bool starts_gzip(const std::byte* data, std::size_t bytes) {
  return bytes >= kMagicBytes && data[0] == std::byte{0x1F} && data[1] == std::byte{0x8B};
}

// zlib counts in 32 bits.
uInt piece_of(std::size_t bytes) {
  return static_cast<uInt>(std::min(bytes, std::size_t{1} << 30));
}

}  // namespace

// Unpacks the members of a gzip file, one after the other as the format allows.
class ByteSource::Inflater {
 public:
  explicit Inflater(const MappedFile& file) : file_(file) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::size_t read(std::byte* to, std::size_t bytes) {
    std::size_t filled = 0;
    while (filled < bytes && !ended_) filled += step(to + filled, bytes - filled);
    return filled;
  }

 private:
  // One call of inflate(); gives the number of bytes made.
  std::size_t step(std::byte* to, std::size_t bytes) {
    const uInt input = piece_of(file_.size() - consumed_);
    const uInt output = piece_of(bytes);
    // zlib's interface lacks a const; it does not write to its input.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(file_.data() + consumed_));
    stream_.avail_in = input;
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = output;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    consumed_ += input - stream_.avail_in;
    const std::size_t made = output - stream_.avail_out;
    if (result == Z_STREAM_END) {
      end_member();
    } else if (result == Z_BUF_ERROR ||
               (result == Z_OK && consumed_ == file_.size() && made == 0)) {
      refuse("the compressed data ends too early");
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK) {
      refuse("the compressed data is damaged" +
             (stream_.msg != nullptr ? " (" + std::string(stream_.msg) + ")" : std::string()));
    }
    return made;
  }

  void end_member() {
    if (consumed_ == file_.size()) {
      ended_ = true;
    } else if (starts_gzip(file_.data() + consumed_, file_.size() - consumed_)) {
      inflateReset(&stream_);
    } else {
      refuse("something else follows the compressed data");
    }
  }

  [[noreturn]] void refuse(const std::string& what) const {
    raise({.where = file_.path(),
           .what = what + ", at byte " + std::to_string(consumed_) + " of the file",
           .got = {},
           .expected = {},
           .hint = "is the download complete?"});
  }

  const MappedFile& file_;
  std::size_t consumed_ = 0;
  bool ended_ = false;
  z_stream stream_ = {};
};

ByteSource::ByteSource(const std::string& path) : file_(path) {
  if (starts_gzip(file_.data(), file_.size())) inflater_ = std::make_unique<Inflater>(file_);
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(void* to, std::size_t bytes) {
  std::size_t got = 0;
  if (inflater_ != nullptr) {
    got = inflater_->read(static_cast<std::byte*>(to), bytes);
  } else {
    got = std::min(bytes, file_.size() - static_cast<std::size_t>(offset_));
    if (got != 0) std::memcpy(to, file_.data() + offset_, got);
  }
  offset_ += got;
  return got;
}

std::uint64_t ByteSource::most_bytes() const {
  // Deflate makes at most 258 bytes of 2 bits, 1032 of one byte.
  constexpr std::uint64_t kBestRatio = 1032;
  return compressed() ? file_.size() * kBestRatio : file_.size();
}

}  // namespace sinter::data
