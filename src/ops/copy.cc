// Copies into dense memory: what the compiler puts before a kernel that does not take the strides
// of a view.
#include "ops/check.h"
#include "ops/list.h"
#include "sinter/tensor.h"

namespace sinter::ops {
namespace {

std::vector<TensorType> infer(const ir::OpCall& call) { return {call.inputs[0]}; }

std::vector<std::optional<Tensor>> gradient(const ir::GradientCall& call) { return {*call.dy[0]}; }

}  // namespace

constinit const ir::Op kCopy = {
    .id = ir::OpId::copy,
    .name = "copy",
    .doc = "The same value in dense memory of its own. Every dtype.",
    .kind = ir::OpKind::opaque,
    .inputs = {{"x", ir::kEveryDtype}},
    .infer = infer,
    .gradient = gradient,
    .cost = move_cost,
};

}  // namespace sinter::ops
