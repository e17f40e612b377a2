#include "sinter/nn.h"

namespace sinter::nn {

LayerNorm::LayerNorm(const Shape& shape, double epsilon)
    : epsilon_(epsilon),
      weight_([&] {
        if (shape.rank() < 1 || shape.elements() < 1) {
          fail("LayerNorm", "there is nothing to normalise over", shape.to_string(),
               "the lengths of the innermost axes");
        }
        if (!(epsilon > 0)) {
          fail("LayerNorm", "epsilon must be positive", std::to_string(epsilon), "1e-5");
        }
        return add_parameter("weight", ones(shape));
      }()),
      bias_(add_parameter("bias", zeros(shape))) {}

Tensor LayerNorm::forward(const Tensor& x) const { return layer_norm(x, weight_, bias_, epsilon_); }

}  // namespace sinter::nn
