// Running sums along the axis of x (outer, length, inner), in the order of additions that
// cpu/kernels/cumsum.cc fixes: left folds within chunks of kChunk positions, and a left fold of the
// chunks' sums, which is added to each sum within a chunk.
//   sums    one thread a chunk and column: the sum of the chunk
//   before  one thread a column: the sums of chunks become what lies before each
//   cumsum  one thread a chunk and column: the chunk folded again, with what lies before it
// An axis of one chunk needs the last alone. Neighbouring threads take neighbouring columns; where
// there is one column, neighbouring chunks, whose lines stay in the cache while they are folded.
// Passes over memory: x twice, y once.
#include <cstdint>
#include <type_traits>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/kernel_dtype.h"

namespace sinter::backend::cuda {
namespace {

constexpr std::int64_t kChunk = 256;

// Integers wrap.
template <class T>
__device__ inline T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
  } else {
    return a + b;
  }
}

struct CumsumParams {
  const void* x;
  void* y;
  void* before;  // (outer, chunks, inner)
  std::int64_t outer, length, inner, chunks;
  bool reverse;
};

// The chunk of a thread: its first element, the step to the next position, how many there are.
struct Chunk {
  std::int64_t number, first, step, count;
};
__device__ inline Chunk chunk_of(const CumsumParams& p, std::int64_t item) {
  const Quotient column = divide(item, p.inner);
  const Quotient chunk = divide(column.quotient, p.chunks);
  const std::int64_t begin = chunk.remainder * kChunk;
  const std::int64_t left = p.length - begin;
  const std::int64_t at = p.reverse ? p.length - 1 - begin : begin;
  return {chunk.remainder, (chunk.quotient * p.length + at) * p.inner + column.remainder,
          p.reverse ? -p.inner : p.inner, left < kChunk ? left : kChunk};
}

template <class T>
__global__ void sum_chunks(CumsumParams p) {
  const std::int64_t item = thread_number();
  if (item >= p.outer * p.chunks * p.inner) return;
  const Chunk chunk = chunk_of(p, item);
  const T* x = static_cast<const T*>(p.x) + chunk.first;
  T sum = x[0];
  for (std::int64_t i = 1; i < chunk.count; ++i) sum = plus(sum, x[i * chunk.step]);
  static_cast<T*>(p.before)[item] = sum;
}

template <class T>
__global__ void fold_chunks(CumsumParams p) {
  const std::int64_t item = thread_number();
  if (item >= p.outer * p.inner) return;
  const Quotient column = divide(item, p.inner);
  T* before = static_cast<T*>(p.before) + column.quotient * p.chunks * p.inner + column.remainder;
  T sum = before[0];
  for (std::int64_t chunk = 1; chunk < p.chunks; ++chunk) {
    T& place = before[chunk * p.inner];
    const T own = place;
    place = sum;
    sum = plus(sum, own);
  }
}

template <class T>
__global__ void write_sums(CumsumParams p) {
  const std::int64_t item = thread_number();
  if (item >= p.outer * p.chunks * p.inner) return;
  const Chunk chunk = chunk_of(p, item);
  const T* x = static_cast<const T*>(p.x) + chunk.first;
  T* y = static_cast<T*>(p.y) + chunk.first;
  const bool is_first = chunk.number == 0;
  const T before = is_first ? T{} : static_cast<const T*>(p.before)[item];
  T sum = x[0];
  y[0] = is_first ? sum : plus(before, sum);
  for (std::int64_t i = 1; i < chunk.count; ++i) {
    sum = plus(sum, x[i * chunk.step]);
    y[i * chunk.step] = is_first ? sum : plus(before, sum);
  }
}

template <class T>
class Cumsum final : public PreparedKernel {
 public:
  explicit Cumsum(const KernelCall& call) {
    const Shape& shape = call.inputs[0].shape;
    const auto axis = static_cast<int>(call.attributes.integer("axis"));
    params_.outer = params_.inner = 1;
    for (int i = 0; i < axis; ++i) params_.outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) params_.inner *= shape[i];
    params_.length = shape[axis];
    params_.chunks = (params_.length + kChunk - 1) / kChunk;
    params_.reverse = call.attributes.integer("reverse") != 0;
  }

  std::int64_t workspace_bytes() const override {
    return params_.chunks > 1 ? items() * static_cast<std::int64_t>(sizeof(T)) : 0;
  }

  void launch(const LaunchCall& call) const override {
    CumsumParams params = params_;
    params.x = call.inputs[0];
    params.y = call.outputs[0];
    params.before = call.workspace;
    if (params.chunks > 1) {
      launch_items("cumsum: sums", sum_chunks<T>, items(), call.stream, params);
      launch_items("cumsum: before", fold_chunks<T>, params.outer * params.inner, call.stream,
                   params);
    }
    launch_items("cumsum", write_sums<T>, items(), call.stream, params);
  }

 private:
  std::int64_t items() const { return params_.outer * params_.chunks * params_.inner; }

  CumsumParams params_{};
};

std::unique_ptr<PreparedKernel> prepare_cumsum(const KernelCall& call) {
  return for_dtype<float, double, std::int32_t, std::int64_t>(
      "cumsum", call.input_dtypes[0], [&](auto zero) -> std::unique_ptr<PreparedKernel> {
        return std::make_unique<Cumsum<decltype(zero)>>(call);
      });
}

}  // namespace

const Kernel kCumsum{.accepts = nullptr, .prepare = prepare_cumsum};

}  // namespace sinter::backend::cuda
