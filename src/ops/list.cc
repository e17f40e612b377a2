#include "ops/list.h"

#include <cstddef>
#include <string>

#include "ir/internal_error.h"

namespace sinter {

namespace ops {
namespace {

using ir::OpId;

struct Entry {
  OpId id;
  const ir::Op* op;
};

constexpr std::array<Entry, ir::kStructuredOpCount> kStructuredOps = {{
    {OpId::full, &kFull},
    {OpId::iota, &kIota},
    {OpId::cast, &kCast},
    {OpId::sum, &kSum},
    {OpId::product, &kProduct},
    {OpId::max, &kMax},
    {OpId::min, &kMin},
    {OpId::reshape, &kReshape},
    {OpId::permute, &kPermute},
    {OpId::slice, &kSlice},
    {OpId::broadcast_to, &kBroadcastTo},
    {OpId::copy, &kCopy},
    {OpId::pad, &kPad},
    {OpId::pack, &kPack},
    {OpId::matmul, &kMatmul},
    {OpId::conv2d, &kConv2d},
    {OpId::conv2d_input_gradient, &kConv2dInputGradient},
    {OpId::conv2d_weight_gradient, &kConv2dWeightGradient},
    {OpId::max_pool2d, &kMaxPool2d},
    {OpId::max_pool2d_gradient, &kMaxPool2dGradient},
    {OpId::max_pool2d_gather, &kMaxPool2dGather},
    {OpId::gather, &kGather},
    {OpId::segment_sum, &kSegmentSum},
    {OpId::bernoulli, &kBernoulli},
    {OpId::uniform, &kUniform},
    {OpId::softmax, &kSoftmax},
    {OpId::log_softmax, &kLogSoftmax},
    {OpId::cross_entropy, &kCrossEntropy},
    {OpId::batch_norm, &kBatchNorm},
    {OpId::binary_cross_entropy, &kBinaryCrossEntropy},
    {OpId::scan, &kScan},
}};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kStructuredOps.size(); ++i) {
    // A row that is missing has id 0. (The pointers are not compared: the undefined-behaviour
    // sanitizer takes such comparisons out of constant expressions.)
    if (static_cast<std::size_t>(kStructuredOps[i].id) != i) return false;
  }
  return true;
}
static_assert(is_in_order(), "an op is missing or stands in another place than its OpId");

using AllOps = std::array<ir::Op, ir::kOpCount>;

// The ops are constants of other files, whose values this file cannot see before it runs.
AllOps collect() {
  AllOps all;
  for (const Entry& entry : kStructuredOps) all[static_cast<std::size_t>(entry.id)] = *entry.op;
  std::size_t at = kStructuredOps.size();
  for (const ir::Op& op : kPointwiseOps) all[at++] = op;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (static_cast<std::size_t>(all[i].id) != i) {
      throw ir::InternalError(std::string("op ") + all[i].name + " has another op's id");
    }
  }
  return all;
}

}  // namespace
}  // namespace ops

ir::OpList op_list() {
  static const ops::AllOps all = ops::collect();
  return all;
}

}  // namespace sinter
