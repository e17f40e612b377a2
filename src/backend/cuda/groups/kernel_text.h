// Text with indentation, put together line by line, and the numbers that it takes as arguments.
#ifndef SINTER_BACKEND_CUDA_GROUPS_KERNEL_TEXT_H_
#define SINTER_BACKEND_CUDA_GROUPS_KERNEL_TEXT_H_

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

  // A number that the kernel is given at each launch, so that another one needs no other kernel:
  // its name in the text. `role` says what it is the number of, by the structure of the group
  // alone; the same role is the same argument.
  std::string argument(const std::string& role, std::uint64_t value) {
    const auto [found, is_new] = roles_.try_emplace(role, numbers_.size());
    if (is_new) numbers_.push_back(value);
    return "n" + std::to_string(found->second);
  }
  // Of all arguments, in order.
  const std::vector<std::uint64_t>& numbers() const { return numbers_; }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::map<std::string, std::size_t> roles_;
  std::vector<std::uint64_t> numbers_;
  std::size_t indent_ = 2;  // within the kernel's braces
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_KERNEL_TEXT_H_
