// How the memory of a scan's step is used: what planner, verifier and executors must agree on.
//
// A scan runs its body `length` times. The body's inputs and outputs are those of the scan, in the
// same order: first the carries, then on the side of the inputs sequences (one step's part has one
// axis less) and constants (the same type), on the side of the outputs what is stacked. Step t
// reads and writes position t of every sequence; in a reverse scan the steps go from the last
// position to the first.
#ifndef SINTER_IR_SCAN_H_
#define SINTER_IR_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/program.h"

namespace sinter::ir {

struct ScanAttributes {
  std::int64_t length = 0;
  std::size_t carries = 0;
  bool reverse = false;
};
// From "length", "carries" and "reverse".
ScanAttributes scan_attributes(const Attributes& attributes);

// The layout of one step's part of a sequence, without the offset of the step.
Layout step_layout(const Layout& sequence);
// Whether a scan reads an input with this layout where it lies: every step's part is dense.
bool scan_accepts(const Layout& input, const TensorType& body_input);

// The workspace of a scan: the body's arena, then a second buffer for each carry. A carry is
// written by turns there and where its result belongs, so that no step writes what it reads, and
// the last one writes the result.
struct ScanWorkspace {
  std::vector<std::int64_t> carries;  // offsets in bytes, multiples of 64
  std::int64_t bytes = 0;
};
ScanWorkspace scan_workspace(const Program& body, std::size_t carries);

// Where each step of a scan reads and writes, for any back end.
class ScanAddresses {
 public:
  // `workspace`: what scan_workspace() describes. REQUIRES: the step has a body and the attributes
  // of a scan.
  ScanAddresses(const Step& step, std::byte* workspace);

  std::int64_t length() const { return scan_.length; }
  // Addresses of the scan's inputs and outputs; the steps are then bound from the first to the
  // last. Allocates nothing.
  void bind_step(std::int64_t step, void* const* inputs, void* const* outputs);
  // Of the step that was bound last.
  const std::vector<void*>& inputs() const { return inputs_; }
  const std::vector<void*>& outputs() const { return outputs_; }
  // Bytes of each carry. A scan of no steps copies them from its inputs to its outputs.
  const std::vector<std::size_t>& carry_bytes() const { return carry_bytes_; }

 private:
  ScanAttributes scan_;
  std::vector<std::byte*> second_;  // the other buffer of each carry
  std::vector<std::size_t> carry_bytes_;
  std::vector<std::int64_t> input_strides_;  // bytes from step to step; 0: a carry or a constant
  std::vector<std::int64_t> output_strides_;
  std::vector<void*> inputs_;
  std::vector<void*> outputs_;
};

// Empty when the step's arguments fit its body; otherwise what is wrong. REQUIRES: the step has a
// body and the attributes of a scan.
std::string check_scan_step(const Step& step);

}  // namespace sinter::ir

#endif  // SINTER_IR_SCAN_H_
