// The scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM
// TOMS 34 (2008): a tile of 6 x 16 results stays in twelve registers while two of b and one of a
// pass by.
//
// Where many rows will read b, it is packed into panels of 16 columns first: each step of k is then
// one cache line. Of a, every thread packs the part that it is at, six rows side by side.
#include "backend/cpu/kernels/matmul_avx2.h"

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/machine_code.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "backend/cpu/kernels/matrices.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {

namespace {

constexpr int kRows = 6;
constexpr std::int64_t kColumns = 16;  // of a panel
// Steps of k for which a panel's part stays in the nearest cache.
constexpr std::int64_t kDepth = 256;
// Rows whose part of a stays in the next one; a multiple of kRows.
constexpr std::int64_t kRowBlock = 96;
// With no more rows than this, packing b would cost about what it saves.
constexpr std::int64_t kFewRows = 12;
// Multiplications below which a thread is not worth its start.
constexpr std::int64_t kGrain = 1 << 18;

// Adds to the 16 columns of `rows` rows of y, or, when `fresh`, sets them. Without the pragmas g++
// keeps the sums in memory.
template <int rows>
[[gnu::target("avx2,fma")]] void multiply_tile(const float* a, std::int64_t a_row,
                                               std::int64_t a_column, const float* b,
                                               std::int64_t b_row, std::int64_t depth, float* y,
                                               std::int64_t y_row, bool fresh) {
  __m256 sums[rows][2];
#pragma GCC unroll 6
  for (int i = 0; i < rows; ++i) {
    sums[i][0] = fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(y + i * y_row);
    sums[i][1] = fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(y + i * y_row + 8);
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    const __m256 left = _mm256_loadu_ps(b);
    const __m256 right = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
    for (int i = 0; i < rows; ++i) {
      const __m256 x = _mm256_broadcast_ss(a + i * a_row);
      sums[i][0] = _mm256_fmadd_ps(x, left, sums[i][0]);
      sums[i][1] = _mm256_fmadd_ps(x, right, sums[i][1]);
    }
    a += a_column;
    b += b_row;
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; ++i) {
    _mm256_storeu_ps(y + i * y_row, sums[i][0]);
    _mm256_storeu_ps(y + i * y_row + 8, sums[i][1]);
  }
}

using Tile = void (*)(const float*, std::int64_t, std::int64_t, const float*, std::int64_t,
                      std::int64_t, float*, std::int64_t, bool);
constexpr Tile kTiles[kRows] = {multiply_tile<1>, multiply_tile<2>, multiply_tile<3>,
                                multiply_tile<4>, multiply_tile<5>, multiply_tile<6>};

// A transpose: elements 0 to 7 of `lines` lines, `stride` apart, become eight lines of as many
// elements, `to_stride` apart. What stands behind them, up to 8, is overwritten.
template <int lines>
[[gnu::target("avx2")]] void transpose(const float* from, std::int64_t stride, float* to,
                                       std::int64_t to_stride) {
  __m256 r[8], t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + std::min(i, lines - 1) * stride);
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 2; ++i) {
      const __m256 low = t[4 * half + i], high = t[4 * half + 2 + i];
      r[4 * half + 2 * i] = _mm256_shuffle_ps(low, high, 0x44);
      r[4 * half + 2 * i + 1] = _mm256_shuffle_ps(low, high, 0xEE);
    }
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[4 + i], 0x20));
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + (4 + i) * to_stride, _mm256_permute2f128_ps(r[i], r[4 + i], 0x31));
  }
}

// `rows` rows of a, `depth` steps of k: for each six rows (k, 6). The last ones may be fewer.
// May write two elements more.
void pack_rows(const Matrices& s, const float* a, std::int64_t rows, std::int64_t depth,
               float* to) {
  for (std::int64_t first = 0; first < rows; first += kRows) {
    const std::int64_t count = std::min<std::int64_t>(kRows, rows - first);
    const float* const from = a + first * s.a_row;
    std::int64_t k = 0;
    if (count == kRows && s.a_column == 1) {
      for (; k + 8 <= depth; k += 8) transpose<kRows>(from + k, s.a_row, to + k * kRows, kRows);
    }
    for (; k < depth; ++k) {
      for (std::int64_t i = 0; i < count; ++i) {
        to[k * kRows + i] = from[i * s.a_row + k * s.a_column];
      }
    }
    to += kRows * depth;
  }
}

