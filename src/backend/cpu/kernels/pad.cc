// Zeros around a tensor, of any type: zero is all bits zero in each of them.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 32 * 1024;

struct Axis {
  std::int64_t low, length, total;  // total = low + length + high
};

// Rows of the result: the innermost padded axis with all axes after it, in bytes.
class Pad final : public PreparedKernel {
 public:
  explicit Pad(const KernelCall& call) {
    const Shape& x = call.inputs[0].shape;
    const Shape& y = call.outputs[0].shape;
    const auto& low = call.attributes.integers("low");
    row_ = {0, 1, 1};
    bool padded = false;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      const std::int64_t before = low[static_cast<std::size_t>(axis)];
      if (padded) {
        outer_[count_++] = {before, x[axis], y[axis]};  // innermost first
      } else {
        row_ = {before * row_.total, x[axis] * row_.total, y[axis] * row_.total};
        padded = x[axis] != y[axis];
      }
    }
    const auto size = static_cast<std::int64_t>(size_of(call.input_dtypes[0]));
    row_ = {row_.low * size, row_.length * size, row_.total * size};
    rows_ = row_.total == 0 ? 0 : y.elements() * size / row_.total;
  }

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* from = static_cast<const char*>(inputs[0]);
    auto* to = static_cast<char*>(outputs[0]);
    if (rows_ == 0) return;
    parallel_for(rows_, std::max<std::int64_t>(1, kGrainBytes / row_.total),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     write_row(from, row, to + row * row_.total);
                   }
                 });
  }

 private:
  void write_row(const char* from, std::int64_t row, char* to) const {
    std::int64_t source = 0, stride = 1;
    for (std::size_t i = 0; i < count_; ++i) {
      const std::int64_t position = row % outer_[i].total - outer_[i].low;
      row /= outer_[i].total;
      if (position < 0 || position >= outer_[i].length) {
        std::memset(to, 0, static_cast<std::size_t>(row_.total));
        return;
      }
      source += position * stride;
      stride *= outer_[i].length;
    }
    const std::int64_t end = row_.low + row_.length;
    std::memset(to, 0, static_cast<std::size_t>(row_.low));
    if (row_.length > 0) {
      std::memcpy(to + row_.low, from + source * row_.length,
                  static_cast<std::size_t>(row_.length));
    }
    std::memset(to + end, 0, static_cast<std::size_t>(row_.total - end));
  }

  std::array<Axis, Shape::kMaxRank> outer_{};
  std::size_t count_ = 0;
  Axis row_{};
  std::int64_t rows_ = 0;
};

std::unique_ptr<PreparedKernel> prepare_pad(const KernelCall& call) {
  return std::make_unique<Pad>(call);
}

}  // namespace

const Kernel kPad{.accepts = nullptr, .prepare = prepare_pad};

}  // namespace sinter::backend::cpu
