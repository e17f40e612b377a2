#include "backend/cpu/kernels/matmul_tiles.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sinter::backend::cpu {
namespace {

// Without the pragmas g++ keeps the sums in memory.
template <int rows, int vectors, bool dense>
[[gnu::target("avx512f")]] void multiply_avx512(const TileCall& call) {
  const std::int64_t a_row = dense ? 1 : call.a_row;
  const std::int64_t depth = call.depth, a_column = call.a_column, b_row = call.b_row;
  const float* a = call.a;
  const float* b = call.b;
  const std::uint32_t mask = call.columns >= 32 ? 0xFFFFFFFFU : (1U << call.columns) - 1;
  const __mmask16 masks[2] = {static_cast<__mmask16>(mask), static_cast<__mmask16>(mask >> 16)};
  __m512 sums[rows][vectors];
#pragma GCC unroll 24
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      sums[i][v] = call.fresh ? _mm512_setzero_ps()
                              : _mm512_maskz_loadu_ps(masks[v], call.y + i * call.y_row + 16 * v);
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    __m512 right[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) right[v] = _mm512_loadu_ps(b + 16 * v);
#pragma GCC unroll 24
    for (int i = 0; i < rows; ++i) {
      const __m512 x = _mm512_set1_ps(a[i * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sums[i][v] = _mm512_fmadd_ps(x, right[v], sums[i][v]);
    }
    a += a_column;
    b += b_row;
  }
  const bool whole = call.columns == 16 * vectors;  // masked stores may be slower
#pragma GCC unroll 24
  for (int i = 0; i < rows; ++i) {
    float* const line = call.y + i * call.y_row;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      if (whole) {
        _mm512_storeu_ps(line + 16 * v, sums[i][v]);
      } else {
        _mm512_mask_storeu_ps(line + 16 * v, masks[v], sums[i][v]);
      }
    }
  }
}

template <int rows, int vectors, bool dense>
[[gnu::target("avx2,fma")]] void multiply_whole_avx2(const TileCall& call) {
  const std::int64_t a_row = dense ? 1 : call.a_row;
  const std::int64_t depth = call.depth, a_column = call.a_column, b_row = call.b_row;
  const float* a = call.a;
  const float* b = call.b;
  __m256 sums[rows][vectors];
#pragma GCC unroll 12
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      sums[i][v] =
          call.fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(call.y + i * call.y_row + 8 * v);
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    __m256 right[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) right[v] = _mm256_loadu_ps(b + 8 * v);
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i) {
      const __m256 x = _mm256_broadcast_ss(a + i * a_row);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sums[i][v] = _mm256_fmadd_ps(x, right[v], sums[i][v]);
    }
    a += a_column;
    b += b_row;
  }
#pragma GCC unroll 12
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      _mm256_storeu_ps(call.y + i * call.y_row + 8 * v, sums[i][v]);
    }
  }
}

// Masked stores of AVX2 are slow on some processors, so columns that are no whole vectors go
// through a tile beside.
template <int rows, int vectors, bool dense>
void multiply_avx2(const TileCall& call) {
  constexpr std::int64_t kColumns = 8 * vectors;
  if (call.columns == kColumns) return multiply_whole_avx2<rows, vectors, dense>(call);
  float whole[rows * kColumns] = {};
  for (std::int64_t i = 0; i < rows && !call.fresh; ++i) {
    std::copy_n(call.y + i * call.y_row, call.columns, whole + i * kColumns);
  }
  TileCall beside = call;
  beside.y = whole;
  beside.y_row = kColumns;
  multiply_whole_avx2<rows, vectors, dense>(beside);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(whole + i * kColumns, call.columns, call.y + i * call.y_row);
  }
}

template <int vectors, bool dense, int... i>
constexpr std::array<Tile, sizeof...(i)> avx512_tiles(std::integer_sequence<int, i...>) {
  return {multiply_avx512<i + 1, vectors, dense>...};
}
template <int vectors, bool dense, int... i>
constexpr std::array<Tile, sizeof...(i)> avx2_tiles(std::integer_sequence<int, i...>) {
  return {multiply_avx2<i + 1, vectors, dense>...};
}
template <int rows>
using Upto = std::make_integer_sequence<int, rows>;

// As many rows as leave registers for b, and one of AVX2's for a. Strided ones are fewer: each is
// an address to hold, and rows a power of two apart share few places in the cache.
constexpr auto kDense512 = avx512_tiles<2, true>(Upto<14>{});
constexpr auto kStrided512 = avx512_tiles<2, false>(Upto<8>{});
constexpr auto kNarrow512 = avx512_tiles<1, true>(Upto<24>{});
constexpr auto kNarrowStrided512 = avx512_tiles<1, false>(Upto<8>{});
constexpr auto kDense256 = avx2_tiles<2, true>(Upto<6>{});
constexpr auto kStrided256 = avx2_tiles<2, false>(Upto<6>{});
constexpr auto kNarrow256 = avx2_tiles<1, true>(Upto<12>{});
constexpr auto kNarrowStrided256 = avx2_tiles<1, false>(Upto<8>{});

constexpr Tiles kAvx512{.vector = 16,
                        .one = {kNarrow512.data(), 24, kNarrowStrided512.data(), 8},
                        .two = {kDense512.data(), 14, kStrided512.data(), 8},
                        .depth = 256,
                        .row_block = 224};
constexpr Tiles kAvx2{.vector = 8,
                      .one = {kNarrow256.data(), 12, kNarrowStrided256.data(), 8},
                      .two = {kDense256.data(), 6, kStrided256.data(), 6},
                      .depth = 256,
                      .row_block = 96};

}  // namespace

const Tiles& tiles_for(Isa isa) { return isa == Isa::avx512 ? kAvx512 : kAvx2; }

}  // namespace sinter::backend::cpu

#endif
