// Recurrences: one function applied step after step, in one op.
//
//   // h[t] = tanh(h[t - 1] W + x[t]) for x (T, B, H), W (H, H), h0 (B, H)
//   const ScanBody body = [&](const auto& carries, const auto& xs) -> ScanStep {
//     const Tensor h = tanh(matmul(carries[0], w) + xs[0]);
//     return {.carries = {h}, .ys = {h}};
//   };
//   const ScanResult result = scan(body, {h0}, {x});  // carries[0] (B, H), ys[0] (T, B, H)
#ifndef SINTER_SCAN_H_
#define SINTER_SCAN_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// What the body of a scan gives for one step: the carries for the next one, and anything that is
// kept of every step.
struct ScanStep {
  std::vector<Tensor> carries;
  std::vector<Tensor> ys;
};

// One step: the carries that the step before gave, and this step's part x (D...) of each sequence
// xs (T, D...).
using ScanBody =
    std::function<ScanStep(const std::vector<Tensor>& carries, const std::vector<Tensor>& xs)>;

struct ScanOptions {
  // The number of steps; -1: the length of the sequences. Needed when there are none.
  std::int64_t length = -1;
  // From the last position to the first: the step that sees xs[T - 1] comes first, and ys keep the
  // positions of their xs.
  bool reverse = false;
};

struct ScanResult {
  std::vector<Tensor> carries;  // after the last step; the given ones when there is no step
  std::vector<Tensor> ys;       // (T, ...): of all steps
};

// Applies `body` to each position of the leading axis of the xs (T, ...), handing its carries from
// step to step. `body` runs once, on stand-ins, whatever T is, so that a step has the same ops
// everywhere: a program of its own, planned once and run T times.
//
// Every carry keeps its shape and dtype. The body may use Tensors and read States from around it:
// they are the same in every step. Gradients reach carries, xs and all such Tensors, to any order;
// scans may stand in scans. For its gradients a scan that uses something tracked keeps the carries
// of every step and the results of its matrix products and convolutions; the rest of the body is
// computed again.
//
// Throws Error when xs differ in their leading axis or have none, when there is no length, when the
// body returns another number of carries or one of another type, or nothing at all, when it assigns
// a State (return it as a carry), and when it reads a Tensor's elements.
ScanResult scan(const ScanBody& body, const std::vector<Tensor>& carries,
                const std::vector<Tensor>& xs, const ScanOptions& options = {},
                SourceLocation location = SourceLocation::current());

}  // namespace sinter

#endif  // SINTER_SCAN_H_
