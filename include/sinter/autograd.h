// Gradients, of any order.
#ifndef SINTER_AUTOGRAD_H_
#define SINTER_AUTOGRAD_H_

#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// The same value, tracked: gradients can be taken with respect to it. States are tracked when read.
Tensor watch(const Tensor& x);

// The same value without its history: gradients stop here.
Tensor detach(const Tensor& x);

// The gradient of the scalar `loss` with respect to each parameter, in their order; undefined (see
// Tensor::defined) for a parameter that the loss does not depend on. Written in public ops, so that
// the result can be differentiated again. Throws Error when loss is not a floating scalar or
// nothing it depends on is tracked.
std::vector<Tensor> gradients(const Tensor& loss, const std::vector<State>& parameters,
                              SourceLocation location = SourceLocation::current());
// The same with respect to watched Tensors (the very handles that watch() returned, or copies of
// them) and to values computed from what is tracked. Throws Error for a Tensor that is neither;
// undefined where the loss does not depend on one that is.
std::vector<Tensor> gradients(const Tensor& loss, const std::vector<Tensor>& watched,
                              SourceLocation location = SourceLocation::current());

// While one of these lives, its thread tracks nothing.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;

 private:
  bool previous_;
};

bool is_tracking();

}  // namespace sinter

#endif  // SINTER_AUTOGRAD_H_
