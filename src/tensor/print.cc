#include "sinter/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <vector>

#include "base/half.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

constexpr std::int64_t kMostElements = 1000;
constexpr std::int64_t kShownAtEachEnd = 3;
constexpr std::size_t kLineWidth = 80;
constexpr const char* kOpening = "tensor(";

// The positions along one axis that are shown; -1 stands for those left out.
std::vector<std::int64_t> shown_positions(std::int64_t length, bool summarised) {
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < length; ++i) {
    const bool is_inside = i >= kShownAtEachEnd && i < length - kShownAtEachEnd;
    if (!summarised || !is_inside) {
      positions.push_back(i);
    } else if (i == kShownAtEachEnd) {
      positions.push_back(-1);
    }
  }
  return positions;
}

template <class T>
T element(const std::byte* memory, std::int64_t at) {
  T value;
  std::memcpy(&value, memory + at * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

double floating_element(Dtype dtype, const std::byte* memory, std::int64_t at) {
  switch (dtype) {
    case Dtype::f32:
      return element<float>(memory, at);
    case Dtype::bf16:
      return f32_from_bf16(element<std::uint16_t>(memory, at));
    case Dtype::f16:
      return f32_from_f16(element<std::uint16_t>(memory, at));
    default:
      return element<double>(memory, at);
  }
}

std::string other_element(Dtype dtype, const std::byte* memory, std::int64_t at) {
  switch (dtype) {
    case Dtype::i32:
      return std::to_string(element<std::int32_t>(memory, at));
    case Dtype::i64:
      return std::to_string(element<std::int64_t>(memory, at));
    case Dtype::boolean:
      return element<std::uint8_t>(memory, at) != 0 ? "true" : "false";
    default:
      return std::to_string(element<std::uint8_t>(memory, at));
  }
}

// One form for all shown numbers, chosen as PyTorch does.
class NumberForm {
 public:
  void see(double x) {
    if (!std::isfinite(x)) return;
    const double size = std::fabs(x);
    largest_ = std::max(largest_, size);
    if (size > 0) smallest_ = std::min(smallest_, size);
    whole_ = whole_ && x == std::trunc(x);
  }
  std::string text(double x) const {
    if (!std::isfinite(x)) return fmt::format("{}", x);
    const bool is_wide = largest_ > 1000 * smallest_ && !whole_;
    if (largest_ >= 1e8 || is_wide || smallest_ < 1e-4) return fmt::format("{:.4e}", x);
    return whole_ ? fmt::format("{:.0f}.", x) : fmt::format("{:.4f}", x);
  }

 private:
  double largest_ = 0;
  double smallest_ = std::numeric_limits<double>::infinity();
  bool whole_ = true;
};

class Printer {
 public:
  Printer(const Tensor& host, SourceLocation location)
      : shape_(host.shape()), dtype_(host.dtype()), memory_(host.data(location)) {
    const bool summarised = host.elements() > kMostElements;
    for (const std::int64_t length : shape_) shown_.push_back(shown_positions(length, summarised));
    visit(0, 0, [&](std::int64_t at) {
      if (is_floating(dtype_)) form_.see(floating_element(dtype_, memory_, at));
    });
    visit(0, 0, [&](std::int64_t at) { width_ = std::max(width_, text_of(at).size()); });
  }

  std::string text() {
    write(0, 0, std::string(kOpening).size());
    return std::move(text_);
  }

 private:
  std::string text_of(std::int64_t at) const {
    if (!is_floating(dtype_)) return other_element(dtype_, memory_, at);
    return form_.text(floating_element(dtype_, memory_, at));
  }

  // Every shown element of the block at `offset` that the axes from `axis` on span.
  template <class F>
  void visit(int axis, std::int64_t offset, F see) const {
    if (axis == shape_.rank()) return see(offset);
    for (const std::int64_t i : shown_[static_cast<std::size_t>(axis)]) {
      if (i >= 0) visit(axis + 1, offset * shape_[axis] + i, see);
    }
  }

  void write(int axis, std::int64_t offset, std::size_t indent) {
    if (axis == shape_.rank()) {
      text_ += fmt::format("{:>{}}", text_of(offset), width_);
      return;
    }
    text_ += '[';
    const bool is_innermost = axis + 1 == shape_.rank();
    const std::size_t room = kLineWidth - std::min(kLineWidth, indent + 1);
    const std::size_t a_line = std::max<std::size_t>(1, room / (width_ + 2));
    std::size_t written = 0;
    for (const std::int64_t i : shown_[static_cast<std::size_t>(axis)]) {
      if (written > 0) {
        text_ += ',';
        if (!is_innermost) {
          text_ += std::string(static_cast<std::size_t>(shape_.rank() - axis - 1), '\n');
        } else if (written % a_line == 0) {
          text_ += '\n';
        }
        text_ += text_.back() == '\n' ? std::string(indent + 1, ' ') : " ";
      }
      if (i < 0) {
        text_ += "...";
      } else {
        write(axis + 1, offset * shape_[axis] + i, indent + 1);
      }
      ++written;
    }
    text_ += ']';
  }

  Shape shape_;
  Dtype dtype_;
  const std::byte* memory_;
  std::vector<std::vector<std::int64_t>> shown_;
  NumberForm form_;
  std::size_t width_ = 0;
  std::string text_;
};

}  // namespace

std::string to_string(const Tensor& tensor, SourceLocation location) {
  if (!tensor.defined()) return "tensor(empty handle)";
  if (tensor.impl()->payload.is_symbolic()) {
    const std::string place = location.to_string();
    raise({.where = place.empty() ? "printing" : "printing [" + place + "]",
           .what = "the value of " + tensor.to_string() +
                   " does not exist while its function is traced",
           .got = {},
           .expected = {},
           .hint = "print what the compiled function returns; to_string() of the Tensor itself is "
                   "its type"});
  }
  const Tensor host = to_host(tensor);
  if (host.elements() == 0) return std::string(kOpening) + "[], " + host.to_string() + ")";
  return kOpening + Printer(host, location).text() + ", " + host.to_string() + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  return out << to_string(tensor, SourceLocation());
}

}  // namespace sinter
