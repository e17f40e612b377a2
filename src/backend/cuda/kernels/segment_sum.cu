// Sums of the rows that carry the same id: y (S, D...) [s] = the sum of x (N, D...) where
// ids (N) = s.
//
// No float atomics: the rows are ordered by id first, with their order kept within an id; then
// every element of y is a left fold over its rows from +0, which gives the CPU's bits.
//   keys    ids to keys; an id out of range is reported and becomes the key S, after all segments
//   sort    a radix sort, least significant digit first, 8 bits a round and only as many rounds as
//           S has digits. Each round: count digits per block of kSortItems rows; an exclusive scan
//           over (digit, block); scatter, where a row's place among the equal digits of its block
//           is found by ballots within the warp and sums over the warps, in order, so that the sort
//           is stable
//   starts  for each segment its first place in the order, by bisection
//   sum     one thread an element of y; neighbouring threads read neighbouring columns
// Passes over memory: x and y once, N keys with positions twice a round.
#include <string>
#include <utility>

#include "backend/cuda/device/ids.h"
#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/kernel_dtype.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;  // as many as a block has threads
constexpr int kWarp = 32;
constexpr int kWarps = kBlock / kWarp;
constexpr int kSortItems = 8 * kBlock;  // rows that a block sorts
static_assert(kDigits == kBlock, "a thread takes one digit");

// A row: its segment and its place in x.
struct Row {
  std::uint32_t key, position;
};

// ---- keys ----

struct KeyParams {
  Ids ids;
  ErrorSlot* errors;
  std::int32_t step;
  std::int64_t count;
  Row* rows;
};

__global__ void make_keys(KeyParams p) {
  const std::int64_t i = thread_number();
  if (i >= p.count) return;
  const std::int64_t id = p.ids.at(i);
  const bool valid = p.ids.is_valid(id);
  if (!valid) report_id(p.errors, p.step, i);
  p.rows[i] = {static_cast<std::uint32_t>(valid ? id : p.ids.limit), static_cast<std::uint32_t>(i)};
}

// ---- sort ----

struct SortParams {
  const Row* from;
  Row* to;
  std::int64_t count;
  int shift;              // of the digit
  std::uint32_t* digits;  // (kDigits, blocks): counts, then the first place of each
  std::int64_t blocks;
};

__device__ int digit_of(const Row& row, int shift) {
  return static_cast<int>((row.key >> shift) & (kDigits - 1));
}

struct DigitCounts {
  unsigned at[kDigits];
};

__global__ void count_digits(SortParams p) {
  SINTER_SHARED(DigitCounts, counts);
  counts.at[threadIdx.x] = 0;
  __syncthreads();
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kSortItems;
  for (int k = 0; k < kSortItems; k += kBlock) {
    const std::int64_t i = begin + k + threadIdx.x;
    if (i < p.count) atomicAdd(&counts.at[digit_of(p.from[i], p.shift)], 1U);
  }
  __syncthreads();
  p.digits[static_cast<std::int64_t>(threadIdx.x) * p.blocks + blockIdx.x] = counts.at[threadIdx.x];
}

// The sum of `value` over the lower threads of the block. `sums` is shared by it, and may be used
// again only after another barrier.
struct WarpSums {
  std::uint32_t at[kWarps];
};
__device__ std::uint32_t sum_before(std::uint32_t value, WarpSums& sums) {
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned warp = threadIdx.x / kWarp;
  std::uint32_t inclusive = value;
  for (unsigned distance = 1; distance < kWarp; distance *= 2) {
    const std::uint32_t other = __shfl_up_sync(0xFFFFFFFFU, inclusive, distance);
    if (lane >= distance) inclusive += other;
  }
  if (lane == kWarp - 1) sums.at[warp] = inclusive;
  __syncthreads();
  std::uint32_t before = inclusive - value;
  for (unsigned i = 0; i < warp; ++i) before += sums.at[i];
  return before;
}

// One block: digits becomes its exclusive sum in row-major order. A thread takes one digit.
__global__ void scan_digits(SortParams p) {
  SINTER_SHARED(WarpSums, sums);
  std::uint32_t* digits = p.digits + static_cast<std::int64_t>(threadIdx.x) * p.blocks;
  std::uint32_t total = 0;
  for (std::int64_t i = 0; i < p.blocks; ++i) total += digits[i];
  std::uint32_t place = sum_before(total, sums);
  for (std::int64_t i = 0; i < p.blocks; ++i) {
    const std::uint32_t count = digits[i];
    digits[i] = place;
    place += count;
  }
}

struct Scatter {
  std::uint32_t counts[kWarps][kDigits];  // of a round: rows of each digit in each warp
  std::uint32_t place[kDigits];           // of the next row of each digit
};

__global__ void scatter_rows(SortParams p) {
  SINTER_SHARED(Scatter, shared);
  const unsigned thread = threadIdx.x;
  const unsigned lane = thread % kWarp;
  const unsigned warp = thread / kWarp;
  shared.place[thread] = p.digits[static_cast<std::int64_t>(thread) * p.blocks + blockIdx.x];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kSortItems;
  for (int k = 0; k < kSortItems && begin + k < p.count; k += kBlock) {
    for (int i = 0; i < kWarps; ++i) shared.counts[i][thread] = 0;
    __syncthreads();
    const std::int64_t i = begin + k + thread;
    const bool inside = i < p.count;
    const Row row = inside ? p.from[i] : Row{};
    const int digit = digit_of(row, p.shift);
    // The lanes with the same digit: those that agree in each of its bits.
    unsigned peers = __ballot_sync(0xFFFFFFFFU, inside);
    for (int bit = 0; bit < kDigitBits; ++bit) {
      const bool set = ((digit >> bit) & 1) != 0;
      const unsigned lanes = __ballot_sync(0xFFFFFFFFU, set);
      peers &= set ? lanes : ~lanes;
    }
    const auto rank = static_cast<std::uint32_t>(__popc(peers & ((1U << lane) - 1)));
    if (inside && rank == 0) {
      shared.counts[warp][digit] = static_cast<std::uint32_t>(__popc(peers));
    }
    __syncthreads();
    if (inside) {
      std::uint32_t place = shared.place[digit] + rank;
      for (unsigned w = 0; w < warp; ++w) place += shared.counts[w][digit];
      p.to[place] = row;
    }
    __syncthreads();
    for (int w = 0; w < kWarps; ++w) shared.place[thread] += shared.counts[w][thread];
  }
}

