// Matrix products (B..., M, K) x (B..., K, N): oneDNN in f32 (or matmul_vector.cc) and in bf16
// where the processor multiplies it, blocked loops in f64, and in f32 where neither can serve.
// Other 16-bit products are f32 ones of widened operands.
//
// f32 matrices are read as they lie, plain or transposed. oneDNN could choose a blocked layout
// ("any") for b, but the reorder costs more than it gains: 128x784x512 takes 461 us plain against
// 440 us and 54 us for the reorder; 128x512x512 takes 298 us against 288 and 35.
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/kernels/contraction.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/matmul_vector.h"
#include "backend/cpu/kernels/matrices.h"
#include "backend/cpu/kernels/small_then.h"
#include "backend/cpu/kernels/team_kernel.h"
#include "backend/cpu/kernels/widened.h"
#include "backend/cpu/kernels/zero_kernel.h"
#include "backend/cpu/machine_code.h"
#include "backend/cpu/vendor/onednn.h"
#include "base/parallel.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {
namespace {

using dnnl::memory;
using onednn::Place;

// A row with gaps times a column with gaps: oneDNN's fault with such rows (onednn.h) is avoided by
// seeing the row as the column of the transposed product, whose row would be this column. So the
// row is copied first, with every oneDNN, that plans are the same.
bool is_dot_of_gaps(const KernelCall& call) {
  const ir::Layout& a = call.inputs[0];
  const ir::Layout& b = call.inputs[1];
  const int rank = a.shape.rank();
  const auto row = static_cast<std::size_t>(rank - 2), column = static_cast<std::size_t>(rank - 1);
  return a.shape[rank - 2] == 1 && a.shape[rank - 1] > 1 && b.shape[rank - 1] == 1 &&
         a.strides[column] > 1 && b.strides[row] > 1;
}

// oneDNN takes strides that count apart all elements (none is 0, no two places coincide) when one
// of the last two axes has stride 1. Our own f64 loops take everything; the others are asked for
// the same everywhere, so that plans are.
bool accepts_matmul(const KernelCall& call, int input) {
  const auto i = static_cast<std::size_t>(input);
  const ir::Layout& layout = call.inputs[i];
  if (call.input_dtypes[i] == Dtype::f64 || layout.shape.elements() == 0) return true;
  const int rank = layout.shape.rank();
  std::array<Axis, Shape::kMaxRank> axes{};
  std::size_t count = 0;
  bool contiguous = layout.shape[rank - 1] == 1 && layout.shape[rank - 2] == 1;
  for (int axis = 0; axis < rank; ++axis) {
    const Axis a{layout.shape[axis], layout.strides[static_cast<std::size_t>(axis)]};
    if (a.length == 1) continue;
    std::size_t place = count++;  // sorted by stride
    for (; place > 0 && axes[place - 1].stride > a.stride; --place) axes[place] = axes[place - 1];
    axes[place] = a;
    if (axis >= rank - 2 && a.stride == 1) contiguous = true;
  }
  // A single row or column with gaps is one axis of a matrix whose other axis has length 1.
  if (layout.shape[rank - 1] == 1 || layout.shape[rank - 2] == 1) contiguous = true;
  if (input == 0 && is_dot_of_gaps(call)) return false;
  std::int64_t extent = 1;
  for (std::size_t axis = 0; axis < count; ++axis) {
    if (axes[axis].stride < extent) return false;
    extent = axes[axis].stride * axes[axis].length;
  }
  return contiguous;
}

// ---- f32 and bf16 ----

// Axes of length 1 may come with any stride; oneDNN recognises layouts by their canonical ones.
memory::desc describe(Dtype dtype, std::vector<Axis> axes) {
  Axis& rows = axes[axes.size() - 2];
  Axis& columns = axes[axes.size() - 1];
  if (rows.length == 1 && columns.length == 1) rows.stride = columns.stride = 1;
  if (columns.length == 1 && rows.length != 1) columns.stride = 1;
  if (rows.length == 1 && columns.length != 1) {
    rows.stride = columns.stride == 1 ? columns.length : 1;
  }
  memory::dims lengths, strides;
  for (const Axis& axis : axes) {
    lengths.push_back(axis.length);
    strides.push_back(axis.stride);
  }
  return onednn::plain(dtype, lengths, strides);
}

// The factors of y^T = b^T a^T.
Operands swapped(Operands operands) {
  std::swap(operands.a, operands.b);
  for (std::vector<Axis>* axes : {&operands.a, &operands.b}) {
    std::swap((*axes)[axes->size() - 2], axes->back());
  }
  return operands;
}

void make_matmul(const KernelCall& call, onednn::Recipe& recipe) {
  Operands operands = operands_of(call);
  const Matrices matrices = matrices_of(operands);
  const bool swap = onednn::kMisreadsRowsWithGaps && matrices.m == 1 && matrices.k > 1 &&
                    matrices.a_column > 1;  // y, a row or a column, lies the same
  if (swap) operands = swapped(std::move(operands));
  const memory::desc a = describe(call.input_dtypes[0], operands.a);
  const memory::desc b = describe(call.input_dtypes[1], operands.b);
  std::vector<Axis> result = operands.a;
  result.back().length = operands.b.back().length;
  std::int64_t stride = 1;
  for (std::size_t axis = result.size(); axis-- > 0;) {
    result[axis].stride = stride;
    stride *= result[axis].length;
  }
  const memory::desc y = describe(call.output_dtypes[0], result);
  const auto desc = onednn::matmul(a, b, y);
  recipe.add(dnnl::matmul(desc), desc.scratchpad_desc(),
             {{DNNL_ARG_SRC, a, Place::input, swap ? 1 : 0},
              {DNNL_ARG_WEIGHTS, b, Place::input, swap ? 0 : 1},
              {DNNL_ARG_DST, y, Place::output, 0}});
}

// ---- loops: each element is the left fold over k in ascending order, whatever the blocking ----

constexpr std::int64_t kDepth = 256;  // k per panel
constexpr std::int64_t kColumns = 8;  // columns per panel: 16 KiB of f64 on the stack
constexpr std::int64_t kRows = 4;     // rows per register tile

// Adds a panel's products to rows [row, row + rows) of y; `y` points at the panel's first column.
template <class T>
void add_tile(const Matrices& s, const T* a, const T (*panel)[kColumns], std::int64_t depth,
              std::int64_t rows, std::int64_t columns, T* y) {
  T tile[kRows][kColumns] = {};
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) tile[i][j] = y[i * s.n + j];
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const T left = a[i * s.a_row + k * s.a_column];
      for (std::int64_t j = 0; j < kColumns; ++j) tile[i][j] += left * panel[k][j];
    }
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) y[i * s.n + j] = tile[i][j];
  }
}

