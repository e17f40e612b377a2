// Files: read whole, mapped, or replaced in one step. Every failure is an Error that names the path
// and says what the system said.
#ifndef SINTER_BASE_FILE_H_
#define SINTER_BASE_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sinter {

// The content of a file. Throws Error when it cannot be read or has more than `limit` bytes; no
// more than `limit` is ever read, whatever the file says about its size.
std::string read_file(const std::string& path, std::size_t limit);

// Creates a folder and those above it, as far as they do not exist.
void create_directories(const std::string& path);

// Keeps a folder for this process while it lives, also against others that ask for it this way;
// nothing is left behind however the process ends. Throws Error where another process has it.
// REQUIRES: the folder exists.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Replaces a file in one step: other processes, and this machine after a crash, see the old content
// or the new one, never a part. The new content is written to a temporary file in the same folder
// (`NAME.tmp-...`), which commit() syncs and renames. A path that is a symbolic link is replaced,
// not followed; the permissions of a file that is replaced are kept.
//
// When anything fails, the temporary is removed, the old file is as it was, and an Error is thrown.
// Temporaries that a killed process left of the same path are removed when the next one is made.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  // Removes the temporary unless commit() has succeeded.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Appends. REQUIRES: no failure and no commit() before.
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  // Makes the new content the file's. After it returns the content survives a power failure.
  void commit();

  const std::string& path() const { return path_; }

 private:
  void create_temporary();
  [[noreturn]] void fail(const char* what);
  void discard();

  std::string path_;
  std::string temporary_;  // empty when there is none
  int descriptor_ = -1;
};

// AtomicFile, for content that is at hand.
void write_file(const std::string& path, std::string_view content);

// The content of a file as read-only memory, loaded page by page when it is looked at. The file
// must not be shortened meanwhile: the system would stop the program (SIGBUS). Files that
// AtomicFile replaces stay whole, because the old one lives until it is unmapped.
class MappedFile {
 public:
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  // Null when the file is empty; aligned to a page.
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sinter

#endif  // SINTER_BASE_FILE_H_
