// What the fuzz targets share: bytes as a file that is never on a disk, and promises that are kept
// or end the process, which libFuzzer reports.
#ifndef SINTER_TESTS_FUZZ_MEMORY_FILE_H_
#define SINTER_TESTS_FUZZ_MEMORY_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace sinter::fuzz {

inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t bytes)
      : descriptor_(memfd_create("fuzz", 0)),
        path_("/proc/self/fd/" + std::to_string(descriptor_)) {
    promise(descriptor_ >= 0 && write(descriptor_, data, bytes) == static_cast<ssize_t>(bytes),
            "a file in memory");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace sinter::fuzz

#endif  // SINTER_TESTS_FUZZ_MEMORY_FILE_H_
