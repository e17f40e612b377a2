// The scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM
// TOMS 34 (2008): a tile of results stays in registers while rows of b and elements of a pass by.
//
// b is packed into panels of two vectors' columns, so that each step of k is a cache line or two: a
// panel's part just before its use where one thread alone uses it, else all panels first. Of a,
// every thread packs the part that it is at, the rows of a tile side by side.
#include "backend/cpu/kernels/matmul_vector.h"

#include "backend/cpu/groups/cache.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "backend/cpu/kernels/matmul_tiles.h"
#include "backend/cpu/kernels/matrices.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {

namespace {

using parallel::Range;

// With no more rows than this, packing b would cost about what it saves.
constexpr std::int64_t kFewRows = 12;
// Steps of k at a time where b is read where it lies: so many rows are read side by side.
constexpr std::int64_t kStreams = 32;
// Multiplications below which a thread is not worth its start.
constexpr std::int64_t kGrain = 1 << 18;
// Elements that are packed in the time that threads take to meet once more.
constexpr std::int64_t kMeeting = 1 << 16;

// A transpose: elements 0 to 7 of `lines` lines, `stride` apart, become eight lines of as many
// elements, `to_stride` apart. What stands behind them, up to 8, is overwritten.
template <int lines>
[[gnu::target("avx2")]] void transpose(const float* from, std::int64_t stride, float* to,
                                       std::int64_t to_stride) {
  // Halves are joined as they are loaded, which leaves sixteen shuffles.
  __m256 r[8], t[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const float* const low = from + std::min(i, lines - 1) * stride;
    const float* const high = from + std::min(i + 4, lines - 1) * stride;
    for (int half = 0; half < 2; ++half) {
      r[4 * half + i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low + 4 * half)),
                                             _mm_loadu_ps(high + 4 * half), 1);
    }
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m256* const four = r + 4 * half;
    t[0] = _mm256_unpacklo_ps(four[0], four[1]);
    t[1] = _mm256_unpackhi_ps(four[0], four[1]);
    t[2] = _mm256_unpacklo_ps(four[2], four[3]);
    t[3] = _mm256_unpackhi_ps(four[2], four[3]);
    for (int i = 0; i < 2; ++i) {
      float* const line = to + (4 * half + 2 * i) * to_stride;
      _mm256_storeu_ps(line, _mm256_shuffle_ps(t[i], t[2 + i], 0x44));
      _mm256_storeu_ps(line + to_stride, _mm256_shuffle_ps(t[i], t[2 + i], 0xEE));
    }
  }
}

using Transpose = void (*)(const float*, std::int64_t, float*, std::int64_t);
constexpr Transpose kTransposes[8] = {transpose<1>, transpose<2>, transpose<3>, transpose<4>,
                                      transpose<5>, transpose<6>, transpose<7>, transpose<8>};

// (depth, rows) from `rows` rows of a. May write seven elements more.
[[gnu::target("avx2")]] void pack_tile(const Matrices& s, const float* from, std::int64_t rows,
                                       std::int64_t depth, float* to) {
  std::int64_t k = 0;
  if (s.a_column == 1) {
    // The last lines first: what they write too much belongs to the next step's first ones.
    for (; k + 8 <= depth; k += 8) {
      for (std::int64_t line = (rows - 1) / 8 * 8; line >= 0; line -= 8) {
        kTransposes[std::min<std::int64_t>(8, rows - line) - 1](from + line * s.a_row + k, s.a_row,
                                                                to + k * rows + line, rows);
      }
    }
  } else if (s.a_row == 1 && rows >= 8) {
    for (; k < depth; ++k) {
      const float* const line = from + k * s.a_column;
      for (std::int64_t i = 0; i + 8 < rows; i += 8) {
        _mm256_storeu_ps(to + k * rows + i, _mm256_loadu_ps(line + i));
      }
      _mm256_storeu_ps(to + (k + 1) * rows - 8, _mm256_loadu_ps(line + rows - 8));
    }
  }
  for (; k < depth; ++k) {
    for (std::int64_t i = 0; i < rows; ++i) to[k * rows + i] = from[i * s.a_row + k * s.a_column];
  }
}

