// THE list of structured ops: the only place that names them all. An entry is the op's name in two
// spellings: k<Name> is the constant that defines it (ir::Op in src/ops, found by list.cc) and that
// holds its kernel (src/backend/*/kernels); the other is its id and what users and texts call it.
// A `kernel` has code of its own in each back end, in files of one stem; an `op` has none: leaves,
// reductions and views run in fused groups, compositions are expanded, a scan is a program.
//
// Other files expand the list; `op` and `kernel` are macros of theirs that take (Name, id). Ids are
// numbered in this order, those of pointwise ops (sinter/pointwise_list.h) after them.
#ifndef SINTER_IR_OP_LIST_H_
#define SINTER_IR_OP_LIST_H_

// clang-format off
#define SINTER_STRUCTURED_OPS(op, kernel)                      \
  /* leaves of a body that a pointwise loop computes itself */ \
  op(Full, full)                                               \
  op(Iota, iota)                                               \
  op(Cast, cast)                                               \
  /* reductions */                                             \
  op(Sum, sum)                                                 \
  op(Product, product)                                         \
  op(Max, max)                                                 \
  op(Min, min)                                                 \
  /* views */                                                  \
  op(Reshape, reshape)                                         \
  op(Permute, permute)                                         \
  op(Slice, slice)                                             \
  op(BroadcastTo, broadcast_to)                                \
  /* moves of data */                                          \
  kernel(Copy, copy)                                           \
  kernel(Pad, pad)                                             \
  kernel(Pack, pack)                                           \
  /* contractions */                                           \
  kernel(Matmul, matmul)                                       \
  kernel(Conv, conv)                                           \
  kernel(ConvInputGradient, conv_input_gradient)               \
  kernel(ConvWeightGradient, conv_weight_gradient)             \
  /* pooling */                                                \
  kernel(MaxPool, max_pool)                                    \
  kernel(MaxPoolGradient, max_pool_gradient)                   \
  kernel(MaxPoolGather, max_pool_gather)                       \
  /* indices */                                                \
  kernel(Gather, gather)                                       \
  kernel(SegmentSum, segment_sum)                              \
  /* folds that keep every step */                             \
  kernel(Cumsum, cumsum)                                       \
  /* random numbers */                                         \
  kernel(Bernoulli, bernoulli)                                 \
  kernel(Uniform, uniform)                                     \
  /* compositions */                                           \
  op(Softmax, softmax)                                         \
  op(LogSoftmax, log_softmax)                                  \
  op(CrossEntropy, cross_entropy)                              \
  op(BatchNorm, batch_norm)                                    \
  op(LayerNorm, layer_norm)                                    \
  op(BinaryCrossEntropy, binary_cross_entropy)                 \
  /* control */                                                \
  op(Scan, scan)
// clang-format on

#endif  // SINTER_IR_OP_LIST_H_
