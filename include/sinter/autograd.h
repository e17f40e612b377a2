// Gradients, of any order.
//
//   const Tensor x = watch(tensor(std::vector<float>{1, 2, 3}, {3}));
//   const Tensor dx = gradients(sum(x * x * x), {x})[0];     // 3 x^2: 3, 12, 27
//   const Tensor ddx = gradients(sum(dx), {x})[0];           // 6 x:   6, 12, 18
//
// Inside a compiled step (compile.h) the same calls record the gradients into the step's program.
// What is tracked belongs to the Tensors; the scopes below belong to the thread that makes them.
#ifndef SINTER_AUTOGRAD_H_
#define SINTER_AUTOGRAD_H_

#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// The same value, tracked: gradients can be taken with respect to it. States are tracked when read.
// Gives x itself when it is tracked already. Throws Error for an empty handle.
Tensor watch(const Tensor& x);

// The same value without its history: gradients stop here. Shares x's memory. Throws Error for an
// empty handle.
Tensor detach(const Tensor& x);

// The gradient of `loss` (one element, floating) with respect to each parameter, in their order,
// with the parameter's shape and dtype; undefined (see Tensor::defined) for a parameter that the
// loss does not depend on. Written in public ops, so that the result can be differentiated again.
// What several uses of a value contribute is added up in a fixed order, so that bits repeat. Throws
// Error when loss is not one floating number or nothing it depends on is tracked.
std::vector<Tensor> gradients(const Tensor& loss, const std::vector<State>& parameters,
                              SourceLocation location = SourceLocation::current());
// The same with respect to watched Tensors (the very handles that watch() returned, or copies of
// them) and to values computed from what is tracked. Throws Error for a Tensor that is neither;
// undefined where the loss does not depend on one that is.
std::vector<Tensor> gradients(const Tensor& loss, const std::vector<Tensor>& watched,
                              SourceLocation location = SourceLocation::current());

// While one of these lives, its thread tracks nothing: ops keep none of their inputs for gradients,
// and gradients() of what was computed meanwhile is an Error.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;

 private:
  bool previous_;
};

// Whether this thread tracks: true at the start. Part of a compiled step's signature.
bool is_tracking();

}  // namespace sinter

#endif  // SINTER_AUTOGRAD_H_