// Rows [begin, end) of one product.
template <class T>
void multiply_rows(const Matrices& s, const T* a, const T* b, T* y, std::int64_t begin,
                   std::int64_t end) {
  std::fill(y + begin * s.n, y + end * s.n, T{0});
  T panel[kDepth][kColumns];
  for (std::int64_t column = 0; column < s.n; column += kColumns) {
    const std::int64_t columns = std::min(kColumns, s.n - column);
    for (std::int64_t start = 0; start < s.k; start += kDepth) {
      const std::int64_t depth = std::min(kDepth, s.k - start);
      for (std::int64_t k = 0; k < depth; ++k) {
        for (std::int64_t j = 0; j < kColumns; ++j) {
          panel[k][j] = j < columns ? b[(start + k) * s.b_row + (column + j) * s.b_column] : T{0};
        }
      }
      for (std::int64_t row = begin; row < end; row += kRows) {
        add_tile(s, a + row * s.a_row + start * s.a_column, panel, depth,
                 std::min(kRows, end - row), columns, y + row * s.n + column);
      }
    }
  }
}

template <class T>
class LoopKernel final : public PreparedKernel {
 public:
  explicit LoopKernel(const KernelCall& call)
      : operands_(operands_of(call)),
        matrices_(matrices_of(operands_)),
        batch_(batch_of(operands_)) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* a = static_cast<const T*>(inputs[0]);
    const auto* b = static_cast<const T*>(inputs[1]);
    auto* y = static_cast<T*>(outputs[0]);
    const std::int64_t m = matrices_.m;
    const std::int64_t work = std::max<std::int64_t>(1, matrices_.k * matrices_.n);
    parallel_for(batch_ * m, std::max<std::int64_t>(4, 16384 / work),
                 [&](std::int64_t begin, std::int64_t end) {
                   while (begin < end) {
                     const std::int64_t item = begin / m;
                     const std::int64_t stop = std::min(end, (item + 1) * m);
                     multiply_rows(matrices_, a + batch_offset(operands_.a, item),
                                   b + batch_offset(operands_.b, item), y + item * m * matrices_.n,
                                   begin - item * m, stop - item * m);
                     begin = stop;
                   }
                 });
  }

 private:
  Operands operands_;
  Matrices matrices_;
  std::int64_t batch_;
};

