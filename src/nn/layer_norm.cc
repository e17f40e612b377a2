#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {

LayerNorm::LayerNorm(const Shape& shape, double epsilon, const FeatureOrder& order)
    : epsilon_(epsilon),
      weight_([&] {
        if (shape.rank() < 1 || shape.elements() < 1) {
          fail("LayerNorm", "there is nothing to normalise over", shape.to_string(),
               "the lengths of the innermost axes");
        }
        if (!(epsilon > 0)) {
          fail("LayerNorm", "epsilon must be positive", std::to_string(epsilon), "1e-5");
        }
        return add_feature_parameter("weight", ones(shape), -1);
      }()),
      bias_(add_feature_parameter("bias", zeros(shape), -1)) {
  set_feature_order("LayerNorm", order);
}

Tensor LayerNorm::forward(const Tensor& x) const {
  check_features("LayerNorm", x);
  const Tensor weight = weight_;
  return layer_norm(x, weight, bias_, epsilon_);
}

}  // namespace sinter::nn
