// Text with indentation, put together line by line.
#ifndef SINTER_BACKEND_CUDA_GROUPS_KERNEL_TEXT_H_
#define SINTER_BACKEND_CUDA_GROUPS_KERNEL_TEXT_H_

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <utility>

namespace sinter::backend::cuda {

class KernelText {
 public:
  template <class... Values>
  void line(fmt::format_string<Values...> format, Values&&... values) {
    text_.append(indent_, ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    text_ += '\n';
  }
  // A line that opens a block with its last character, which close() ends.
  template <class... Values>
  void open(fmt::format_string<Values...> format, Values&&... values) {
    line(format, std::forward<Values>(values)...);
    indent_ += 2;
  }
  void close(const char* end = "}") {
    indent_ -= 2;
    line("{}", end);
  }
  void unroll() { text_ += "#pragma unroll\n"; }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::size_t indent_ = 2;  // within the kernel's braces
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_KERNEL_TEXT_H_