double multiplications(const KernelCall& call) {
  const Operands operands = operands_of(call);
  const Matrices s = matrices_of(operands);
  return static_cast<double>(batch_of(operands)) * static_cast<double>(s.m) *
         static_cast<double>(s.n) * static_cast<double>(s.k);
}

// ---- the providers ----

bool is_of_nothing(const KernelCall& call) {
  return call.inputs[0].shape.elements() == 0 || call.inputs[1].shape.elements() == 0;
}

bool serves_vector(const KernelCall& call) {
  return is_f32(call) && can_multiply_vectors() && !is_of_nothing(call);
}

// oneDNN takes memory from the heap at every product without AVX-512.
bool serves_own(const KernelCall& call) {
  return serves_vector(call) && (!supports(Isa::avx512) || switches().isa == IsaChoice::avx2);
}

bool serves_own_avx512(const KernelCall& call) { return serves_vector(call) && !serves_own(call); }

bool serves_onednn(const KernelCall& call) {
  if (!may_use_onednn() || is_of_nothing(call)) return false;
  return is_f32(call) || (call.input_dtypes[0] == Dtype::bf16 && multiplies_bf16());
}

std::unique_ptr<PreparedKernel> run_onednn(const KernelCall& call) {
  std::shared_ptr<const onednn::Recipe> recipe = onednn::find_recipe("matmul", call, make_matmul);
  if (recipe == nullptr) throw ir::InternalError("matmul: oneDNN has no primitive");
  return onednn::run_recipe("matmul", std::move(recipe));
}

std::unique_ptr<PreparedKernel> prepare_onednn(const KernelCall& call) {
  return prepare_for_teams(call, multiplications(call), run_onednn);
}

bool serves_loops(const KernelCall& call) {
  return !is_of_nothing(call) && (is_f32(call) || call.output_dtypes[0] == Dtype::f64);
}

std::unique_ptr<PreparedKernel> prepare_loops(const KernelCall& call) {
  if (call.output_dtypes[0] == Dtype::f64) return std::make_unique<LoopKernel<double>>(call);
  return std::make_unique<LoopKernel<float>>(call);
}

bool serves_widened(const KernelCall& call) { return is_half(call) && !is_of_nothing(call); }

std::unique_ptr<PreparedKernel> prepare_f32(const KernelCall& call) {
  return prepare_kernel(kMatmul, call, {}, nullptr);
}

std::unique_ptr<PreparedKernel> prepare_widened_matmul(const KernelCall& call) {
  return prepare_widened(call, prepare_f32);
}

// oneDNN gives other bits for parts of a product than for the whole, so only small products of it
// have epilogues.
template <std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&)>
std::unique_ptr<PreparedKernel> prepare_then(const KernelCall& call, const ir::Group& epilogue) {
  return prepare_small_then(call, multiplications(call), epilogue, prepare);
}

// The first that serves is the fastest, as far as measured.
constexpr Provider kProviders[] = {
    {"zero", is_of_nothing, prepare_zero},
    {"own", serves_own, prepare_matmul_vector, prepare_then<prepare_matmul_vector>},
    {"onednn", serves_onednn, prepare_onednn, prepare_then<prepare_onednn>},
    {"own_avx512", serves_own_avx512, prepare_matmul_vector, prepare_then<prepare_matmul_vector>},
    {"loops", serves_loops, prepare_loops, prepare_then<prepare_loops>},
    {"widened", serves_widened, prepare_widened_matmul, prepare_then<prepare_widened_matmul>},
};

}  // namespace

const Kernel kMatmul{.accepts = accepts_matmul, .providers = kProviders};

}  // namespace sinter::backend::cpu