// (depth, width) from `columns` columns of b, zeros beyond them. `width` is a multiple of 8.
[[gnu::target("avx2")]] void pack_panel(const Matrices& s, const float* from, std::int64_t columns,
                                        std::int64_t depth, std::int64_t width, float* to) {
  constexpr std::int64_t kChunk = 64;  // steps of k: some lines of every column
  const std::int64_t whole = columns / 8 * 8;
  if (s.b_column == 1) {
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t j = 0; j < whole; j += 8) {
        _mm256_storeu_ps(to + k * width + j, _mm256_loadu_ps(from + k * s.b_row + j));
      }
    }
  }
  std::int64_t packed = s.b_column == 1 ? depth : 0;
  if (s.b_row == 1 && s.b_column != 1) {
    packed = depth / 8 * 8;
    for (std::int64_t chunk = 0; chunk < packed; chunk += kChunk) {
      for (std::int64_t j = 0; j < whole; j += 8) {
        for (std::int64_t k = chunk; k < std::min(packed, chunk + kChunk); k += 8) {
          transpose<8>(from + k + j * s.b_column, s.b_column, to + k * width + j, width);
        }
      }
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t j = k < packed ? whole : 0; j < width; ++j) {
      to[k * width + j] = j < columns ? from[k * s.b_row + j * s.b_column] : 0.0F;
    }
  }
}

class VectorKernel final : public PreparedKernel {
 public:
  VectorKernel(const KernelCall& call, const Tiles& tiles)
      : operands_(operands_of(call)),
        s_(matrices_of(operands_)),
        batch_(batch_of(operands_)),
        vector_(tiles.vector),
        width_(s_.n <= vector_ ? vector_ : 2 * vector_),
        panels_((s_.n + width_ - 1) / width_),
        row_block_(tiles.row_block),
        packs_a_(s_.m > 1 && panels_ > 1),
        packs_b_(s_.m > kFewRows || s_.b_column != 1),
        dense_(packs_a_ || s_.m == 1 || s_.a_row == 1),
        depth_(std::min(s_.k, packs_b_ ? tiles.depth : kStreams)),
        one_(dense_ ? tiles.one.dense : tiles.one.strided),
        two_(dense_ ? tiles.two.dense : tiles.two.strided),
        slots_(std::max(thread_count(), static_cast<int>(std::thread::hardware_concurrency()))),
        by_item_(shares_out_items()) {
    const Tiles::Rows& rows = s_.n <= vector_ ? tiles.one : tiles.two;
    tile_rows_ = dense_ ? rows.dense_rows : rows.strided_rows;
  }

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
    // Whole products for each thread, which has panels of its own.
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
  struct Places {
    const float *a, *b;
    float *y, *panels, *slots;
  };
  struct Block {
    Range rows, panels;
  };
  // How a product is cut into blocks.
  struct Cut {
    std::int64_t rows, groups;  // blocks of rows, and of panels
    bool alone;                 // each panel is in one block only
  };

  // Small products, or enough larger ones that threads are done at about the same time.
  bool shares_out_items() const {
    const std::int64_t work = s_.m * s_.n * s_.k;
    return batch_ > 1 && (work < 2 * kGrain || (batch_ >= 4 * slots_ && work < 64 * kGrain));
  }

  // Whole cache lines, as are those below.
  std::int64_t panel_size() const { return (s_.k * width_ + 15) / 16 * 16; }
  std::int64_t panels_size() const { return packs_b_ ? panels_ * panel_size() : 0; }
  // A thread's part of a with what may be written behind it, and of a panel.
  std::int64_t a_size() const {
    return packs_a_ ? (std::min(s_.m, row_block_) * depth_ + 8 + 15) / 16 * 16 : 0;
  }
  // A cache line between two threads.
  std::int64_t slot_size() const { return a_size() + (depth_ * width_ + 15) / 16 * 16 + 16; }

  Places place_of(const Places& first, std::int64_t item) const {
    return {.a = first.a + batch_offset(operands_.a, item),
            .b = first.b + batch_offset(operands_.b, item),
            .y = first.y + item * s_.m * s_.n,
            .panels = first.panels,
            .slots = first.slots};
  }

  Cut cut_for(std::int64_t threads) const {
    const std::int64_t tiles = (s_.m + tile_rows_ - 1) / tile_rows_;
    std::int64_t rows = (s_.m + row_block_ - 1) / row_block_;
    // Where every thread takes all rows, each packs all of a, but b without meeting before.
    const bool cheap = s_.m * s_.k / threads * (threads - 1) <= kMeeting || 4 * s_.m <= s_.n;
    if (rows == 1 && (threads == 1 || (panels_ >= threads && cheap))) {
      return {1, std::min(panels_, threads), true};
    }
    // As many for each thread; where there are too few, blocks of columns too.
    rows = std::min(tiles, (rows + threads - 1) / threads * threads);
    const std::int64_t groups = rows >= threads ? 1 : std::min(panels_, threads);
    return {rows, groups, rows == 1};
  }

