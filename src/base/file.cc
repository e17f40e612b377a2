#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "sinter/error.h"

namespace sinter {
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";

[[noreturn]] void raise_system(const std::string& path, const char* what, int code) {
  raise({.where = path,
         .what = std::string(what) + ": " + std::generic_category().message(code),
         .got = {},
         .expected = {},
         .hint = {}});
}

[[noreturn]] void raise_too_large(const std::string& path, std::size_t limit) {
  raise({.where = path,
         .what = "the file is too large",
         .got = "more than " + std::to_string(limit) + " bytes",
         .expected = {},
         .hint = {}});
}

// Closes on destruction.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

int open_retrying(const char* path, int flags, mode_t mode = 0) {
  int descriptor = 0;
  do {
    descriptor = open(path, flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

// The folder that `path` lies in, and the name that it has there.
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// A living writer holds the lock of its temporary; who gets the lock knows that the writer is gone.
bool lock_at_once(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB) == 0; }

// Removes what killed processes left of `path`. Failing to is no reason to fail.
void remove_leftovers(const std::string& path) {
  const auto [folder, name] = split(path);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), &closedir);
  if (entries == nullptr) return;
  const std::string prefix = name + std::string(kTemporaryMark);
  while (const dirent* entry = readdir(entries.get())) {
    if (std::string_view(entry->d_name).substr(0, prefix.size()) != prefix) continue;
    const std::string leftover = folder + "/" + entry->d_name;
    const Descriptor file(open_retrying(leftover.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    if (file.get() >= 0 && lock_at_once(file.get())) unlink(leftover.c_str());
  }
}

// File systems that cannot sync a folder say so with EINVAL; there is nothing else to do for them.
bool sync_folder(const std::string& folder) {
  const Descriptor descriptor(open_retrying(folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (descriptor.get() < 0) return false;
  return fsync(descriptor.get()) == 0 || errno == EINVAL || errno == ENOTSUP;
}

}  // namespace

std::string read_file(const std::string& path, std::size_t limit) {
  const Descriptor file(open_retrying(path.c_str(), O_RDONLY));
  if (file.get() < 0) raise_system(path, "cannot be opened", errno);
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) raise_system(path, "cannot be read", errno);

  // The size is only a hint: devices, pipes and /proc say 0, and a file may grow. One byte more
  // than that is asked for, to see the end.
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  const auto hint = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  if (hint > limit) raise_too_large(path, limit);
  std::string content;
  std::size_t filled = 0;
  while (true) {
    if (filled == content.size()) {
      const std::size_t wanted = std::max({filled + filled / 2, hint + 1, kPiece});
      content.resize(limit < wanted ? limit + 1 : wanted);
    }
    const ssize_t got = read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) raise_system(path, "cannot be read", errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > limit) raise_too_large(path, limit);
  }
  content.resize(filled);
  return content;
}

void create_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) raise_system(path, "the folder cannot be created", error.value());
}

FolderLock::FolderLock(const std::string& folder)
    : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) raise_system(folder, "the folder cannot be opened", errno);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  close(descriptor_);
  // File systems without locks: better an unlocked run than none.
  descriptor_ = -1;
  if (error != EWOULDBLOCK) return;
  raise({.where = folder,
         .what = "another process is at work in this folder",
         .got = {},
         .expected = {},
         .hint = "wait for it, or name another folder"});
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  const std::string name = split(path_).second;
  if (name.empty() || name == "." || name == "..") {
    raise({.where = path_.empty() ? "file" : path_,
           .what = "the path names no file",
           .got = "\"" + path_ + "\"",
           .expected = {},
           .hint = {}});
  }
  remove_leftovers(path_);
  create_temporary();
  struct stat old = {};
  if (lstat(path_.c_str(), &old) == 0) {
    if (S_ISDIR(old.st_mode)) {
      errno = EISDIR;
      fail("cannot be written");
    }
    if (S_ISREG(old.st_mode) && fchmod(descriptor_, old.st_mode & 07777) != 0) {
      fail("cannot be written");
    }
  }
}

void AtomicFile::create_temporary() {
  static std::atomic<unsigned> counter{0};
  while (true) {
    const unsigned number = counter.fetch_add(1);
    const std::string name = path_ + std::string(kTemporaryMark) + std::to_string(getpid()) + "-" +
                             std::to_string(number);
    const int descriptor = open_retrying(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (descriptor < 0 && errno == EEXIST) continue;  // of another machine, on a shared disk
    if (descriptor < 0) raise_system(path_, "cannot be written", errno);
    descriptor_ = descriptor;
    temporary_ = name;
    // Between open and flock another process may have taken it for a leftover. Where there are no
    // locks, nobody gets one to remove it either.
    struct stat status = {};
    const bool contested = !lock_at_once(descriptor) && errno == EWOULDBLOCK;
    if (fstat(descriptor, &status) != 0) fail("cannot be written");
    if (!contested && status.st_nlink != 0) return;
    discard();
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  temporary_.clear();
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
}

void AtomicFile::fail(const char* what) {
  const int code = errno;
  discard();
  raise_system(path_, what, code);
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, from, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail("cannot be written to the disk");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be replaced");
  temporary_.clear();
  const int descriptor = std::exchange(descriptor_, -1);
  if (close(descriptor) != 0) raise_system(path_, "cannot be written to the disk", errno);
  if (!sync_folder(split(path_).first)) {
    raise_system(path_, "its folder cannot be written to the disk", errno);
  }
}

void write_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const Descriptor file(open_retrying(path_.c_str(), O_RDONLY | O_NONBLOCK));
  if (file.get() < 0) raise_system(path_, "cannot be opened", errno);
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) raise_system(path_, "cannot be read", errno);
  if (S_ISDIR(status.st_mode)) raise_system(path_, "cannot be read", EISDIR);
  if (!S_ISREG(status.st_mode)) {
    raise({.where = path_, .what = "not a regular file", .got = {}, .expected = {}, .hint = {}});
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) raise_system(path_, "cannot be mapped", errno);
  data_ = static_cast<const std::byte*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace sinter
