#include <cmath>

#include "sinter/nn.h"

namespace sinter::nn {
namespace {

std::string to_text(std::int64_t value) { return std::to_string(value); }

}  // namespace

// PyTorch's default: Kaiming uniform with a = sqrt(5), which is +-1 / sqrt(fan in), as for the
// bias. (He et al. 2015.)
Linear::Linear(std::int64_t in, std::int64_t out, const LinearOptions& options)
    : in_(in), out_(out), has_image_(options.image[2] != 0) {
  if (in < 1 || out < 1) {
    fail("Linear", "the numbers of features must be positive",
         "(" + to_text(in) + ", " + to_text(out) + ")", "(in, out) of at least (1, 1)");
  }
  FileLayout layout;
  if (has_image_) {
    const auto [height, width, channels] = options.image;
    if (height < 1 || width < 1 || channels < 1 || height * width * channels != in) {
      fail("Linear", "the image does not have as many elements as the layer has inputs",
           Shape{height, width, channels}.to_string() + " and " + to_text(in) + " inputs",
           "{H, W, C} with H * W * C = in");
    }
    layout = FileLayout::image_columns({out, in}, channels);
  }
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  weights_.push_back(add_parameter("weight", uniform_weights({out, in}, bound), layout));
  if (options.bias) weights_.push_back(add_parameter("bias", uniform_weights({out}, bound)));
}

Tensor Linear::forward(const Tensor& x) const {
  if (x.rank() < 1 || x.dim(-1) != in_) {
    fail("Linear", "the input has the wrong number of features", x.shape().to_string(),
         "(..., " + to_text(in_) + ")", x.rank() == 4 ? "is a Flatten missing?" : "");
  }
  if (!has_bias()) return linear(x, weight());
  return linear(x, weight(), Operand(bias()));
}

Module::Features Linear::follow(const Features& before) const {
  if (before.flattened && before.channels > 0 && in_ % before.channels == 0 && !has_image_) {
    set_layout(weight(), FileLayout::image_columns({out_, in_}, before.channels));
  }
  return {};
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
