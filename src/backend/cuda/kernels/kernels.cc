// The table of all structured kernels.
#include <cstring>
#include <iterator>

#include "backend/cuda/kernels/kernel.h"

namespace sinter::backend::cuda {
namespace {

using ir::OpId;

// The entries stand in the order of the ids, as in backend/cpu/kernels/kernels.cc.
constexpr KernelEntry kEntries[] = {
    {OpId::copy, "copy", &kCopy},
    {OpId::pad, "pad", &kPad},
    {OpId::pack, "pack", &kPack},
    {OpId::matmul, "matmul", &kMatmul},
    {OpId::conv2d, "conv2d", &kConv2d},
    {OpId::conv2d_input_gradient, "conv2d_input_gradient", &kConv2dInputGradient},
    {OpId::conv2d_weight_gradient, "conv2d_weight_gradient", &kConv2dWeightGradient},
    {OpId::max_pool2d, "max_pool2d", &kMaxPool2d},
    {OpId::max_pool2d_gradient, "max_pool2d_gradient", &kMaxPool2dGradient},
    {OpId::max_pool2d_gather, "max_pool2d_gather", &kMaxPool2dGather},
    {OpId::gather, "gather", &kGather},
    {OpId::segment_sum, "segment_sum", &kSegmentSum},
    {OpId::bernoulli, "bernoulli", &kBernoulli},
    {OpId::uniform, "uniform", &kUniform},
};

constexpr bool without_holes() {
  constexpr int first = static_cast<int>(OpId::copy);
  if (static_cast<int>(std::size(kEntries)) != static_cast<int>(OpId::uniform) - first + 1) {
    return false;
  }
  for (int i = 0; i < static_cast<int>(std::size(kEntries)); ++i) {
    if (static_cast<int>(kEntries[i].op) != first + i) return false;
  }
  return true;
}
static_assert(without_holes(),
              "a structured op lacks its kernel, or has one that it does not need");

}  // namespace

const KernelEntry* find_kernel(const char* name) {
  for (const KernelEntry& entry : kEntries) {
    if (std::strcmp(entry.name, name) == 0) return &entry;
  }
  return nullptr;
}

}  // namespace sinter::backend::cuda