// ---- starts and sums ----

struct StartParams {
  const Row* rows;  // in order
  std::int64_t count;
  std::int64_t segments;
  std::uint32_t* starts;  // segments + 1
};

__global__ void find_starts(StartParams p) {
  const std::int64_t segment = thread_number();
  if (segment > p.segments) return;
  std::int64_t low = 0, high = p.count;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (p.rows[middle].key < segment) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  p.starts[segment] = static_cast<std::uint32_t>(low);
}

struct SumParams {
  const void* x;
  void* y;
  const Row* rows;
  const std::uint32_t* starts;
  std::int64_t width;
  std::int64_t count;  // segments * width
};

template <class T>
__global__ void sum_segments(SumParams p) {
  const std::int64_t i = thread_number();
  if (i >= p.count) return;
  const Quotient at = divide(i, p.width);
  const T* x = static_cast<const T*>(p.x) + at.remainder;
  T sum = 0;
  const std::uint32_t end = p.starts[at.quotient + 1];
  for (std::uint32_t row = p.starts[at.quotient]; row < end; ++row) {
    sum += x[p.rows[row].position * p.width];
  }
  static_cast<T*>(p.y)[i] = sum;
}

class SegmentSum final : public PreparedKernel {
 public:
  explicit SegmentSum(const KernelCall& call)
      : count_(call.inputs[0].shape[0]),
        segments_(call.outputs[0].shape[0]),
        wide_(call.input_dtypes[1] == Dtype::i64),
        dtype_(call.input_dtypes[0]) {
    for (int axis = 1; axis < call.inputs[0].shape.rank(); ++axis) {
      width_ *= call.inputs[0].shape[axis];
    }
    blocks_ = (count_ + kSortItems - 1) / kSortItems;
  }

  std::int64_t workspace_bytes() const override {
    return 2 * count_ * static_cast<std::int64_t>(sizeof(Row)) +
           (segments_ + 1 + kDigits * blocks_) * static_cast<std::int64_t>(sizeof(std::uint32_t));
  }

  void launch(const LaunchCall& call) const override {
    auto* rows = static_cast<Row*>(call.workspace);
    Row* spare = rows + count_;
    auto* starts = reinterpret_cast<std::uint32_t*>(spare + count_);
    const Ids ids{call.inputs[1], wide_, segments_};
    if (count_ > 0) {
      launch_items("segment_sum: keys", make_keys, count_, call.stream,
                   KeyParams{ids, call.errors, call.step, count_, rows});
      settle_ids(call.stream, call.errors, call.step, ids);
    }
    for (int shift = 0; shift < 32 && segments_ >> shift != 0; shift += kDigitBits) {
      sort_by(SortParams{rows, spare, count_, shift, starts + segments_ + 1, blocks_}, call.stream);
      std::swap(rows, spare);
    }
    const std::int64_t elements = segments_ * width_;
    if (elements == 0) return;
    launch_items("segment_sum: starts", find_starts, segments_ + 1, call.stream,
                 StartParams{rows, count_, segments_, starts});
    const SumParams params{call.inputs[0], call.outputs[0], rows, starts, width_, elements};
    launch_items("segment_sum", dtype_ == Dtype::f32 ? sum_segments<float> : sum_segments<double>,
                 elements, call.stream, params);
  }

 private:
  void sort_by(const SortParams& params, cudaStream_t stream) const {
    launch_items("segment_sum: counts", count_digits, blocks_ * kBlock, stream, params);
    launch_items("segment_sum: scan", scan_digits, blocks_ > 0 ? kBlock : 0, stream, params);
    launch_items("segment_sum: sort", scatter_rows, blocks_ * kBlock, stream, params);
  }

  std::int64_t count_, segments_, blocks_;
  std::int64_t width_ = 1;
  bool wide_;
  Dtype dtype_;
};

std::unique_ptr<PreparedKernel> prepare_segment_sum(const KernelCall& call) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  const std::int64_t rows = call.inputs[0].shape[0], segments = call.outputs[0].shape[0];
  if (rows > kMost || segments > kMost) {
    raise({.where = "segment_sum",
           .what = "too many rows or segments for CUDA",
           .got = std::to_string(rows) + " and " + std::to_string(segments),
           .expected = "at most 2^31",
           .hint = {}});
  }
  return for_dtype<float, double>("segment_sum", call.input_dtypes[0], [&](auto) {
    return for_dtype<std::int32_t, std::int64_t>("segment_sum", call.input_dtypes[1],
                                                 [&](auto) -> std::unique_ptr<PreparedKernel> {
                                                   return std::make_unique<SegmentSum>(call);
                                                 });
  });
}

}  // namespace

const Kernel kSegmentSum{.accepts = nullptr, .prepare = prepare_segment_sum};

}  // namespace sinter::backend::cuda
