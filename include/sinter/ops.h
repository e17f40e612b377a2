// The operations on tensors. Every function takes Tensors, States or, where it says Operand,
// numbers; computes on values (no input changes); and works the same called directly and inside
// compile(). docs/ops.md lists all ops.
//
// Dtypes: floating ops take f32 and f64. There is no type promotion: tensors that meet must have
// one dtype (convert with cast()); a number takes the dtype of the tensors beside it, and is f32
// alone. Errors: what does not fit (a dtype, a shape, an axis, a number outside the dtype's range)
// throws Error, naming the function, what it got and what it expected, when the function is called,
// in a trace too. Numerical exceptions (0 / 0, log(-1)) throw nothing: they are NaN or infinite.
// Gradients: all floating results have one, of any order, unless it says otherwise.
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
// `Tensor where(Operand condition, Operand a, Operand b)`, ... Inputs of any shapes broadcast as in
// NumPy: aligned at the innermost axis, equal lengths or 1. The result has the inputs' dtype;
// comparisons, isnan and isfinite give boolean. What each computes, and of which dtypes, stands in
// docs/ops.md. (sqrt has an infinite gradient at 0, so that what depends on it is NaN there even
// under maximum() or where(), as in PyTorch: norm() is safe, and so is sqrt(maximum(x, tiny)).)
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

// Each element converted, between all dtypes. Floats to integers truncate towards zero and
// saturate, NaN gives 0; integers to narrower ones keep the low bits; numbers to boolean: x != 0.
// The gradient goes between floating dtypes.
Tensor cast(Operand x, Dtype dtype);

// Constants of any dtype. Error: `value` is not one of the dtype's (0.5 in i32).
Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::f32,
            SourceLocation location = SourceLocation::current());
Tensor zeros(const Shape& shape, Dtype dtype = Dtype::f32,
             SourceLocation location = SourceLocation::current());
Tensor ones(const Shape& shape, Dtype dtype = Dtype::f32,
            SourceLocation location = SourceLocation::current());
// The position along `axis`: iota({2, 3}, 1) = {{0, 1, 2}, {0, 1, 2}}. i32 or i64. Errors: another
// dtype, an axis that is not there, an axis too long for i32.
Tensor iota(const Shape& shape, int axis, Dtype dtype = Dtype::i32,
            SourceLocation location = SourceLocation::current());

