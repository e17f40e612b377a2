// The table of all structured kernels.
#include <iterator>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {
namespace {

using ir::OpId;

struct Entry {
  OpId op;
  const Kernel* kernel;
};

constexpr Entry kEntries[] = {
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
};

// Ops from copy to uniform have a kernel each, all others none: leaves, reductions and views run in
// fused groups, compositions are expanded, a scan is a program of its own. The entries stand in the
// order of the ids, so that an id is also its place.
constexpr int kFirst = static_cast<int>(OpId::copy);
constexpr int kCount = static_cast<int>(OpId::uniform) - kFirst + 1;

constexpr bool without_holes() {
  if (static_cast<int>(std::size(kEntries)) != kCount) return false;
  for (int i = 0; i < kCount; ++i) {
    if (static_cast<int>(kEntries[i].op) != kFirst + i) return false;
  }
  return true;
}
static_assert(without_holes(),
              "a structured op lacks its kernel, or has one that it does not need");

}  // namespace

const Kernel* find_kernel(ir::OpId op) {
  const int i = static_cast<int>(op) - kFirst;
  return i >= 0 && i < kCount ? kEntries[i].kernel : nullptr;
}

}  // namespace sinter::backend::cpu
