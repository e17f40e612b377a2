#include "train/append_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sinter/error.h"

namespace sinter::train {

AppendLog::~AppendLog() {
  if (descriptor_ >= 0) close(descriptor_);
}

void AppendLog::fail(const char* what) const {
  const int error = errno;
  raise({.where = path_, .what = what, .got = std::strerror(error), .expected = {}, .hint = {}});
}

void AppendLog::open_file(const std::string& path) {
  path_ = path;
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot be opened for writing");
}

void AppendLog::open(const std::string& path, std::int64_t bytes) {
  open_file(path);
  const off_t size = lseek(descriptor_, 0, SEEK_END);
  if (size < 0) fail("cannot be read");
  if (size < bytes) {
    raise({.where = path,
           .what = "the file is shorter than when the checkpoint was made",
           .got = std::to_string(size) + " bytes",
           .expected = "at least " + std::to_string(bytes),
           .hint = "it was changed since; --force without --resume starts afresh"});
  }
  if (ftruncate(descriptor_, bytes) != 0) fail("cannot be cut");
  if (lseek(descriptor_, bytes, SEEK_SET) < 0) fail("cannot be written");
  bytes_ = bytes;
}

void AppendLog::open_at_end(const std::string& path) {
  open_file(path);
  const off_t size = lseek(descriptor_, 0, SEEK_END);
  if (size < 0) fail("cannot be read");
  bytes_ = size;
}

void AppendLog::append(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    text.remove_prefix(static_cast<std::size_t>(written));
    bytes_ += written;
  }
}

void AppendLog::sync() {
  // Some files, such as pipes, cannot be synced and need not be.
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail("cannot be written");
}

}  // namespace sinter::train
