#include <zlib.h>

#include <algorithm>
#include <new>
#include <string>

#include "data/unpacker.h"
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

// Unpacks the members of a gzip file, one after the other as the format allows.
class GzipUnpacker final : public Unpacker {
 public:
  explicit GzipUnpacker(const MappedFile& file) : file_(file) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipUnpacker() override { inflateEnd(&stream_); }
  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  std::size_t read(std::byte* to, std::size_t bytes) override {
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

}  // namespace

std::unique_ptr<Unpacker> open_gzip(const MappedFile& file) {
  return std::make_unique<GzipUnpacker>(file);
}

}  // namespace sinter::data
