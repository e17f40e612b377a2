// Running sums along the axis of x (outer, length, inner): y[o, i, c] = x[o, 0, c] + ... +
// x[o, i, c], or from the other end.
//
// The order of additions is fixed (and the same in cuda/kernels/cumsum.cu): the axis is cut into
// chunks of kChunk positions, counted from where the sums begin. Within a chunk the sums are left
// folds that start with its first element; the sums of whole chunks are folded from the left too,
// and what lies before a chunk is added to each of its sums. So chunks can be folded by different
// threads. Where there is enough work without that, one walk over the axis does it all.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/kernel_dtype.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

constexpr std::int64_t kChunk = 256;
// Neighbouring elements of the inner axes that one piece of work covers.
constexpr std::int64_t kColumns = 64;
constexpr std::int64_t kGrainElements = 16 * 1024;

// Integers wrap.
template <class T>
[[gnu::always_inline]] inline T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
  } else {
    return a + b;
  }
}

// What a piece of work folds: columns [first, last) of the positions from `begin` to `end`, counted
// from where the sums begin.
struct Piece {
  std::int64_t outer, begin, end, first, last;
};

template <class T>
struct Fold {
  const T* x;
  T* y;       // null: only the sums of chunks are wanted
  T* before;  // (outer, chunks, inner): sums of chunks, then what lies before each; null: one walk
  std::int64_t length, inner, chunks;
  bool reverse;

  // `row` is for_this_isa's and not used.
  [[gnu::always_inline]] static inline void call(const Fold& fold, const Piece& piece,
                                                 std::int64_t) {
    // A lone column stays in registers.
    if (piece.last - piece.first == 1) {
      fold.fold_chunks(piece, std::integral_constant<std::int64_t, 1>());
    } else {
      fold.fold_chunks(piece, piece.last - piece.first);
    }
  }

  // The chunks of a piece, one after the other.
  template <class Width>
  [[gnu::always_inline]] inline void fold_chunks(const Piece& piece, Width width) const {
    T sums[kColumns] = {};
    T offsets[kColumns] = {};
    for (std::int64_t begin = piece.begin; begin < piece.end; begin += kChunk) {
      const std::int64_t end = begin + kChunk < piece.end ? begin + kChunk : piece.end;
      const std::int64_t row = piece.outer * chunks + begin / kChunk;
      T* const place = before == nullptr ? nullptr : before + row * inner + piece.first;
      if (y == nullptr) {
        fold_chunk<false>(piece, begin, end, width, sums, offsets);
        for (std::int64_t c = 0; c < width; ++c) place[c] = sums[c];
        continue;
      }
      for (std::int64_t c = 0; before != nullptr && c < width; ++c) offsets[c] = place[c];
      fold_chunk<true>(piece, begin, end, width, sums, offsets);
      for (std::int64_t c = 0; before == nullptr && c < width; ++c) {
        offsets[c] = begin == 0 ? sums[c] : plus(offsets[c], sums[c]);
      }
    }
  }

  // Leaves the sum of the chunk in `sums`. The first chunk of the axis has no offsets.
  template <bool writes, class Width>
  [[gnu::always_inline]] inline void fold_chunk(const Piece& piece, std::int64_t begin,
                                                std::int64_t end, Width width, T* sums,
                                                const T* offsets) const {
    const std::int64_t at = reverse ? length - 1 - begin : begin;
    const std::int64_t step = reverse ? -inner : inner;
    std::int64_t place = (piece.outer * length + at) * inner + piece.first;
    for (std::int64_t position = begin; position < end; ++position, place += step) {
      const T* const from = x + place;
      if (position == begin) {
        for (std::int64_t c = 0; c < width; ++c) sums[c] = from[c];
      } else {
#pragma omp simd
        for (std::int64_t c = 0; c < width; ++c) sums[c] = plus(sums[c], from[c]);
      }
      if (!writes) continue;
      T* const to = y + place;
      if (begin == 0) {
        for (std::int64_t c = 0; c < width; ++c) to[c] = sums[c];
      } else {
#pragma omp simd
        for (std::int64_t c = 0; c < width; ++c) to[c] = plus(offsets[c], sums[c]);
      }
    }
  }
};

template <class T>
class Cumsum final : public PreparedKernel {
 public:
  explicit Cumsum(const KernelCall& call) {
    const Shape& shape = call.inputs[0].shape;
    const auto axis = static_cast<int>(call.attributes.integer("axis"));
    for (int i = 0; i < axis; ++i) outer_ *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner_ *= shape[i];
    length_ = shape[axis];
    chunks_ = (length_ + kChunk - 1) / kChunk;
    blocks_ = (inner_ + kColumns - 1) / kColumns;
    reverse_ = call.attributes.integer("reverse") != 0;
  }

  std::int64_t workspace_bytes() const override {
    return chunks_ > 1 ? outer_ * chunks_ * inner_ * static_cast<std::int64_t>(sizeof(T)) : 0;
  }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    if (outer_ * length_ * inner_ == 0) return;
    Fold<T> fold{static_cast<const T*>(inputs[0]),
                 static_cast<T*>(outputs[0]),
                 nullptr,
                 length_,
                 inner_,
                 chunks_,
                 reverse_};
    if (chunks_ == 1 || outer_ * blocks_ >= parallel::team_size()) {
      for_pieces(fold, 1, length_);
      return;
    }
    fold.before = static_cast<T*>(workspace);
    Fold<T> chunk_sums = fold;
    chunk_sums.y = nullptr;
    for_pieces(chunk_sums, chunks_, kChunk);
    fold_chunks(fold);
    for_pieces(fold, chunks_, kChunk);
  }

 private:
  // The axis in `parts` of `positions` each.
  void for_pieces(const Fold<T>& fold, std::int64_t parts, std::int64_t positions) const {
    const std::int64_t elements = positions * std::min(inner_, kColumns);
    parallel_for(outer_ * parts * blocks_, std::max<std::int64_t>(1, kGrainElements / elements),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t first = i % blocks_ * kColumns;
                     const std::int64_t part = i / blocks_ % parts;
                     const Piece piece{i / blocks_ / parts, part * positions,
                                       std::min(length_, (part + 1) * positions), first,
                                       std::min(inner_, first + kColumns)};
                     for_this_isa<Fold<T>>(0, 1, fold, piece);
                   }
                 });
  }

  // From the sums of chunks to what lies before each; nothing before the first, which is not read.
  void fold_chunks(const Fold<T>& fold) const {
    for (std::int64_t outer = 0; outer < outer_; ++outer) {
      T* const before = fold.before + outer * chunks_ * inner_;
      for (std::int64_t c = 0; c < inner_; ++c) {
        T sum = before[c];
        for (std::int64_t chunk = 1; chunk < chunks_; ++chunk) {
          T& place = before[chunk * inner_ + c];
          const T own = place;
          place = sum;
          sum = plus(sum, own);
        }
      }
    }
  }

  std::int64_t outer_ = 1, length_ = 1, inner_ = 1, chunks_ = 0, blocks_ = 0;
  bool reverse_ = false;
};

std::unique_ptr<PreparedKernel> prepare_cumsum(const KernelCall& call) {
  return for_dtype<float, double, std::int32_t, std::int64_t>(
      "cumsum", call.input_dtypes[0], [&](auto zero) -> std::unique_ptr<PreparedKernel> {
        return std::make_unique<Cumsum<decltype(zero)>>(call);
      });
}

}  // namespace

const Kernel kCumsum{.accepts = nullptr, .prepare = prepare_cumsum};

}  // namespace sinter::backend::cpu
