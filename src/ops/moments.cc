#include "ops/moments.h"

#include <limits>

#include "sinter/ops.h"
#include "tensor/impl.h"

namespace sinter::ops {

Moments moments(const Tensor& x, const std::vector<int>& axes) {
  // Whatever the origin is, the result is the same, so no gradient goes through it.
  const Tensor origin = mean(make_tensor(x.impl()->payload), axes, true);
  const Tensor distance = x - origin;
  const Tensor correction = mean(distance, axes, true);
  const Tensor about_origin = mean(square(distance), axes, true);
  const Tensor average = origin + correction;
  const Tensor rounded = average - origin;
  // What the correction's square takes away may be all there is, and a rounding more. Where even it
  // is beyond the type's largest number, the variance is infinite, not NaN.
  const double most = x.dtype() == Dtype::f32 ? std::numeric_limits<float>::max()
                                              : std::numeric_limits<double>::max();
  const Tensor taken = minimum(square(correction), most);
  const Tensor variance = maximum(about_origin - taken, 0.0);
  return {distance - correction, average, variance, correction - rounded};
}

}  // namespace sinter::ops
