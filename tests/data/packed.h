// Content compressed as files are, for tests of those who read it. Needs LibArchive::LibArchive.
#ifndef SINTER_TESTS_DATA_PACKED_H_
#define SINTER_TESTS_DATA_PACKED_H_

#include <archive.h>
#include <archive_entry.h>

#include <cstddef>
#include <cstdlib>
#include <string>

namespace sinter {

// `filter`: ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD, ...
inline std::string packed(const std::string& content, int filter) {
  std::string result(content.size() + (std::size_t{1} << 16), '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_pathname(entry, "data");
  const bool written =
      archive_write_set_format_raw(writer) == ARCHIVE_OK &&
      archive_write_add_filter(writer, filter) == ARCHIVE_OK &&
      archive_write_open_memory(writer, result.data(), result.size(), &used) == ARCHIVE_OK &&
      archive_write_header(writer, entry) == ARCHIVE_OK &&
      archive_write_data(writer, content.data(), content.size()) ==
          static_cast<la_ssize_t>(content.size()) &&
      archive_write_close(writer) == ARCHIVE_OK;
  archive_entry_free(entry);
  archive_write_free(writer);
  if (!written) std::abort();
  result.resize(used);
  return result;
}

}  // namespace sinter

#endif  // SINTER_TESTS_DATA_PACKED_H_
