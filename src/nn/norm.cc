#include "sinter/autograd.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {

BatchNorm::BatchNorm(std::int64_t channels, const BatchNormOptions& options)
    : channels_(channels),
      options_(options),
      weight_([&] {
        if (channels < 1) {
          fail("BatchNorm", "the number of channels must be positive", std::to_string(channels),
               "at least 1");
        }
        if (!(options.epsilon > 0)) {
          fail("BatchNorm", "epsilon must be positive", std::to_string(options.epsilon), "1e-5");
        }
        if (!(options.momentum >= 0 && options.momentum <= 1)) {
          fail("BatchNorm", "momentum must be between 0 and 1", std::to_string(options.momentum),
               "0.1");
        }
        return add_feature_parameter("weight", ones({channels}), 0);
      }()),
      bias_(add_feature_parameter("bias", zeros({channels}), 0)),
      running_mean_(add_feature_statistic("running_mean", zeros({channels}), 0)),
      running_variance_(add_feature_statistic("running_var", ones({channels}), 0)) {
  set_feature_order("BatchNorm", options.order);
}

Tensor BatchNorm::forward(const Tensor& x) const {
  if (x.rank() < 2 || x.dim(-1) != channels_) {
    fail("BatchNorm", "the input has the wrong number of channels", x.shape().to_string(),
         "(..., " + std::to_string(channels_) + ")", "channels are the last axis: images are NHWC");
  }
  check_features("BatchNorm", x);
  if (!is_training()) {
    const Tensor mean = detach(running_mean_);
    const Tensor variance = detach(running_variance_);
    const Tensor centered = x - mean;
    const Tensor normalized = centered / sqrt(variance + options_.epsilon);
    const Tensor weighted = normalized * weight_;
    return weighted + bias_;
  }
  const std::int64_t count = x.elements() / channels_;
  if (count < 2) {
    fail("BatchNorm", "training needs more than one value per channel", x.shape().to_string(),
         "a batch of at least 2", "");
  }
  const Tensor weight = weight_;
  const BatchNormResult result = batch_norm(x, weight, bias_, options_.epsilon);
  const NoGradScope statistics;
  const double momentum = options_.momentum;
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  const auto update = [&](const State& running, const Tensor& now, double share) {
    const Tensor kept = running * (1 - momentum);
    running.assign(kept + now * share);
  };
  update(running_mean_, result.mean, momentum);
  update(running_variance_, result.variance, momentum * unbiased);
  return result.y;
}

}  // namespace sinter::nn
