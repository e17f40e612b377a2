#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {

MaxPool2d::MaxPool2d(std::int64_t kernel, std::int64_t stride, std::int64_t padding)
    : kernel_(kernel), stride_(stride == 0 ? kernel : stride), padding_(padding) {
  if (kernel < 1 || stride < 0 || padding < 0 || 2 * padding > kernel) {
    fail("MaxPool2d", "the window does not work",
         "kernel " + std::to_string(kernel) + ", stride " + std::to_string(stride) + ", padding " +
             std::to_string(padding),
         "a positive kernel, a stride that is not negative, padding of at most half the kernel");
  }
}

Tensor MaxPool2d::forward(const Tensor& x) const {
  if (x.rank() != 4) {
    fail("MaxPool2d", "the input is not a batch of images", x.shape().to_string(), "(N, H, W, C)",
         "images are NHWC: (batch, height, width, channels)");
  }
  return max_pool2d(x, {.kernel = {kernel_, kernel_},
                        .stride = {stride_, stride_},
                        .padding = {padding_, padding_}});
}

Flatten::Flatten() { set_channel_flow(ChannelFlow::flatten); }

Tensor Flatten::forward(const Tensor& x) const {
  if (x.rank() < 1) fail("Flatten", "the input has no batch axis", "a scalar", "(N, ...)");
  return flatten(x);
}

}  // namespace sinter::nn