// Reductions over `axes` (negative ones count from the end; none given: over all). The reduced axes
// are dropped, or kept with length 1. Sums fold along trees fixed by the shape (docs/design.md), so
// their bits do not depend on threads or device. f32, f64, bf16 and f16 (both folded in f32), i32
// (whose sums wrap) and i64. max and min of an empty axis give -inf and +inf, or the smallest and
// the largest integer; NaN wins; elements that are equally large share the gradient. Errors: an
// axis that is not there, or named twice.
Tensor sum(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor product(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor max(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor min(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
// sum / count. Floating dtypes; of an empty axis NaN.
Tensor mean(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
// The variance: the sum of (x - mean)^2 / (count - correction); correction 1 is the unbiased
// estimate (and NaN of one element), 0 the second moment about the mean. Keeps its accuracy where
// the mean is large beside it (two passes with a correction), and is 0 for equal elements. f32 and
// f64.
Tensor var(Operand x, const std::vector<int>& axes = {}, double correction = 1,
           bool keep_axes = false);
// The length of vectors along `axes`: p = 2 sqrt(sum(x^2)), p = 1 sum(|x|), p = infinity max(|x|);
// other p are an Error. The gradient at 0 is 0 (a subgradient; sqrt(sum(square(x))) has NaN there).
// p = 2 divides by the largest magnitude first, so it neither overflows nor loses tiny vectors, at
// the price of one more pass over x. f32 and f64; of an empty axis 0.
Tensor norm(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false, double p = 2);
// log(sum(exp(x))) without overflow; -inf where all is -inf or the axis is empty, with gradient 0.
// f32 and f64.
Tensor logsumexp(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
// Whether any element, or every one, is not 0 (NaN is not). All dtypes; boolean results; of an
// empty axis false and true.
Tensor any(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
Tensor all(Operand x, const std::vector<int>& axes = {}, bool keep_axes = false);
// The position, i64, of the largest or smallest element along `axis`, or in x flattened where none
// is given: the first of equal ones; the first NaN before all numbers. The axis is dropped, or kept
// with length 1. All dtypes; no gradient. Errors: an axis that is not there or is empty.
Tensor argmax(Operand x, std::optional<int> axis = std::nullopt, bool keep_axis = false);
Tensor argmin(Operand x, std::optional<int> axis = std::nullopt, bool keep_axis = false);

// Views, of every dtype: the same elements under another shape, most often without a copy.
// Row-major order stays. One length may be -1: what is left. Error: another number of elements.
Tensor reshape(Operand x, const std::vector<std::int64_t>& lengths);
Tensor reshape(Operand x, std::initializer_list<std::int64_t> lengths);
Tensor reshape(Operand x, const Shape& shape);
// The axes of x in another order, axes[i] the one that comes to stand at i: permute(x, {0, 2, 1})
// is (A, B, C) -> (A, C, B). Error: not each axis once.
Tensor permute(Operand x, const std::vector<int>& axes);
// The two innermost axes exchanged: (..., M, N) -> (..., N, M). Error: fewer than two.
Tensor transpose(Operand x);
// begin <= index < end along one axis; negative bounds count from the end. Error: bounds outside.
Tensor slice(Operand x, int axis, std::int64_t begin, std::int64_t end);
// Every step-th index of these, from `begin` on. Error: a step below 1.
Tensor slice(Operand x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step);
// Axes of length 1, and new outer ones, repeated. Error: a shape that x does not broadcast to.
Tensor broadcast_to(Operand x, const Shape& shape);
// All axes from `first` on made one: flatten((N, H, W, C)) is (N, H * W * C).
Tensor flatten(Operand x, int first = 1);

// The inputs one after the other along `axis`, negative ones from the end: (N, A, D) and (N, B, D)
// along axis 1 give (N, A + B, D). Every dtype. Errors: no inputs, scalars, dtypes or other lengths
// that differ.
Tensor concatenate(const std::vector<Tensor>& inputs, int axis = 0,
                   SourceLocation location = SourceLocation::current());
// The inputs, of one shape and dtype, along a new axis that comes to stand at `axis`: n of (A, B)
// at axis 1 give (A, n, B). Errors: no inputs, shapes or dtypes that differ.
Tensor stack(const std::vector<Tensor>& inputs, int axis = 0,
             SourceLocation location = SourceLocation::current());
// Zeros around x, of every dtype: low[i] before and high[i] after along axis i. Error: not one
// width for each axis, or a negative one.
Tensor pad(Operand x, const std::vector<std::int64_t>& low, const std::vector<std::int64_t>& high);
// The inputs flattened into one vector of `elements` elements, the i-th from offsets[i] on; zeros
// in the gaps. Every dtype. Errors: dtypes that differ, offsets that do not ascend or overlap, too
// few elements.
Tensor pack(const std::vector<Tensor>& inputs, const std::vector<std::int64_t>& offsets,
            std::int64_t elements, SourceLocation location = SourceLocation::current());

// The matrix product (B..., M, K) x (B..., K, N) -> (B..., M, N), floating (bf16 and
// f16 added up in f32); equal batch axes or none. Errors: fewer than two axes, K or batch axes that
// differ.
Tensor matmul(Operand a, Operand b);
// x (..., I), weight (O, I), bias (O,) -> x weight^T + bias (..., O), floating.
Tensor linear(Operand x, Operand weight, std::optional<Operand> bias = std::nullopt);

// Windows on images x (N, spatial..., C) with one to three spatial axes: (N, L, C), (N, H, W, C) or
// (N, D, H, W, C). A list has a number for each spatial axis, outermost first, or a single one for
// all. Padding may also have two numbers for each axis, first all those before the image, then all
// those behind it.
struct ConvOptions {
  std::vector<std::int64_t> stride{1};
  std::vector<std::int64_t> padding{0};  // zeros on both sides
  std::vector<std::int64_t> dilation{1};
  std::int64_t groups = 1;  // parts of the channels that are convolved independently
};
// Cross-correlation of x (N, spatial..., C) with weight (O, kernel..., C / groups) ->
// (N, windows..., O), windows = (length + padding before and behind - dilation (kernel - 1) - 1) /
// stride + 1 rounded down; floating (bf16 and f16 added up in f32). Errors: other ranks, channels
// that differ (images are channels last) or do not divide into the groups, a window larger than the
// padded image.
Tensor conv(Operand x, Operand weight, const ConvOptions& options = {});
// The same for images (N, H, W, C) only; another rank is an error.
Tensor conv2d(Operand x, Operand weight, const ConvOptions& options = {});

struct ConvTransposeOptions {
  std::vector<std::int64_t> stride{1};
  std::vector<std::int64_t> padding{0};         // of the result, which is as much shorter
  std::vector<std::int64_t> output_padding{0};  // as much longer at the end; less than the stride
  std::vector<std::int64_t> dilation{1};
  std::int64_t groups = 1;
};
// The gradient of conv with respect to its image: x (N, windows..., C), weight
// (C, kernel..., O / groups) -> (N, lengths..., O), length = (windows - 1) stride - padding before
// and behind + dilation (kernel - 1) + 1 + output_padding; types as conv. Errors as those of conv,
// and a length below 1.
Tensor conv_transpose(Operand x, Operand weight, const ConvTransposeOptions& options = {});

struct PoolOptions {
  std::vector<std::int64_t> kernel{2};
  std::vector<std::int64_t> stride{};  // none: the kernel's lengths
  std::vector<std::int64_t> padding{0};
};
// The largest element of each window of x (N, spatial..., C) -> (N, windows..., C), floating,
// windows = (length + padding before and behind - kernel) / stride + 1 rounded down; padding never
// wins, NaN does, and the first of equal ones has the gradient. Errors: other ranks, more padding
// than half the kernel, a window larger than the padded image or of more than 255 elements.
Tensor max_pool(Operand x, const PoolOptions& options = {});
// The same for images (N, H, W, C) only; another rank is an error.
Tensor max_pool2d(Operand x, const PoolOptions& options = {});

struct AvgPoolOptions {
  std::vector<std::int64_t> kernel{2};
  std::vector<std::int64_t> stride{};  // none: the kernel's lengths
  std::vector<std::int64_t> padding{0};
  bool count_include_pad = true;  // whether a mean counts the zeros of the padding
};
// The mean of each window, with the shapes and errors of max_pool (but windows of any size).
Tensor avg_pool(Operand x, const AvgPoolOptions& options = {});
// The same for images (N, H, W, C) only; another rank is an error.
Tensor avg_pool2d(Operand x, const AvgPoolOptions& options = {});

// Rows of x (V, D...), of any dtype, chosen by ids (i32 or i64, any shape) -> ids.shape + (D...):
// an embedding. Error, when it runs: an id outside [0, V).
Tensor gather(Operand x, Operand ids);
// Sums of the rows of x (N, D...) that share an id, ids (N,) -> (segments, D...). Folds in
// ascending order, 16-bit types in f32. Floating. Error, when it runs: an id outside [0, segments).
Tensor segment_sum(Operand x, Operand ids, std::int64_t segments);
// y[i] = x[0] + ... + x[i] along an axis, in the shape of x; with `reverse` x[i] + ... + x[last].
// f32, f64, i32 and i64 (which wrap). The same bits on every device and with any number of threads:
// the axis is folded in chunks of 256, counted from where the sums begin. Error: no such axis.
Tensor cumsum(Operand x, int axis, bool reverse = false);
// ids (i32 or i64, any shape) -> ids.shape + (classes,): 1 at the id, else 0; an id outside
// [0, classes) gives a row of zeros. Error: classes below 1.
Tensor one_hot(Operand ids, std::int64_t classes, Dtype dtype = Dtype::i64);
// lengths (i32 or i64, any shape) -> boolean lengths.shape + (length,): true at positions below the
// length. Which positions of padded rows are valid (collate.h); none for a length below 1, all for
// one above `length`. Error: a negative `length`.
Tensor sequence_mask(Operand lengths, std::int64_t length);

// exp(x) / sum(exp(x)) along one axis (the innermost by default), and its logarithm, without
// overflow. f32 and f64. A row with NaN, or all -inf, is NaN.
Tensor softmax(Operand x, int axis = -1);
Tensor log_softmax(Operand x, int axis = -1);
// The mean over a batch of -log softmax(logits)[label]: logits (N, C), f32 or f64, labels (N,) i32
// or i64 in [0, C) -> a scalar. A label outside gives NaN, which training reports. Error: other
// shapes.
Tensor cross_entropy(Operand logits, Operand labels);

// Losses of input and target, f32 or f64, of one shape: (B,) beside (B, 1) is an Error that says
// so, not B x B pairs. A number as the target stands beside every element. Gradients go to both.
//
// What becomes of the elements' losses: their mean or sum, a scalar, or themselves.
enum class LossReduction : std::uint8_t { mean, sum, none };
// (input - target)^2.
Tensor mse_loss(Operand input, Operand target, LossReduction reduction = LossReduction::mean);
// |input - target|; the gradient at 0 is 0.
Tensor l1_loss(Operand input, Operand target, LossReduction reduction = LossReduction::mean);
// d^2 / 2 for d = |input - target| <= delta, delta (d - delta / 2) beyond (Huber 1964). Error: a
// delta that is not positive.
Tensor huber_loss(Operand input, Operand target, double delta = 1,
                  LossReduction reduction = LossReduction::mean);
// -(target log(input) + (1 - target) log(1 - input)), of probabilities. As in PyTorch the
// logarithms are at least -100, and the gradient of the input is (input - target) / max(input (1 -
// input), 1e-12). An input outside [0, 1] gives NaN.
Tensor binary_cross_entropy(Operand input, Operand target,
                            LossReduction reduction = LossReduction::mean);
// The same of sigmoid(logits), without overflow and with all digits of small losses: target
// positive_weight log(1 + exp(-logits)) + (1 - target) log(1 + exp(logits)). The weight (1 where
// not given) broadcasts to the logits: (C,) beside (N, C) weighs the positive targets of each
// class.
Tensor binary_cross_entropy_with_logits(Operand logits, Operand target,
                                        LossReduction reduction = LossReduction::mean,
                                        std::optional<Operand> positive_weight = std::nullopt);

struct BatchNormResult {
  Tensor y;
  Tensor mean;      // (C,) of this batch
  Tensor variance;  // (C,) of this batch, divided by the count (biased)
};
// x (..., C) normalised over all axes but the last: (x - mean) / sqrt(variance + epsilon) * weight
// + bias, weight and bias (C,), f32 or f64 (Ioffe and Szegedy 2015). Channels far from zero keep
// their accuracy, and constant ones give the bias: the mean is corrected in the pass that folds the
// variance. Errors: no axis but the last, other shapes, a negative epsilon.
BatchNormResult batch_norm(Operand x, Operand weight, Operand bias, double epsilon = 1e-5);
// Each row of x (..., D...) normalised: (x - mean) / sqrt(variance + epsilon) * weight + bias, mean
// and (biased) variance over the innermost axes, which are those of weight and bias (D...). f32 or
// f64 (Ba, Kiros and Hinton 2016). Rows far from zero keep their accuracy, and constant ones give
// the bias. Errors: other shapes, a negative epsilon.
Tensor layer_norm(Operand x, Operand weight, Operand bias, double epsilon = 1e-5);

}  // namespace sinter

#endif  // SINTER_OPS_H_
