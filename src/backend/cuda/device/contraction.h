// The tiled product that matmul and the convolutions are made of: Y (M, N) = A (M, K) B (K, N),
// where A and B are whatever their loaders make of memory (a matrix with strides, the windows of an
// image).
//
// A block makes a tile of 64 x 64 of Y with 128 threads, 8 x 4 elements a thread, in registers:
// each step of 16 along K brings 64 x 16 of A and 16 x 64 of B into shared memory, from where a
// thread reads 12 numbers for 32 products, 16 bytes at a time. Steps are double-buffered: while one
// is multiplied, the next one travels from memory to registers, and is put into the other buffer
// after the products; so one barrier a step suffices. Tiles lie in shared memory with K outermost,
// and rows are padded by one vector, so that storing a tile that was read along K meets few bank
// conflicts.
//
// Where the tiles are few and K is long, K is cut into slices, a block each, whose results go to
// the workspace and are added in ascending order by a second kernel. How K is cut depends on M, N,
// K and the number of products alone, so that the bits are the same on every GPU: each element is a
// fold by fused multiply-adds over ascending k within a slice, then over ascending slices.
//
// Elements of bf16 and f16 are widened as they are fetched and multiplied in f32; the sums are
// rounded once, as they are stored.
#ifndef SINTER_BACKEND_CUDA_DEVICE_CONTRACTION_H_
#define SINTER_BACKEND_CUDA_DEVICE_CONTRACTION_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/half_element.h"
#include "ir/internal_error.h"

namespace sinter::backend::cuda::contraction {

inline constexpr int kTile = 64;  // rows and columns of Y that a block makes
inline constexpr int kStep = 16;  // of K
inline constexpr int kThreads = 128;
inline constexpr int kRows = 8;    // of Y that a thread makes
inline constexpr int kVector = 4;  // elements fetched at once; columns of Y that a thread makes
inline constexpr int kPasses =
    kTile * kStep / kVector / kThreads;  // vectors of a tile for a thread

template <class T>
struct alignas(sizeof(T) < 4 ? kVector * sizeof(T) : 16) Vector {
  T at[kVector];
};

// a * b + c, rounded once.
__device__ inline float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ inline double multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }

// Where in a tile (width x K) a thread's vector of pass `pass` begins: neighbouring threads take
// what is next to each other in memory.
struct Spot {
  int width, depth;
};
__device__ __forceinline__ Spot spot_of(bool along_depth, int pass) {
  constexpr int kAlongDepth = kStep / kVector;
  constexpr int kAlongWidth = kTile / kVector;
  const int thread = static_cast<int>(threadIdx.x);
  if (along_depth) {
    return {pass * (kThreads / kAlongDepth) + thread / kAlongDepth, thread % kAlongDepth * kVector};
  }
  return {thread % kAlongWidth * kVector, pass * (kThreads / kAlongWidth) + thread / kAlongWidth};
}

template <class T>
__device__ Vector<T> load_vector(const T* from) {
  return *reinterpret_cast<const Vector<T>*>(from);
}

// kVector neighbours, as they are computed with.
template <class E>
__device__ __forceinline__ Vector<Computed<E>> fetch_vector(const E* from) {
  const Vector<E> elements = load_vector(from);
  Vector<Computed<E>> result;
#pragma unroll
  for (int i = 0; i < kVector; ++i) result.at[i] = widened(elements.at[i]);
  return result;
}

// Whether vectors may be fetched at once from `from` when all offsets are multiples of `offsets`.
template <class E>
bool is_aligned(const void* from, std::int64_t offsets) {
  return address_of(from) % alignof(Vector<E>) == 0 && offsets % kVector == 0;
}

// ---- a loader: a matrix with any strides ----

template <class E>
struct MatrixParams {
  const E* from;
  int width;                                // rows of A, columns of B
  std::int64_t width_stride, depth_stride;  // elements
  bool along_depth;                         // K is the axis along which elements are neighbours
  bool aligned;                             // vectors along that axis may be fetched at once
};