// One panel: (k, 16), zeros beyond the last column.
[[gnu::target("avx2")]] void pack_panel(const Matrices& s, const float* b, std::int64_t panel,
                                        float* to) {
  const std::int64_t columns = std::min(kColumns, s.n - panel * kColumns);
  const float* from = b + panel * kColumns * s.b_column;
  std::int64_t k = 0;
  if (columns == kColumns && s.b_column == 1) {
    for (; k < s.k; ++k) {
      _mm256_storeu_ps(to + k * kColumns, _mm256_loadu_ps(from + k * s.b_row));
      _mm256_storeu_ps(to + k * kColumns + 8, _mm256_loadu_ps(from + k * s.b_row + 8));
    }
  } else if (columns == kColumns && s.b_row == 1) {
    for (; k + 8 <= s.k; k += 8) {
      transpose<8>(from + k, s.b_column, to + k * kColumns, kColumns);
      transpose<8>(from + k + 8 * s.b_column, s.b_column, to + k * kColumns + 8, kColumns);
    }
  }
  for (; k < s.k; ++k) {
    for (std::int64_t j = 0; j < kColumns; ++j) {
      to[k * kColumns + j] = j < columns ? from[k * s.b_row + j * s.b_column] : 0.0F;
    }
  }
}

class Avx2Kernel final : public PreparedKernel {
 public:
  explicit Avx2Kernel(const KernelCall& call)
      : operands_(operands_of(call)),
        s_(matrices_of(operands_)),
        batch_(batch_of(operands_)),
        panels_((s_.n + kColumns - 1) / kColumns),
        packs_a_(s_.m > kFewRows && s_.a_row != 1),
        packs_b_(s_.m > kFewRows || s_.b_column != 1 || s_.n % kColumns != 0),
        by_item_(batch_ > 1 && s_.m * s_.n * s_.k < 2 * kGrain),
        slots_(std::max(thread_count(), static_cast<int>(std::thread::hardware_concurrency()))) {}

