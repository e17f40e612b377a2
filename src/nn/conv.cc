#include <algorithm>
#include <cmath>

#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::nn {
namespace {

using Numbers = std::vector<std::int64_t>;

bool all_at_least(std::int64_t least, const Numbers& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [&](std::int64_t n) { return n >= least; });
}

std::string to_text(const Numbers& numbers) {
  std::string text;
  for (const std::int64_t number : numbers) {
    text += (text.empty() ? "" : " x ") + std::to_string(number);
  }
  return text;
}

// What messages say about images with 1, 2 or 3 spatial axes.
struct Words {
  const char* type;
  const char* transposed_type;
  const char* axes;
  const char* layout;
};
const Words& words_of(int rank) {
  static constexpr Words kWords[] = {
      {"Conv1d", "ConvTranspose1d", "(N, L, ", "images are NLC: (batch, length, channels)"},
      {"Conv2d", "ConvTranspose2d", "(N, H, W, ",
       "images are NHWC: (batch, height, width, channels)"},
      {"Conv3d", "ConvTranspose3d", "(N, D, H, W, ",
       "images are NDHWC: (batch, depth, height, width, channels)"}};
  return kWords[rank - 1];
}

}  // namespace

AnyConv::AnyConv(Kind kind, std::int64_t in, std::int64_t out, const Numbers& kernel,
                 const ConvTransposeModuleOptions& options)
    : kind_(kind), in_(in), out_(out), options_(options) {
  check(kernel);
  const Shape shape = weight_shape(kernel);
  // PyTorch's: Kaiming uniform with a = sqrt(5) over what lies behind the weight's first axis.
  const double bound = 1 / std::sqrt(static_cast<double>(shape.elements() / shape[0]));
  weights_.push_back(
      add_parameter("weight", uniform_weights(shape, bound), FileLayout::channels_last(shape)));
  if (options.bias) weights_.push_back(add_parameter("bias", uniform_weights({out}, bound)));
  set_channel_flow(ChannelFlow::make, out);
}

void AnyConv::check(const Numbers& kernel) const {
  const std::string channels = std::to_string(in_) + " to " + std::to_string(out_) + " channels, ";
  if (in_ < 1 || out_ < 1 || !all_at_least(1, kernel)) {
    fail(type(), "channels and kernel must be positive", channels + "kernel " + to_text(kernel),
         "at least 1 each");
  }
  if (kernel.size() != 1 && kernel.size() != static_cast<std::size_t>(kind_.rank)) {
    fail(type(), "the kernel has another number of axes", to_text(kernel),
         "1 or " + std::to_string(kind_.rank) + " lengths");
  }
  if (!all_at_least(1, options_.stride) || !all_at_least(1, options_.dilation) ||
      !all_at_least(0, options_.padding) || !all_at_least(0, options_.output_padding)) {
    fail(type(), "stride and dilation must be positive, padding not negative",
         "stride " + to_text(options_.stride) + ", dilation " + to_text(options_.dilation) +
             ", padding " + to_text(options_.padding),
         "");
  }
  if (options_.groups < 1 || in_ % options_.groups != 0 || out_ % options_.groups != 0) {
    fail(type(), "the channels do not divide into groups",
         channels + std::to_string(options_.groups) + " groups", "");
  }
}

Shape AnyConv::weight_shape(const Numbers& kernel) const {
  Numbers lengths{kind_.is_transposed ? in_ : out_};
  for (int i = 0; i < kind_.rank; ++i) {
    lengths.push_back(kernel[kernel.size() == 1 ? 0 : static_cast<std::size_t>(i)]);
  }
  lengths.push_back((kind_.is_transposed ? out_ : in_) / options_.groups);
  return Shape(lengths);
}

const char* AnyConv::type() const {
  const Words& words = words_of(kind_.rank);
  return kind_.is_transposed ? words.transposed_type : words.type;
}

Tensor AnyConv::forward(const Tensor& x) const {
  if (x.rank() != kind_.rank + 2 || x.dim(-1) != in_) {
    const Words& words = words_of(kind_.rank);
    fail(type(), "the input has the wrong shape", x.shape().to_string(),
         words.axes + std::to_string(in_) + ")", words.layout);
  }
  const Tensor y = kind_.is_transposed ? conv_transpose(x, weight(),
                                                        {.stride = options_.stride,
                                                         .padding = options_.padding,
                                                         .output_padding = options_.output_padding,
                                                         .dilation = options_.dilation,
                                                         .groups = options_.groups})
                                       : conv(x, weight(),
                                              {.stride = options_.stride,
                                               .padding = options_.padding,
                                               .dilation = options_.dilation,
                                               .groups = options_.groups});
  return has_bias() ? y + bias() : y;
}

}  // namespace sinter::nn