template <class E>
class Matrix {
 public:
  using Params = MatrixParams<E>;
  using T = Computed<E>;

  __device__ Matrix(const Params& params, std::int64_t offset, int begin)
      : p_(params), from_(params.from + offset), begin_(begin) {}

  __device__ bool along_depth() const { return p_.along_depth; }

  // The thread's vector of pass `pass` in the step that begins at `depth`; zeros from `end` on.
  __device__ __forceinline__ Vector<T> fetch(int pass, int depth, int end) const {
    const Spot spot = spot_of(p_.along_depth, pass);
    const int width_room = p_.width - begin_ - spot.width;
    const int depth_room = end - depth - spot.depth;
    const int room =
        p_.along_depth ? (width_room > 0 ? depth_room : 0) : (depth_room > 0 ? width_room : 0);
    const E* from =
        from_ + (begin_ + spot.width) * p_.width_stride + (depth + spot.depth) * p_.depth_stride;
    if (p_.aligned && room >= kVector) return fetch_vector(from);
    const std::int64_t stride = p_.along_depth ? p_.depth_stride : p_.width_stride;
    Vector<T> result{};
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < room) result.at[i] = widened(from[i * stride]);
    }
    return result;
  }

 private:
  const Params& p_;
  const E* from_;
  int begin_;
};

// ---- the product ----

template <class O, class A, class B>
struct Params {
  typename A::Params a;
  typename B::Params b;
  O* y;  // of one slice after the other
  int m, n, k;
  std::int64_t row_stride, product_stride;  // from a row of y to the next, from a product's y
  int slices;
  int slice_depth;        // of K, a multiple of kStep
  std::int64_t products;  // independent ones of this size
  std::int64_t slice_elements;
  std::int64_t row_tiles, column_tiles;
  bool aligned;                 // rows of y begin at multiples of 16 bytes
  Walk a_products, b_products;  // where their operands begin
};

// What follows keeps a thread's numbers in registers only when it is inlined and its loops are
// unrolled: an array that is indexed by a variable, or a parameter whose address is taken, lies in
// (slow) local memory. So both are asked for.
template <class T>
struct Tiles {
  alignas(16) T a[2][kStep][kTile + kVector];
  alignas(16) T b[2][kStep][kTile + kVector];
};

template <class T, class Loader>
__device__ __forceinline__ void put_tile(const Loader& loader, const Vector<T> (&vectors)[kPasses],
                                         T (&tile)[kStep][kTile + kVector]) {
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const Spot spot = spot_of(loader.along_depth(), pass);
    if (loader.along_depth()) {
#pragma unroll
      for (int i = 0; i < kVector; ++i) tile[spot.depth + i][spot.width] = vectors[pass].at[i];
    } else {
      *reinterpret_cast<Vector<T>*>(&tile[spot.depth][spot.width]) = vectors[pass];
    }
  }
}

template <class T>
__device__ __forceinline__ void multiply_tiles(const T (&a)[kStep][kTile + kVector],
                                               const T (&b)[kStep][kTile + kVector], int row,
                                               int column, T (&sums)[kRows][kVector]) {
  for (int k = 0; k < kStep; ++k) {
    const Vector<T> left[2] = {load_vector(&a[k][row]), load_vector(&a[k][row + kVector])};
    const Vector<T> right = load_vector(&b[k][column]);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        sums[i][j] = multiply_add(left[i / kVector].at[i % kVector], right.at[j], sums[i][j]);
      }
    }
  }
}

template <class T, class O>
__device__ __forceinline__ void store_sums(const T (&sums)[kRows][kVector], O* y,
                                           std::int64_t stride, int row, int column, int m, int n,
                                           bool aligned) {
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    if (row + i >= m) return;
    O* to = y + (row + i) * stride + column;
    if (aligned && column + kVector <= n) {
      Vector<O> vector;
      for (int j = 0; j < kVector; ++j) vector.at[j] = rounded_to<O>(sums[i][j]);
      *reinterpret_cast<Vector<O>*>(to) = vector;
    } else {
      for (int j = 0; j < kVector; ++j) {
        if (column + j < n) to[j] = rounded_to<O>(sums[i][j]);
      }
    }
  }
}

