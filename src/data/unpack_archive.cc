#include <archive.h>
#include <archive_entry.h>

#include <new>
#include <string>

#include "data/unpacker.h"
#include "sinter/error.h"

namespace sinter::data {
namespace {

// libarchive with one filter and no archive format: the content is one stream of bytes. The filter
// is named, because libarchive's own search would also unpack what lies within, layer by layer.
class ArchiveUnpacker final : public Unpacker {
 public:
  ArchiveUnpacker(const MappedFile& file, int filter, const char* name)
      : file_(file), archive_(archive_read_new()) {
    if (archive_ == nullptr) throw std::bad_alloc();
    try {
      open(filter, name);
    } catch (...) {
      archive_read_free(archive_);
      throw;
    }
  }
  ~ArchiveUnpacker() override { archive_read_free(archive_); }
  ArchiveUnpacker(const ArchiveUnpacker&) = delete;
  ArchiveUnpacker& operator=(const ArchiveUnpacker&) = delete;

  std::size_t read(std::byte* to, std::size_t bytes) override {
    if (ended_ || bytes == 0) return 0;
    const la_ssize_t got = archive_read_data(archive_, to, bytes);
    if (got < 0) refuse_damaged();
    if (got == 0) end();
    return static_cast<std::size_t>(got);
  }

 private:
  void open(int filter, const char* name) {
    // Anything but OK: it would start a program of that name.
    if (archive_read_append_filter(archive_, filter) != ARCHIVE_OK) {
      raise({.where = file_.path(),
             .what = std::string("libarchive cannot unpack ") + name + " on this machine",
             .got = {},
             .expected = {},
             .hint = "unpack the file first"});
    }
    archive_read_support_format_raw(archive_);
    archive_read_support_format_empty(archive_);
    // A failure at the first bytes passes for an empty content, but leaves its text.
    if (archive_read_open_memory(archive_, file_.data(), file_.size()) != ARCHIVE_OK ||
        archive_error_string(archive_) != nullptr) {
      refuse_damaged();
    }
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(archive_, &entry);
    if (status != ARCHIVE_OK && status != ARCHIVE_EOF) refuse_damaged();
    if (status == ARCHIVE_EOF) end();
  }

  // For bzip2: the others' libraries find it themselves.
  void end() {
    ended_ = true;
    if (consumed() != file_.size()) refuse("something else follows the compressed data", {});
  }

  std::size_t consumed() const {
    return static_cast<std::size_t>(archive_filter_bytes(archive_, -1));
  }

  [[noreturn]] void refuse_damaged() const {
    const char* text = archive_error_string(archive_);
    refuse("the compressed data is damaged or ends too early",
           text == nullptr ? "" : " (" + std::string(text) + ")");
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& why) const {
    raise(
        {.where = file_.path(),
         .what = what + why + ", at or before byte " + std::to_string(consumed()) + " of the file",
         .got = {},
         .expected = {},
         .hint = "is the download complete?"});
  }

  const MappedFile& file_;
  archive* archive_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Unpacker> open_bzip2(const MappedFile& file) {
  return std::make_unique<ArchiveUnpacker>(file, ARCHIVE_FILTER_BZIP2, "bzip2");
}
std::unique_ptr<Unpacker> open_xz(const MappedFile& file) {
  return std::make_unique<ArchiveUnpacker>(file, ARCHIVE_FILTER_XZ, "xz");
}
std::unique_ptr<Unpacker> open_zstd(const MappedFile& file) {
  return std::make_unique<ArchiveUnpacker>(file, ARCHIVE_FILTER_ZSTD, "zstd");
}

}  // namespace sinter::data
