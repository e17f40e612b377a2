#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {

Dropout::Dropout(double p) : Dropout(p, Generator(next_seed())) {}

Dropout::Dropout(double p, const Generator& generator)
    : p_(p), generator_(add_generator("generator", generator)) {
  if (!(p >= 0 && p < 1)) {
    fail("Dropout", "the probability is out of range", std::to_string(p), "0 <= p < 1");
  }
}

Tensor Dropout::forward(const Tensor& x) const {
  if (!is_training() || p_ == 0) return x;
  Generator generator = generator_;  // a handle on the same position
  return dropout(x, p_, generator);
}

}  // namespace sinter::nn
