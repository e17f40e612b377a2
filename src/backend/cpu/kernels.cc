// The table of all structured kernels.
#include "backend/cpu/kernel.h"

namespace sinter::backend::cpu {
namespace {

using ir::OpId;

using Table = std::array<const Kernel*, static_cast<std::size_t>(ir::kStructuredOpCount)>;

constexpr Table make_table() {
  Table table{};
  const auto set = [&](OpId op, const Kernel* kernel) {
    table[static_cast<std::size_t>(op)] = kernel;
  };
  set(OpId::copy, &kCopy);
  set(OpId::pad, &kPad);
  set(OpId::pack, &kPack);
  set(OpId::matmul, &kMatmul);
  set(OpId::conv2d, &kConv2d);
  set(OpId::conv2d_input_gradient, &kConv2dInputGradient);
  set(OpId::conv2d_weight_gradient, &kConv2dWeightGradient);
  set(OpId::max_pool2d, &kMaxPool2d);
  set(OpId::max_pool2d_gradient, &kMaxPool2dGradient);
  set(OpId::max_pool2d_gather, &kMaxPool2dGather);
  set(OpId::gather, &kGather);
  set(OpId::segment_sum, &kSegmentSum);
  set(OpId::bernoulli, &kBernoulli);
  set(OpId::uniform, &kUniform);
  return table;
}

constexpr Table kTable = make_table();

// Ops from copy to uniform have a kernel each, all others none: leaves, reductions and views run in
// fused groups, compositions are expanded, a scan is a program of its own.
constexpr bool without_holes() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    const auto op = static_cast<OpId>(i);
    const bool needs_one = op >= OpId::copy && op <= OpId::uniform;
    if (needs_one != (kTable[i] != nullptr)) return false;
  }
  return true;
}
static_assert(without_holes(),
              "a structured op lacks its kernel, or has one that it does not need");

}  // namespace

const Kernel* find_kernel(ir::OpId op) {
  const auto i = static_cast<std::size_t>(op);
  return i < kTable.size() ? kTable[i] : nullptr;
}

}  // namespace sinter::backend::cpu
