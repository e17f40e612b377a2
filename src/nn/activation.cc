#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {

Tensor ReLU::forward(const Tensor& x) const { return relu(x); }

Tensor GELU::forward(const Tensor& x) const { return gelu(x); }

Tensor Tanh::forward(const Tensor& x) const { return tanh(x); }

Tensor Sigmoid::forward(const Tensor& x) const { return sigmoid(x); }

Tensor Softmax::forward(const Tensor& x) const { return softmax(x, axis_); }

}  // namespace sinter::nn
