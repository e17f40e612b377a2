// A dense copy of an input with any strides: long runs by memcpy, transposes in square tiles.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

struct Axis {
  std::int64_t length, from, to;  // strides in elements
};

// Bytes of the result that make a thread worth its start.
constexpr std::int64_t kGrainBytes = 32 * 1024;
// A tile covers this many elements along the result's innermost axis.
constexpr std::int64_t kInner = 64;

// The axes of the copy, innermost last: those of length 1 left out, neighbours merged where the
// input's strides allow it.
std::vector<Axis> axes_of(const ir::Layout& input) {
  std::vector<Axis> axes;
  for (int i = 0; i < input.shape.rank(); ++i) {
    const Axis next{input.shape[i], input.strides[static_cast<std::size_t>(i)], 0};
    if (next.length == 1) continue;
    if (!axes.empty() && axes.back().from == next.from * next.length) {
      axes.back() = {axes.back().length * next.length, next.from, 0};
    } else {
      axes.push_back(next);
    }
  }
  std::int64_t stride = 1;
  for (std::size_t i = axes.size(); i-- > 0;) {
    axes[i].to = stride;
    stride *= axes[i].length;
  }
  return axes;
}

// Element offsets of number `item` in the row-major order of `axes`.
struct Offsets {
  std::int64_t from = 0, to = 0;
};
Offsets offsets_of(const std::vector<Axis>& axes, std::int64_t item) {
  Offsets result;
  for (std::size_t i = axes.size(); i-- > 0;) {
    const std::int64_t position = item % axes[i].length;
    item /= axes[i].length;
    result.from += position * axes[i].from;
    result.to += position * axes[i].to;
  }
  return result;
}

std::int64_t count_of(const std::vector<Axis>& axes) {
  std::int64_t count = 1;
  for (const Axis& axis : axes) count *= axis.length;
  return count;
}

// Runs of `run` contiguous elements, one for each place in `outer`.
template <class T>
class RunCopy final : public PreparedKernel {
 public:
  RunCopy(std::vector<Axis> outer, std::int64_t run) : outer_(std::move(outer)), run_(run) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* from = static_cast<const T*>(inputs[0]);
    auto* to = static_cast<T*>(outputs[0]);
    const std::int64_t bytes = run_ * static_cast<std::int64_t>(sizeof(T));
    if (outer_.empty()) {
      parallel_for(run_, kGrainBytes / static_cast<std::int64_t>(sizeof(T)),
                   [&](std::int64_t begin, std::int64_t end) {
                     std::memcpy(to + begin, from + begin,
                                 static_cast<std::size_t>(end - begin) * sizeof(T));
                   });
      return;
    }
    parallel_for(count_of(outer_), std::max<std::int64_t>(1, kGrainBytes / bytes),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t item = begin; item < end; ++item) {
                     const Offsets at = offsets_of(outer_, item);
                     std::memcpy(to + at.to, from + at.from, static_cast<std::size_t>(bytes));
                   }
                 });
  }

 private:
  std::vector<Axis> outer_;
  std::int64_t run_;
};