template <class T, class O, class A, class B>
__global__ void __launch_bounds__(kThreads) multiply(Params<O, A, B> p) {
  SINTER_SHARED(Tiles<T>, tiles);
  const Quotient columns = divide(blockIdx.x, p.column_tiles);
  const Quotient rows = divide(columns.quotient, p.row_tiles);
  const Quotient product = divide(rows.quotient, p.products);  // and the slice
  const int row = static_cast<int>(rows.remainder) * kTile;
  const int column = static_cast<int>(columns.remainder) * kTile;
  const int begin = static_cast<int>(product.quotient) * p.slice_depth;
  const int end = begin + p.slice_depth < p.k ? begin + p.slice_depth : p.k;
  const A a(p.a, offset_of(p.a_products, product.remainder), row);
  const B b(p.b, offset_of(p.b_products, product.remainder), column);
  constexpr int kAcross = kTile / kVector;
  const int thread = static_cast<int>(threadIdx.x);
  const int thread_row = thread / kAcross * kRows;
  const int thread_column = thread % kAcross * kVector;

  Vector<T> next_a[kPasses], next_b[kPasses];
  T sums[kRows][kVector] = {};
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    next_a[pass] = a.fetch(pass, begin, end);
    next_b[pass] = b.fetch(pass, begin, end);
  }
  put_tile(a, next_a, tiles.a[0]);
  put_tile(b, next_b, tiles.b[0]);
  __syncthreads();
  int current = 0;
  for (int k = begin; k < end; k += kStep) {
    const bool more = k + kStep < end;
    if (more) {
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        next_a[pass] = a.fetch(pass, k + kStep, end);
        next_b[pass] = b.fetch(pass, k + kStep, end);
      }
    }
    multiply_tiles(tiles.a[current], tiles.b[current], thread_row, thread_column, sums);
    current = 1 - current;
    if (more) {
      put_tile(a, next_a, tiles.a[current]);
      put_tile(b, next_b, tiles.b[current]);
      __syncthreads();
    }
  }
  O* y = p.y + product.quotient * p.slice_elements + product.remainder * p.product_stride;
  store_sums(sums, y, p.row_stride, row + thread_row, column + thread_column, p.m, p.n, p.aligned);
}

template <class T, class O>
struct FoldParams {
  const T* from;  // (slices, count)
  O* to;
  std::int64_t count;
  int slices;
};

template <class T, class O>
__global__ void fold_slices(FoldParams<T, O> p) {
  const std::int64_t i = thread_number();
  if (i >= p.count) return;
  T sum = p.from[i];
  for (int slice = 1; slice < p.slices; ++slice) sum += p.from[slice * p.count + i];
  p.to[i] = rounded_to<O>(sum);
}

// ---- the host's half ----

struct Size {
  std::int64_t m, n, k, products;
};

// How the products' results lie: each dense and one behind the other, or in strips side by side, as
// the channels of groups are.
struct Result {
  std::int64_t row_stride, product_stride;
};
inline Result one_by_one(const Size& size) { return {size.n, size.m * size.n}; }
inline Result side_by_side(const Size& size) { return {size.n * size.products, size.n}; }

// Slices of K: as many as give 256 blocks, two for each multiprocessor of the larger GPUs, but none
// shorter than 128.
inline constexpr std::int64_t kBlocksWanted = 256;
inline constexpr std::int64_t kLeastDepth = 128;

struct Slices {
  std::int64_t count, depth;
};
inline Slices slices_of(const Size& s) {
  const std::int64_t tiles = s.products * ((s.m + kTile - 1) / kTile) * ((s.n + kTile - 1) / kTile);
  const std::int64_t wanted = tiles > 0 ? std::min(kBlocksWanted / tiles, s.k / kLeastDepth) : 1;
  const std::int64_t count = std::max<std::int64_t>(1, wanted);
  const std::int64_t steps = std::max<std::int64_t>(1, (s.k + kStep - 1) / kStep);
  const std::int64_t depth = (steps + count - 1) / count * kStep;
  return {std::max<std::int64_t>(1, (s.k + depth - 1) / depth), depth};
}