  std::int64_t workspace_bytes() const override {
    const std::int64_t floats =
        by_item_ ? slots_ * (panels_size() + slot_size()) : panels_size() + slots_ * slot_size();
    return floats * static_cast<std::int64_t>(sizeof(float));
  }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    const Places at{.a = static_cast<const float*>(inputs[0]),
                    .b = static_cast<const float*>(inputs[1]),
                    .y = static_cast<float*>(outputs[0]),
                    .panels = static_cast<float*>(workspace),
                    .slots = static_cast<float*>(workspace) + panels_size()};
    if (!by_item_) {
      for (std::int64_t item = 0; item < batch_; ++item) run_product(place_of(at, item));
      return;
    }
    // Small products: whole ones for each thread, which has panels of its own.
    const std::int64_t pieces = parallel::piece_count(batch_, kGrain / (s_.m * s_.n * s_.k) + 1,
                                                      std::min(parallel::team_size(), slots_));
    parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const parallel::Range items = parallel::piece_range(batch_, pieces, piece);
        for (std::int64_t item = items.begin; item < items.end; ++item) {
          Places own = place_of(at, item);
          own.panels = at.panels + piece * (panels_size() + slot_size());
          own.slots = own.panels + panels_size();
          run_product(own);
        }
      }
    });
  }

 private:
  // A thread's part of a, and a cache line between two threads.
  static constexpr std::int64_t kSlot = kRowBlock * kDepth + 16;

  struct Places {
    const float *a, *b;
    float *y, *panels, *slots;
  };
  struct Block {
    parallel::Range rows, panels;
  };

  std::int64_t panel_size() const { return s_.k * kColumns; }
  std::int64_t panels_size() const { return packs_b_ ? panels_ * panel_size() : 0; }
  std::int64_t slot_size() const { return packs_a_ ? kSlot : 0; }

  Places place_of(const Places& first, std::int64_t item) const {
    return {.a = first.a + batch_offset(operands_.a, item),
            .b = first.b + batch_offset(operands_.b, item),
            .y = first.y + item * s_.m * s_.n,
            .panels = first.panels,
            .slots = first.slots};
  }

  void run_product(const Places& at) const {
    if (packs_b_) {
      parallel_for(panels_, kGrain / 8 / panel_size() + 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t panel = begin; panel < end; ++panel) {
                       pack_panel(s_, at.b, panel, at.panels + panel * panel_size());
                     }
                   });
    }
    const int threads = std::min(parallel::team_size(), slots_);
    const std::int64_t tiles = (s_.m + kRows - 1) / kRows;
    // Blocks of rows, as many for each thread; where there are too few, of columns too.
    std::int64_t row_blocks = (s_.m + kRowBlock - 1) / kRowBlock;
    row_blocks = std::min(tiles, (row_blocks + threads - 1) / threads * threads);
    const std::int64_t groups =
        row_blocks >= threads ? 1 : std::min<std::int64_t>(panels_, threads);
    const std::int64_t blocks = row_blocks * groups;
    const std::int64_t work = s_.m * s_.n * s_.k / blocks + 1;
    const std::int64_t pieces = parallel::piece_count(blocks, kGrain / work + 1, threads);
    parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const parallel::Range range = parallel::piece_range(blocks, pieces, piece);
        for (std::int64_t block = range.begin; block < range.end; ++block) {
          const parallel::Range rows = parallel::piece_range(tiles, row_blocks, block / groups);
          run_block({{rows.begin * kRows, std::min(rows.end * kRows, s_.m)},
                     parallel::piece_range(panels_, groups, block % groups)},
                    at, at.slots + piece * slot_size());
        }
      }
    });
  }

  void run_block(const Block& block, const Places& at, float* slot) const {
    const std::int64_t rows = block.rows.end - block.rows.begin;
    for (std::int64_t k = 0; k < s_.k; k += kDepth) {
      const std::int64_t depth = std::min(kDepth, s_.k - k);
      const float* const a = at.a + block.rows.begin * s_.a_row + k * s_.a_column;
      if (packs_a_) pack_rows(s_, a, rows, depth, slot);
      for (std::int64_t panel = block.panels.begin; panel < block.panels.end; ++panel) {
        const float* const b = packs_b_ ? at.panels + panel * panel_size() + k * kColumns
                                        : at.b + k * s_.b_row + panel * kColumns;
        for (std::int64_t row = 0; row < rows; row += kRows) {
          run_tile(packs_a_ ? slot + row * depth : a + row * s_.a_row, b, depth,
                   std::min<std::int64_t>(kRows, rows - row),
                   std::min(kColumns, s_.n - panel * kColumns),
                   at.y + (block.rows.begin + row) * s_.n + panel * kColumns, k == 0);
        }
      }
    }
  }

  void run_tile(const float* a, const float* b, std::int64_t depth, std::int64_t rows,
                std::int64_t columns, float* y, bool fresh) const {
    const Tile tile = kTiles[rows - 1];
    const std::int64_t a_row = packs_a_ ? 1 : s_.a_row;
    const std::int64_t a_column = packs_a_ ? kRows : s_.a_column;
    const std::int64_t b_row = packs_b_ ? kColumns : s_.b_row;
    if (columns == kColumns) return tile(a, a_row, a_column, b, b_row, depth, y, s_.n, fresh);
    float whole[kRows * kColumns] = {};
    for (std::int64_t i = 0; i < rows && !fresh; ++i) {
      std::copy_n(y + i * s_.n, columns, whole + i * kColumns);
    }
    tile(a, a_row, a_column, b, b_row, depth, whole, kColumns, fresh);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(whole + i * kColumns, columns, y + i * s_.n);
    }
  }

  Operands operands_;
  Matrices s_;
  std::int64_t batch_;
  std::int64_t panels_;
  bool packs_a_;
  bool packs_b_;  // else it is read where it lies
  bool by_item_;  // threads share out the batch; else each product
  int slots_;     // threads that there is workspace for
};

}  // namespace

bool uses_matmul_avx2() {
  static const bool can = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return can && (!supports(Isa::avx512) || switches().isa == IsaChoice::avx2 || !may_use_onednn());
}

std::unique_ptr<PreparedKernel> prepare_matmul_avx2(const KernelCall& call) {
  return std::make_unique<Avx2Kernel>(call);
}

}  // namespace sinter::backend::cpu

#else

#include "ir/internal_error.h"

namespace sinter::backend::cpu {

bool uses_matmul_avx2() { return false; }

std::unique_ptr<PreparedKernel> prepare_matmul_avx2(const KernelCall&) {
  throw ir::InternalError("matmul: this processor has no AVX2");
}

}  // namespace sinter::backend::cpu

#endif
