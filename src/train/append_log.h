// Files that grow line by line.
#ifndef SINTER_TRAIN_APPEND_LOG_H_
#define SINTER_TRAIN_APPEND_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace sinter::train {

// A file open for appending. Failures are Errors that name the path.
class AppendLog {
 public:
  AppendLog() = default;
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;

  // Opens or makes the file and cuts off what lies behind `bytes`. Throws Error when it is shorter.
  void open(const std::string& path, std::int64_t bytes);
  // Opens or makes the file and keeps all that it holds.
  void open_at_end(const std::string& path);

  void append(std::string_view text);
  // Waits until the content would survive a power failure.
  void sync();
  std::int64_t bytes() const { return bytes_; }

 private:
  [[noreturn]] void fail(const char* what) const;
  void open_file(const std::string& path);

  std::string path_;
  int descriptor_ = -1;
  std::int64_t bytes_ = 0;
};

}  // namespace sinter::train

#endif  // SINTER_TRAIN_APPEND_LOG_H_