// Throws Error when an axis is longer than kernels count: 2^31 - 2^16 elements.
void check_lengths(const char* where, const Size& size);

template <class T>
std::int64_t workspace_bytes(const Size& s) {
  const std::int64_t slices = slices_of(s).count;
  return slices == 1 ? 0 : slices * s.products * s.m * s.n * static_cast<std::int64_t>(sizeof(T));
}

// Enqueues the products of all slices.
template <class T, class O, class A, class B>
void launch_slices(const char* where, const Size& s, const Slices& slices, const Result& result,
                   const typename A::Params& a, const typename B::Params& b, const Walk& a_products,
                   const Walk& b_products, O* to, cudaStream_t stream) {
  Params<O, A, B> params{};
  params.a = a;
  params.b = b;
  params.y = to;
  params.m = static_cast<int>(s.m);
  params.n = static_cast<int>(s.n);
  params.k = static_cast<int>(s.k);
  params.slices = static_cast<int>(slices.count);
  params.slice_depth = static_cast<int>(slices.depth);
  params.row_stride = result.row_stride;
  params.product_stride = result.product_stride;
  params.products = s.products;
  params.slice_elements = s.products * s.m * s.n;
  params.row_tiles = (s.m + kTile - 1) / kTile;
  params.column_tiles = (s.n + kTile - 1) / kTile;
  params.aligned = is_aligned<O>(to, result.row_stride | result.product_stride);
  params.a_products = a_products;
  params.b_products = b_products;
  const std::int64_t blocks = slices.count * s.products * params.row_tiles * params.column_tiles;
  device::check(cuda::launch(multiply<T, O, A, B>, dim3(static_cast<unsigned>(blocks)),
                             dim3(kThreads), 0, stream, params),
                where);
}

// Enqueues Y = A B with the loaders' parameters given; computed in T, stored as O.
template <class T, class O, class A, class B>
void launch_product(const char* where, const Size& s, const Result& result,
                    const typename A::Params& a, const typename B::Params& b,
                    const Walk& a_products, const Walk& b_products, const LaunchCall& call) {
  const std::int64_t elements = s.products * s.m * s.n;
  if (elements == 0) return;
  const Slices slices = slices_of(s);
  auto* const y = static_cast<O*>(call.outputs[0]);
  if (slices.count == 1) {
    launch_slices<T, O, A, B>(where, s, slices, result, a, b, a_products, b_products, y,
                              call.stream);
    return;
  }
  auto* const parts = static_cast<T*>(call.workspace);
  launch_slices<T, T, A, B>(where, s, slices, result, a, b, a_products, b_products, parts,
                            call.stream);
  launch_items(where, fold_slices<T, O>, elements, call.stream,
               FoldParams<T, O>{parts, y, elements, static_cast<int>(slices.count)});
}

// Calls `body` with an element type of the operands and one of the result that go with these
// dtypes: body(E(), O()). As for_dtype() in backend/kernel_dtype.h.
template <class Body>
auto for_dtypes(const char* where, Dtype operands, Dtype result, const Body& body) {
  const bool widens = result == Dtype::f32;
  switch (operands) {
    case Dtype::f32:
      return body(float(), float());
    case Dtype::f64:
      return body(double(), double());
    case Dtype::bf16:
      return widens ? body(Bf16(), float()) : body(Bf16(), Bf16());
    case Dtype::f16:
      return widens ? body(F16(), float()) : body(F16(), F16());
    default:
      throw ir::InternalError(std::string(where) + ": no kernel for " +
                              std::string(name_of(operands)));
  }
}

}  // namespace sinter::backend::cuda::contraction

#endif  // SINTER_BACKEND_CUDA_DEVICE_CONTRACTION_H_
