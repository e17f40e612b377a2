// Gradients of several results at once, from gradients that are given: what gradients() does with a
// loss, for code that differentiates a part of a computation.
#ifndef SINTER_AUTOGRAD_PULL_BACK_H_
#define SINTER_AUTOGRAD_PULL_BACK_H_

#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// The gradient of sum over i of <outputs[i], seeds[i]> with respect to each of `watched`, in their
// order; undefined where no output depends on one. An output may itself be watched.
// REQUIRES: seeds[i] has the shape and dtype of outputs[i]; all of `watched` are tracked.
std::vector<Tensor> pull_back(const std::vector<Tensor>& outputs, const std::vector<Tensor>& seeds,
                              const std::vector<Tensor>& watched);

}  // namespace sinter

#endif  // SINTER_AUTOGRAD_PULL_BACK_H_
