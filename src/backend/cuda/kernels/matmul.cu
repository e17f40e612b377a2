// Matrix products (B..., M, K) x (B..., K, N), of operands with any strides.
//
// The tiled product of device/contraction.h on two matrices. An operand is read along the axis
// along which its elements are neighbours, 16 bytes at a time where strides and addresses allow it,
// so a transposed matrix costs the same as a plain one. Batches are further blocks. Memory: a
// column of tiles reads A once, a row of tiles reads B once; Y is written once (twice where K is
// cut).
#include <string>

#include "backend/cuda/device/contraction.h"
#include "backend/kernel_dtype.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {

void contraction::check_lengths(const char* where, const Size& size) {
  constexpr std::int64_t kLongest = (std::int64_t{1} << 31) - (std::int64_t{1} << 16);
  for (const std::int64_t length : {size.m, size.n, size.k}) {
    if (length <= kLongest) continue;
    raise({.where = where,
           .what = "an axis is too long for CUDA",
           .got = std::to_string(length),
           .expected = "at most " + std::to_string(kLongest),
           .hint = {}});
  }
}

namespace {

using contraction::Matrix;
using contraction::MatrixParams;
using contraction::Size;

bool accepts_matmul(const KernelCall&, int) { return true; }

// One operand: `width` is M of A or N of B.
struct OperandAxes {
  std::int64_t width, depth, width_stride, depth_stride;
  std::int64_t offsets = 0;  // all strides but those of the last two axes, or-ed
};

template <class E>
MatrixParams<E> matrix_of(const OperandAxes& axes, const void* from) {
  MatrixParams<E> p{};
  p.from = static_cast<const E*>(from);
  p.width = static_cast<int>(axes.width);
  p.width_stride = axes.width_stride;
  p.depth_stride = axes.depth_stride;
  // Axes of length 1 may come with any stride.
  p.along_depth = axes.width_stride != 1 && axes.depth_stride == 1;
  if (axes.width == 1 && axes.depth_stride == 1) p.along_depth = true;
  if (axes.depth == 1 && axes.width_stride == 1) p.along_depth = false;
  const std::int64_t along = p.along_depth ? axes.depth_stride : axes.width_stride;
  const std::int64_t other = p.along_depth ? axes.width_stride : axes.depth_stride;
  const std::int64_t other_length = p.along_depth ? axes.width : axes.depth;
  p.aligned =
      along == 1 && contraction::is_aligned<E>(from, axes.offsets | (other_length > 1 ? other : 0));
  return p;
}

template <class E, class O>
class Matmul final : public PreparedKernel {
  using T = Computed<E>;

 public:
  explicit Matmul(const KernelCall& call) {
    const ir::Layout& a = call.inputs[0];
    const ir::Layout& b = call.inputs[1];
    const auto rank = static_cast<std::size_t>(a.shape.rank());
    const auto length = [](const ir::Layout& layout, std::size_t axis) {
      return layout.shape[static_cast<int>(axis)];
    };
    a_ = {length(a, rank - 2), length(a, rank - 1), a.strides[rank - 2], a.strides[rank - 1]};
    b_ = {length(b, rank - 1), length(b, rank - 2), b.strides[rank - 1], b.strides[rank - 2]};
    size_ = {a_.width, b_.width, a_.depth, 1};
    for (std::size_t axis = 0; axis + 2 < rank; ++axis) {
      const std::int64_t count = length(a, axis);
      if (count == 1) continue;
      size_.products *= count;
      a_products_.add(count, a.strides[axis]);
      b_products_.add(count, b.strides[axis]);
      a_.offsets |= a.strides[axis];
      b_.offsets |= b.strides[axis];
    }
    contraction::check_lengths("matmul", size_);
  }

  std::int64_t workspace_bytes() const override { return contraction::workspace_bytes<T>(size_); }

  void launch(const LaunchCall& call) const override {
    contraction::launch_product<T, O, Matrix<E>, Matrix<E>>(
        "matmul", size_, contraction::one_by_one(size_), matrix_of<E>(a_, call.inputs[0]),
        matrix_of<E>(b_, call.inputs[1]), a_products_, b_products_, call);
  }

 private:
  OperandAxes a_{}, b_{};
  Size size_{};
  Walk a_products_, b_products_;
};

std::unique_ptr<PreparedKernel> prepare_matmul(const KernelCall& call) {
  return contraction::for_dtypes(
      "matmul", call.input_dtypes[0], call.output_dtypes[0],
      [&](auto element, auto result) -> std::unique_ptr<PreparedKernel> {
        return std::make_unique<Matmul<decltype(element), decltype(result)>>(call);
      });
}

}  // namespace

const Kernel kMatmul{.accepts = accepts_matmul, .prepare = prepare_matmul};

}  // namespace sinter::backend::cuda
