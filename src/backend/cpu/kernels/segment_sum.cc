// Sums of the rows that carry the same id: the gradient of gather, and the sum over a graph's
// neighbours. Rows are first ordered by id (a counting sort, which keeps their order within an id);
// then every element of the result is a left fold over its rows, whatever the number of threads.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/kernel_dtype.h"
#include "base/parallel.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

// Elements of a row that one piece of work covers.
constexpr std::int64_t kColumns = 512;
constexpr std::int64_t kGrainElements = 16 * 1024;

// Rows of segment s are order[starts[s]] .. order[starts[s + 1] - 1].
template <class T>
struct Rows {
  const T* x;
  const std::int64_t* starts;
  const std::int64_t* order;
  T* y;
  std::int64_t width;

  // Columns [begin, end) of segment `segment`.
  [[gnu::always_inline]] static inline void call(const Rows& rows, std::int64_t begin,
                                                 std::int64_t end, std::int64_t segment) {
    T* to = rows.y + segment * rows.width;
    for (std::int64_t c = begin; c < end; ++c) to[c] = T{0};
    for (std::int64_t i = rows.starts[segment]; i < rows.starts[segment + 1]; ++i) {
      const T* from = rows.x + rows.order[i] * rows.width;
#pragma omp simd
      for (std::int64_t c = begin; c < end; ++c) to[c] += from[c];
    }
  }
};

template <class T, class Id>
class SegmentSum final : public PreparedKernel {
 public:
  explicit SegmentSum(const KernelCall& call)
      : count_(call.inputs[0].shape[0]), segments_(call.outputs[0].shape[0]) {
    for (int axis = 1; axis < call.inputs[0].shape.rank(); ++axis) {
      width_ *= call.inputs[0].shape[axis];
    }
  }

  std::int64_t workspace_bytes() const override {
    return (segments_ + 1 + count_) * static_cast<std::int64_t>(sizeof(std::int64_t));
  }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    auto* starts = static_cast<std::int64_t*>(workspace);
    std::int64_t* order = starts + segments_ + 1;
    sort(static_cast<const Id*>(inputs[1]), starts, order);
    if (width_ == 0 || segments_ == 0) return;
    const Rows<T> rows{static_cast<const T*>(inputs[0]), starts, order, static_cast<T*>(outputs[0]),
                       width_};
    // The pieces are even in rows read plus rows written, so that a frequent id delays nobody more
    // than it must: segment s stands at place starts[s] + s of its column block.
    const std::int64_t places = count_ + segments_;
    const std::int64_t blocks = (width_ + kColumns - 1) / kColumns;
    parallel_for(places * blocks,
                 std::max<std::int64_t>(1, kGrainElements / std::min(width_, kColumns)),
                 [&](std::int64_t begin, std::int64_t end) {
                   while (begin < end) {
                     const std::int64_t block = begin / places;
                     const std::int64_t stop = std::min(end, (block + 1) * places);
                     const std::int64_t first = first_at(starts, begin - block * places);
                     const std::int64_t last = first_at(starts, stop - block * places);
                     for_this_isa<Rows<T>>(first, last, rows, block * kColumns,
                                           std::min(width_, (block + 1) * kColumns));
                     begin = stop;
                   }
                 });
  }

 private:
  // The first segment that stands at `place` or after it.
  std::int64_t first_at(const std::int64_t* starts, std::int64_t place) const {
    std::int64_t low = 0, high = segments_;
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      if (starts[middle] + middle < place) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  void sort(const Id* ids, std::int64_t* starts, std::int64_t* order) const {
    std::fill(starts, starts + segments_ + 1, std::int64_t{0});
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t id = ids[i];
      if (id < 0 || id >= segments_) raise_id(i, id);
      ++starts[id + 1];
    }
    for (std::int64_t s = 0; s < segments_; ++s) starts[s + 1] += starts[s];
    // Each start moves to its segment's end, which is the next one's start: then all move up by
    // one.
    for (std::int64_t i = 0; i < count_; ++i) order[starts[ids[i]]++] = i;
    for (std::int64_t s = segments_; s > 0; --s) starts[s] = starts[s - 1];
    starts[0] = 0;
  }

  [[noreturn]] void raise_id(std::int64_t position, std::int64_t id) const {
    raise({.where = "segment_sum",
           .what = "the id at position " + std::to_string(position) + " is not a segment",
           .got = std::to_string(id),
           .expected = "0 to " + std::to_string(segments_ - 1),
           .hint = {}});
  }

  std::int64_t count_, segments_;
  std::int64_t width_ = 1;
};

std::unique_ptr<PreparedKernel> prepare_segment_sum(const KernelCall& call) {
  return for_dtype<float, double>("segment_sum", call.input_dtypes[0], [&](auto zero) {
    return for_dtype<std::int32_t, std::int64_t>(
        "segment_sum", call.input_dtypes[1], [&](auto id) -> std::unique_ptr<PreparedKernel> {
          return std::make_unique<SegmentSum<decltype(zero), decltype(id)>>(call);
        });
  });
}

}  // namespace

const Kernel kSegmentSum{.accepts = nullptr, .prepare = prepare_segment_sum};

}  // namespace sinter::backend::cpu
