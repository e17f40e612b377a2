// All ops. Each structured op is defined in the file of its family: how it infers, its gradient,
// its cost, next to the user function. list.cc puts them in the order of their ids.
#ifndef SINTER_OPS_LIST_H_
#define SINTER_OPS_LIST_H_

#include <array>

#include "ir/op.h"

namespace sinter {

// All ops, indexed by OpId. What ir and the back ends receive.
ir::OpList op_list();

namespace ops {

// fill.cc
extern const ir::Op kFull;  // {shape [..], dtype, value (double)}
extern const ir::Op kIota;  // {shape [..], dtype, axis}
// cast.cc
extern const ir::Op kCast;  // {dtype}
// reduce.cc: {axes [..]}: ascending; all innermost or all outermost, axes of length 1 not counted
extern const ir::Op kSum;
extern const ir::Op kProduct;
extern const ir::Op kMax;
extern const ir::Op kMin;
// view.cc
extern const ir::Op kReshape;      // {shape [..]}
extern const ir::Op kPermute;      // {axes [..]}
extern const ir::Op kSlice;        // {axis, begin, end}
extern const ir::Op kBroadcastTo;  // {shape [..]}
// pad.cc, pack.cc
extern const ir::Op kCopy;
extern const ir::Op kPad;   // {low [..], high [..]}
extern const ir::Op kPack;  // {offsets [..], elements; joined, where it is not for a gradient}
// matmul.cc
extern const ir::Op kMatmul;
// conv2d.cc
extern const ir::Op kConv2d;                // {stride [2], padding [2], dilation [2]}
extern const ir::Op kConv2dInputGradient;   // {stride, padding, dilation, size [2]}
extern const ir::Op kConv2dWeightGradient;  // {stride, padding, dilation, kernel [2]}
// max_pool2d.cc
extern const ir::Op kMaxPool2d;          // {kernel [2], stride [2], padding [2]}
extern const ir::Op kMaxPool2dGradient;  // {kernel, stride, padding, size [2]}
extern const ir::Op kMaxPool2dGather;    // {kernel, stride, padding}
// gather.cc
extern const ir::Op kGather;
// segment_sum.cc
extern const ir::Op kSegmentSum;  // {segments}
// random.cc
extern const ir::Op kBernoulli;  // {shape [..], p (double)}
extern const ir::Op kUniform;    // {shape [..]}
// softmax.cc: along the innermost axis
extern const ir::Op kSoftmax;
extern const ir::Op kLogSoftmax;
// cross_entropy.cc
extern const ir::Op kCrossEntropy;
// batch_norm.cc
extern const ir::Op kBatchNorm;  // {epsilon (double)}
// loss.cc
extern const ir::Op kBinaryCrossEntropy;
// scan.cc
extern const ir::Op kScan;  // {length, carries, reverse (0, 1), saved,
                            // detached [..]}: see compile/body_trace.cc

// pointwise.cc: in the order of pointwise_list.h
extern const std::array<ir::Op, ir::kOpCount - ir::kStructuredOpCount> kPointwiseOps;

}  // namespace ops
}  // namespace sinter

#endif  // SINTER_OPS_LIST_H_