  void run_product(const Places& at) const {
    const int threads = std::min(parallel::team_size(), slots_);
    const Cut cut = cut_for(threads);
    const bool shared = packs_b_ && !cut.alone;
    if (shared) {
      parallel_for(panels_, kGrain / 8 / panel_size() + 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t panel = begin; panel < end; ++panel) {
                       pack_panel(s_, at.b + panel * width_ * s_.b_column, columns_of(panel), s_.k,
                                  width_, at.panels + panel * panel_size());
                     }
                   });
    }
    const std::int64_t blocks = cut.rows * cut.groups;
    const std::int64_t work = s_.m * s_.n * s_.k / blocks + 1;
    const std::int64_t pieces = parallel::piece_count(blocks, kGrain / work + 1, threads);
    parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const Range range = parallel::piece_range(blocks, pieces, piece);
        for (std::int64_t block = range.begin; block < range.end; ++block) {
          run_block({parallel::piece_range(s_.m, cut.rows, block / cut.groups),
                     parallel::piece_range(panels_, cut.groups, block % cut.groups)},
                    shared, at, at.slots + piece * slot_size());
        }
      }
    });
  }

  std::int64_t columns_of(std::int64_t panel) const {
    return std::min(width_, s_.n - panel * width_);
  }

  void run_block(const Block& block, bool shared, const Places& at, float* slot) const {
    const std::int64_t rows = block.rows.end - block.rows.begin;
    // Of equal heights: a low last tile would take nearly the time of a full one.
    const std::int64_t tiles = (rows + tile_rows_ - 1) / tile_rows_;
    float* const own_panel = slot + a_size();
    for (std::int64_t k = 0; k < s_.k; k += depth_) {
      const std::int64_t depth = std::min(depth_, s_.k - k);
      const float* const a = at.a + block.rows.begin * s_.a_row + k * s_.a_column;
      for (std::int64_t tile = 0; packs_a_ && tile < tiles; ++tile) {
        const Range range = parallel::piece_range(rows, tiles, tile);
        pack_tile(s_, a + range.begin * s_.a_row, range.end - range.begin, depth,
                  slot + range.begin * depth);
      }
      for (std::int64_t panel = block.panels.begin; panel < block.panels.end; ++panel) {
        const std::int64_t columns = columns_of(panel);
        TileCall call{.b = at.b + k * s_.b_row + panel * width_ * s_.b_column,
                      .b_row = s_.b_row,
                      .depth = depth,
                      .y_row = s_.n,
                      .columns = columns,
                      .fresh = k == 0};
        if (shared) {
          call.b = at.panels + panel * panel_size() + k * width_;
          call.b_row = width_;
        } else if (packs_b_ || columns % vector_ != 0) {
          pack_panel(s_, call.b, columns, depth, width_, own_panel);
          call.b = own_panel;
          call.b_row = width_;
        }
        float* const y = at.y + block.rows.begin * s_.n + panel * width_;
        const Tile* const heights = columns <= vector_ ? one_ : two_;
        for (std::int64_t tile = 0; tile < tiles; ++tile) {
          const Range range = parallel::piece_range(rows, tiles, tile);
          const std::int64_t height = range.end - range.begin;
          call.a = packs_a_ ? slot + range.begin * depth : a + range.begin * s_.a_row;
          call.a_row = packs_a_ ? 1 : s_.a_row;
          call.a_column = packs_a_ ? height : s_.a_column;
          call.y = y + range.begin * s_.n;
          heights[height - 1](call);
        }
      }
    }
  }

  Operands operands_;
  Matrices s_;
  std::int64_t batch_;
  std::int64_t vector_;
  std::int64_t width_;  // columns of a panel
  std::int64_t panels_;
  std::int64_t row_block_;
  bool packs_a_;
  bool packs_b_;  // else it is read where it lies, but for a last panel that is no whole vectors
  bool dense_;    // a tile's rows of a lie side by side
  std::int64_t depth_;
  const Tile *one_, *two_;  // by height, for panels of so many vectors
  int slots_;               // threads that there is workspace for
  bool by_item_;            // threads share out the batch; else each product
  std::int64_t tile_rows_ = 0;
};

}  // namespace

bool can_multiply_vectors() {
  static const bool can = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return can;
}

std::unique_ptr<PreparedKernel> prepare_matmul_vector_by(const KernelCall& call, Isa isa) {
  return std::make_unique<VectorKernel>(call, tiles_for(isa));
}

std::unique_ptr<PreparedKernel> prepare_matmul_vector(const KernelCall& call) {
  const bool avx512 = supports(Isa::avx512) && switches().isa != IsaChoice::avx2;
  return prepare_matmul_vector_by(call, avx512 ? Isa::avx512 : Isa::avx2);
}

}  // namespace sinter::backend::cpu

#else

#include "ir/internal_error.h"

namespace sinter::backend::cpu {

bool can_multiply_vectors() { return false; }

std::unique_ptr<PreparedKernel> prepare_matmul_vector_by(const KernelCall&, Isa) {
  throw ir::InternalError("matmul: this processor has no AVX2");
}

std::unique_ptr<PreparedKernel> prepare_matmul_vector(const KernelCall& call) {
  return prepare_matmul_vector_by(call, Isa::avx2);
}

}  // namespace sinter::backend::cpu

#endif
