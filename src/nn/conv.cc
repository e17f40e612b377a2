#include <algorithm>
#include <cmath>

#include "sinter/nn.h"

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
  const char* axes;
  const char* layout;
};
const Words& words_of(int rank) {
  static constexpr Words kWords[] = {
      {"Conv1d", "(N, L, ", "images are NLC: (batch, length, channels)"},
      {"Conv2d", "(N, H, W, ", "images are NHWC: (batch, height, width, channels)"},
      {"Conv3d", "(N, D, H, W, ", "images are NDHWC: (batch, depth, height, width, channels)"}};
  return kWords[rank - 1];
}

}  // namespace

Conv::Conv(int rank, std::int64_t in, std::int64_t out, const Numbers& kernel,
           const ConvModuleOptions& options)
    : rank_(rank), in_(in), out_(out), options_(options) {
  if (in < 1 || out < 1 || !all_at_least(1, kernel)) {
    fail(type(), "channels and kernel must be positive",
         std::to_string(in) + " to " + std::to_string(out) + " channels, kernel " + to_text(kernel),
         "at least 1 each");
  }
  if (kernel.size() != 1 && kernel.size() != static_cast<std::size_t>(rank)) {
    fail(type(), "the kernel has another number of axes", to_text(kernel),
         "1 or " + std::to_string(rank) + " lengths");
  }
  if (!all_at_least(1, options.stride) || !all_at_least(1, options.dilation) ||
      !all_at_least(0, options.padding)) {
    fail(type(), "stride and dilation must be positive, padding not negative",
         "stride " + to_text(options.stride) + ", dilation " + to_text(options.dilation) +
             ", padding " + to_text(options.padding),
         "");
  }
  if (options.groups < 1 || in % options.groups != 0 || out % options.groups != 0) {
    fail(type(), "the channels do not divide into groups",
         std::to_string(in) + " to " + std::to_string(out) + " channels, " +
             std::to_string(options.groups) + " groups",
         "");
  }
  Numbers lengths{out};
  for (int i = 0; i < rank; ++i) {
    lengths.push_back(kernel[kernel.size() == 1 ? 0 : static_cast<std::size_t>(i)]);
  }
  lengths.push_back(in / options.groups);
  const Shape shape(lengths);
  const double bound = 1 / std::sqrt(static_cast<double>(shape.elements() / out));
  weights_.push_back(
      add_parameter("weight", uniform_weights(shape, bound), FileLayout::conv_weight(shape)));
  if (options.bias) weights_.push_back(add_parameter("bias", uniform_weights({out}, bound)));
}

const char* Conv::type() const { return words_of(rank_).type; }

Tensor Conv::forward(const Tensor& x) const {
  if (x.rank() != rank_ + 2 || x.dim(-1) != in_) {
    fail(type(), "the input has the wrong shape", x.shape().to_string(),
         words_of(rank_).axes + std::to_string(in_) + ")", words_of(rank_).layout);
  }
  const Tensor y = conv(x, weight(),
                        {.stride = options_.stride,
                         .padding = options_.padding,
                         .dilation = options_.dilation,
                         .groups = options_.groups});
  return has_bias() ? y + bias() : y;
}

Module::Features Conv::follow(const Features&) const {
  return {.channels = out_, .flattened = false};
}

}  // namespace sinter::nn
