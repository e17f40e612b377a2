// What the op scan needs of the layers to its right.
#ifndef SINTER_OPS_SCAN_H_
#define SINTER_OPS_SCAN_H_

#include <optional>
#include <vector>

#include "ir/op.h"
#include "sinter/tensor.h"

namespace sinter::ops {

// The gradient of a scan differentiates its body and traces the result: declared here, where the op
// needs it, and defined in compile/scan/scan_gradient.cc, which may use autograd and the tracer.
// Beside make_eager_program (tensor/recorder.h) the only call to the right; tools/check_links.py
// counts them.
std::vector<std::optional<Tensor>> scan_gradient(const ir::GradientCall& call);

}  // namespace sinter::ops

#endif  // SINTER_OPS_SCAN_H_
