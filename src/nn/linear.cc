#include <cmath>

#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {
namespace {

std::string to_text(std::int64_t value) { return std::to_string(value); }

}  // namespace

// PyTorch's default: Kaiming uniform with a = sqrt(5), which is +-1 / sqrt(fan in), as for the
// bias. (He et al. 2015.)
Linear::Linear(std::int64_t in, std::int64_t out, const LinearOptions& options) : in_(in) {
  if (in < 1 || out < 1) {
    fail("Linear", "the numbers of features must be positive",
         "(" + to_text(in) + ", " + to_text(out) + ")", "(in, out) of at least (1, 1)");
  }
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  weights_.push_back(add_feature_parameter("weight", uniform_weights({out, in}, bound), 1));
  if (options.bias) weights_.push_back(add_parameter("bias", uniform_weights({out}, bound)));
  set_feature_order("Linear", options.order);
  set_channel_flow(ChannelFlow::read);
}

Tensor Linear::forward(const Tensor& x) const {
  if (x.rank() < 1 || x.dim(-1) != in_) {
    fail("Linear", "the input has the wrong number of features", x.shape().to_string(),
         "(..., " + to_text(in_) + ")", x.rank() == 4 ? "is a Flatten missing?" : "");
  }
  check_features("Linear", x);
  if (!has_bias()) return linear(x, weight());
  const Tensor factors = weight();
  return linear(x, factors, Operand(bias()));
}

Embedding::Embedding(std::int64_t count, std::int64_t size)
    : count_(count), weight_([&] {
        if (count < 1 || size < 1) {
          fail("Embedding", "the table must not be empty", Shape{count, size}.to_string(),
               "(count, size) of at least (1, 1)");
        }
        return add_parameter("weight", Generator(next_seed()).normal({count, size}));
      }()) {}

Tensor Embedding::forward(const Tensor& ids) const {
  if (ids.dtype() != Dtype::i32 && ids.dtype() != Dtype::i64) {
    fail("Embedding", "ids must be integers", ids.to_string(), "i32 or i64",
         "below " + to_text(count_));
  }
  return gather(weight_, ids);
}

}  // namespace sinter::nn
