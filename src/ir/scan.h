// How the memory of a scan's step is used: what planner, verifier and executors must agree on.
//
// A scan runs its body `length` times. The body's inputs and outputs are those of the scan, in the
// same order: first the carries, then on the side of the inputs sequences (one step's part has one
// axis less) and constants (the same type), on the side of the outputs what is stacked. Step t
// reads and writes position t of every sequence; in a reverse scan the steps go from the last
// position to the first.
#ifndef SINTER_IR_SCAN_H_
#define SINTER_IR_SCAN_H_

#include <cstdint>
#include <string>

#include "ir/program.h"

namespace sinter::ir {

struct ScanAttributes {
  std::int64_t length = 0;
  std::size_t carries = 0;
  bool reverse = false;
};
// "length", "carries" and "reverse"; the last may be missing: false.
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

// Empty when the step's arguments fit its body; otherwise what is wrong. REQUIRES: the step has a
// body and the attributes of a scan.
std::string check_scan_step(const Step& step);

}  // namespace sinter::ir

#endif  // SINTER_IR_SCAN_H_