// Tiles over the result's innermost axis and the axis along which the input's elements lie closest.
// A tile is read line by line into a buffer and written from there, so that every cache line of the
// input is touched once, also where the lines of a tile fall into the same set of the cache.
template <class T>
class TileCopy final : public PreparedKernel {
 public:
  TileCopy(std::vector<Axis> outer, const Axis& across, const Axis& inner)
      : outer_(std::move(outer)),
        across_(across),
        inner_(inner),
        across_tiles_((across.length + kAcross - 1) / kAcross),
        inner_tiles_((inner.length + kInner - 1) / kInner) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* from = static_cast<const T*>(inputs[0]);
    auto* to = static_cast<T*>(outputs[0]);
    const std::int64_t tile_bytes = std::min(across_.length, kAcross) *
                                    std::min(inner_.length, kInner) *
                                    static_cast<std::int64_t>(sizeof(T));
    parallel_for(count_of(outer_) * across_tiles_ * inner_tiles_,
                 std::max<std::int64_t>(1, kGrainBytes / tile_bytes),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t item = begin; item < end; ++item) copy_tile(item, from, to);
                 });
  }

 private:
  // A cache line of the input.
  static constexpr std::int64_t kAcross = 64 / static_cast<std::int64_t>(sizeof(T));

  // Four rows of `columns` elements from as many columns of a tile, in blocks of 4 x 4.
  static void transpose_rows(const T* tile, std::int64_t columns, T* to, std::int64_t stride) {
    typedef T Four __attribute__((vector_size(4 * sizeof(T))));
    std::int64_t column = 0;
    for (; column + 4 <= columns; column += 4) {
      Four a, b, c, d;
      std::memcpy(&a, tile + column * kAcross, sizeof(a));
      std::memcpy(&b, tile + (column + 1) * kAcross, sizeof(b));
      std::memcpy(&c, tile + (column + 2) * kAcross, sizeof(c));
      std::memcpy(&d, tile + (column + 3) * kAcross, sizeof(d));
      const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const Four rows[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                            __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                            __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                            __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
      for (int row = 0; row < 4; ++row) {
        std::memcpy(to + row * stride + column, &rows[row], sizeof(Four));
      }
    }
    for (; column < columns; ++column) {
      for (int row = 0; row < 4; ++row) to[row * stride + column] = tile[column * kAcross + row];
    }
  }

  void copy_tile(std::int64_t item, const T* from, T* to) const {
    const std::int64_t inner = item % inner_tiles_ * kInner;
    const std::int64_t across = item / inner_tiles_ % across_tiles_ * kAcross;
    const Offsets at = offsets_of(outer_, item / inner_tiles_ / across_tiles_);
    from += at.from + inner * inner_.from + across * across_.from;
    to += at.to + inner * inner_.to + across * across_.to;
    const std::int64_t columns = std::min(kInner, inner_.length - inner);
    const std::int64_t rows = std::min(kAcross, across_.length - across);
    alignas(64) T tile[kInner][kAcross];
    for (std::int64_t column = 0; column < columns; ++column) {
      const T* line = from + column * inner_.from;
      if (across_.from == 1 && rows == kAcross) {
        std::memcpy(tile[column], line, sizeof(tile[column]));
      } else {
        for (std::int64_t row = 0; row < rows; ++row) tile[column][row] = line[row * across_.from];
      }
    }
    std::int64_t row = 0;
    if constexpr (sizeof(T) == 4) {
      for (; row + 4 <= rows; row += 4) {
        transpose_rows(&tile[0][row], columns, to + row * across_.to, across_.to);
      }
    }
    for (; row < rows; ++row) {
      T* target = to + row * across_.to;
      for (std::int64_t column = 0; column < columns; ++column) target[column] = tile[column][row];
    }
  }

  std::vector<Axis> outer_;
  Axis across_, inner_;
  std::int64_t across_tiles_, inner_tiles_;
};

class NoCopy final : public PreparedKernel {
 public:
  void run(void* const*, void* const*, void*) const override {}
};

template <class T>
std::unique_ptr<PreparedKernel> prepare_as(std::vector<Axis> axes) {
  if (axes.empty()) return std::make_unique<RunCopy<T>>(std::move(axes), 1);
  const Axis inner = axes.back();
  axes.pop_back();
  if (inner.from == 1) return std::make_unique<RunCopy<T>>(std::move(axes), inner.length);
  // Rows of the tile run along the axis with the smallest stride, if that is less than the
  // innermost's.
  const auto closest = std::min_element(axes.begin(), axes.end(), [](const Axis& a, const Axis& b) {
    return (a.from == 0) != (b.from == 0) ? b.from == 0 : a.from < b.from;
  });
  Axis across{1, 0, 0};
  if (closest != axes.end()) {
    across = *closest;
    axes.erase(closest);
  }
  return std::make_unique<TileCopy<T>>(std::move(axes), across, inner);
}

bool accepts_copy(const KernelCall&, int) { return true; }

std::unique_ptr<PreparedKernel> prepare_copy(const KernelCall& call) {
  if (call.inputs[0].shape.elements() == 0) return std::make_unique<NoCopy>();
  std::vector<Axis> axes = axes_of(call.inputs[0]);
  switch (size_of(call.input_dtypes[0])) {
    case 1:
      return prepare_as<std::uint8_t>(std::move(axes));
    case 2:
      return prepare_as<std::uint16_t>(std::move(axes));
    case 4:
      return prepare_as<std::uint32_t>(std::move(axes));
    default:
      return prepare_as<std::uint64_t>(std::move(axes));
  }
}

}  // namespace

const Kernel kCopy{.accepts = accepts_copy, .prepare = prepare_copy};

}  // namespace sinter::backend::cpu
