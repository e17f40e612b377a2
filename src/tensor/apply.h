// The one funnel: every op, called directly or in a trace, forward or gradient, goes through
// apply().
#ifndef SINTER_TENSOR_APPLY_H_
#define SINTER_TENSOR_APPLY_H_

#include <memory>
#include <span>
#include <vector>

#include "ir/op.h"
#include "sinter/error.h"
#include "sinter/tensor.h"

namespace sinter {

// Completes the attributes from the op's schema; checks the inputs and infers the results' types;
// runs the op (or, in a trace, only records it); and records it for gradients when the thread
// tracks and an input is tracked. Nothing else launches a kernel.
std::vector<Tensor> apply(const ir::Op& op, std::span<const Tensor> inputs,
                          const ir::Attributes& attributes, SourceLocation location,
                          std::span<const std::shared_ptr<const ir::Graph>> bodies = {});

// The same for an op with one result.
inline Tensor apply_one(const ir::Op& op, std::span<const Tensor> inputs,
                        const ir::Attributes& attributes, SourceLocation location) {
  return apply(op, inputs, attributes, location).front();
}

// Throws `error` as one that names the user's line, as errors of apply() do.
[[noreturn]] void rethrow_with_location(const Error& error, SourceLocation location);

// What `body` gives; its Errors name the user's line. For what a user function checks before it
// calls apply().
template <class Body>
auto located(SourceLocation location, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    rethrow_with_location(error, users_location(location));
  }
}

// True while the thread records a trace.
bool is_tracing();

}  // namespace sinter

#endif  // SINTER_TENSOR_APPLY_H_
