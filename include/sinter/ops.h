// The operations on tensors. Every function takes Tensors, States or, where it says Operand,
// numbers; computes on values (no input changes); and works the same called directly and inside
// compile(). Floating ops take f32 and f64. There is no type promotion: tensors that meet must have
// one dtype.
#ifndef SINTER_OPS_H_
#define SINTER_OPS_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "sinter/pointwise_list.h"
#include "sinter/tensor.h"

namespace sinter {

// Pointwise ops: `Tensor exp(Operand x)`, `Tensor add(Operand a, Operand b)`,
// `Tensor where(Operand condition, Operand a, Operand b)`, ... Inputs broadcast as in NumPy. What
// each computes stands with its struct in ir/pointwise.h (and in docs/ops.md).
#define SINTER_DECLARE_UNARY(Struct, function) Tensor function(Operand x);
#define SINTER_DECLARE_BINARY(Struct, function) Tensor function(Operand a, Operand b);
#define SINTER_DECLARE_TERNARY(Struct, function) Tensor function(Operand a, Operand b, Operand c);
SINTER_POINTWISE_OPS(SINTER_DECLARE_UNARY, SINTER_DECLARE_BINARY, SINTER_DECLARE_TERNARY)
#undef SINTER_DECLARE_UNARY
#undef SINTER_DECLARE_BINARY
#undef SINTER_DECLARE_TERNARY

Tensor operator+(Operand a, Operand b);
Tensor operator-(Operand a, Operand b);
Tensor operator*(Operand a, Operand b);
Tensor operator/(Operand a, Operand b);
Tensor operator-(Operand x);
Tensor operator<(Operand a, Operand b);  // boolean results
Tensor operator<=(Operand a, Operand b);
Tensor operator>(Operand a, Operand b);
Tensor operator>=(Operand a, Operand b);

// Each element converted. Floats to integers truncate towards zero and saturate, NaN gives 0;
// numbers to boolean: x != 0.
Tensor cast(Operand x, Dtype dtype);

// Constants.
Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::f32,
            SourceLocation location = SourceLocation::current());
Tensor zeros(const Shape& shape, Dtype dtype = Dtype::f32,
             SourceLocation location = SourceLocation::current());
Tensor ones(const Shape& shape, Dtype dtype = Dtype::f32,
            SourceLocation location = SourceLocation::current());
// The position along `axis`: iota({2, 3}, 1) = {{0, 1, 2}, {0, 1, 2}}. i32 or i64.
Tensor iota(const Shape& shape, int axis, Dtype dtype = Dtype::i32,
            SourceLocation location = SourceLocation::current());

// Reductions over `axes` (negative ones count from the end; none given: over all). The reduced axes
// are dropped, or kept with length 1. Sums fold along trees fixed by the shape (docs/design.md), so
// their bits do not depend on threads or device. max and min of an empty axis give -inf and +inf;
// NaN wins.
Tensor sum(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor product(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor max(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor min(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
// sum / count. Floating only.
Tensor mean(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);

// Views.
// One length may be -1: what is left.
Tensor reshape(Operand x, const std::vector<std::int64_t>& lengths);
Tensor reshape(Operand x, std::initializer_list<std::int64_t> lengths);
Tensor reshape(Operand x, const Shape& shape);
// The axes of x in another order: permute(x, {0, 2, 1}).
Tensor permute(Operand x, const std::vector<int>& axes);
// The two innermost axes exchanged.
Tensor transpose(Operand x);
// begin <= index < end along one axis; negative bounds count from the end.
Tensor slice(Operand x, int axis, std::int64_t begin, std::int64_t end);
Tensor broadcast_to(Operand x, const Shape& shape);
// All axes from `first` on made one: flatten((N, H, W, C)) is (N, H * W * C).
Tensor flatten(Operand x, int first = 1);

// Zeros around x: low[i] before and high[i] behind along axis i.
Tensor pad(Operand x, const std::vector<std::int64_t>& low, const std::vector<std::int64_t>& high);
// The inputs flattened into one vector of `elements` elements, the i-th from offsets[i] on; zeros
// in the gaps. Offsets ascend without overlap. One dtype.
Tensor pack(const std::vector<Tensor>& inputs, const std::vector<std::int64_t>& offsets,
            std::int64_t elements, SourceLocation location = SourceLocation::current());

// (B..., M, K) x (B..., K, N) -> (B..., M, N); equal batch axes or none.
Tensor matmul(Operand a, Operand b);
// x (..., I), weight (O, I), bias (O,) -> x weight^T + bias (..., O).
Tensor linear(Operand x, Operand weight, std::optional<Operand> bias = std::nullopt);

struct Conv2dOptions {
  std::pair<std::int64_t, std::int64_t> stride{1, 1};
  std::pair<std::int64_t, std::int64_t> padding{0, 0};  // zeros on both sides
  std::pair<std::int64_t, std::int64_t> dilation{1, 1};
};
// Cross-correlation of images x (N, H, W, C) with weight (O, KH, KW, C) -> (N, HO, WO, O),
// HO = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1.
Tensor conv2d(Operand x, Operand weight, const Conv2dOptions& options = {});

struct Pool2dOptions {
  std::pair<std::int64_t, std::int64_t> kernel{2, 2};
  std::pair<std::int64_t, std::int64_t> stride{2, 2};
  std::pair<std::int64_t, std::int64_t> padding{0, 0};
};
// The largest element of each window of x (N, H, W, C); padding never wins, NaN does.
Tensor max_pool2d(Operand x, const Pool2dOptions& options = {});

// Rows of x (V, D...) chosen by ids (i32 or i64, any shape) -> ids.shape + (D...): an embedding.
Tensor gather(Operand x, Operand ids);
// Sums of the rows of x (N, D...) that share an id, ids (N,) -> (segments, D...). Folds in
// ascending order.
Tensor segment_sum(Operand x, Operand ids, std::int64_t segments);

// Along one axis (the innermost by default).
Tensor softmax(Operand x, int axis = -1);
Tensor log_softmax(Operand x, int axis = -1);
// The mean over a batch of -log softmax(logits)[label]: logits (N, C), labels (N,) i32 or i64 in
// [0, C). A label outside gives NaN, which training reports.
Tensor cross_entropy(Operand logits, Operand labels);

struct BatchNormResult {
  Tensor y;
  Tensor mean;      // (C,) of this batch
  Tensor variance;  // (C,) of this batch, divided by the count (biased)
};
// x (..., C) normalised over all axes but the last: (x - mean) / sqrt(variance + epsilon) * weight
// + bias. (Ioffe and Szegedy 2015.)
BatchNormResult batch_norm(Operand x, Operand weight, Operand bias, double epsilon = 1e-5);

}  // namespace sinter

#endif  // SINTER_OPS_H_
