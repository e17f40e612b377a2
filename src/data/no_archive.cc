#include <string>

#include "data/unpacker.h"
#include "sinter/error.h"

// In place of unpack_archive.cc where SINTER_ARCHIVE is off.
namespace sinter::data {
namespace {

[[noreturn]] void refuse(const MappedFile& file, const char* name) {
  raise({.where = file.path(),
         .what = std::string("this Sinter was built without libarchive, which unpacks ") + name,
         .got = {},
         .expected = "a plain or gzip file",
         .hint = "unpack the file first, or build with SINTER_ARCHIVE=ON"});
}

}  // namespace

std::unique_ptr<Unpacker> open_bzip2(const MappedFile& file) { refuse(file, "bzip2"); }
std::unique_ptr<Unpacker> open_xz(const MappedFile& file) { refuse(file, "xz"); }
std::unique_ptr<Unpacker> open_zstd(const MappedFile& file) { refuse(file, "zstd"); }

}  // namespace sinter::data
