// How the elements of a State lie in files.
#ifndef SINTER_FILE_LAYOUT_H_
#define SINTER_FILE_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// Files hold PyTorch's layouts, memory holds ours (images are NHWC): in files a convolution's
// weight is (O, I, KH, KW), and what runs along a flattened image is in channel-major order. A
// layout is a permutation of a reshape: the shape in memory is split into `split`, those axes are
// taken in the order `order`, and the result is seen as `file`. The default layout is the same in
// memory and in files. A parameter states its own where a module registers it.
struct FileLayout {
  Shape memory;
  std::vector<std::int64_t> split;
  std::vector<int> order;
  Shape file;

  // Memory (N, spatial..., C), file (N, C, spatial...): images, and weights of convolutions
  // (O, kernel..., I). REQUIRES: at least two axes.
  static FileLayout channels_last(const Shape& memory);
  // One axis of positions * channels elements, with the channel innermost in memory and outermost
  // in files: what runs along a flattened image. Throws Error where the axis does not have as many.
  static FileLayout flattened(const Shape& memory, int axis, std::int64_t positions,
                              std::int64_t channels);

  bool is_identity() const { return order.empty(); }

  // The shape in files of a State of shape `in_memory`.
  Shape shape_in_file(const Shape& in_memory) const { return is_identity() ? in_memory : file; }

  // The same elements in the order of files, and back. Throws Error for another shape.
  Tensor to_file(const Tensor& x) const;
  Tensor from_file(const Tensor& x) const;
};

// An image whose positions and channels have become one axis.
struct FlattenedImage {
  std::int64_t positions = 0;
  std::int64_t channels = 0;  // innermost
  // Whether the axis is all of the image, and nothing else, in that order; else both are 0.
  bool is_whole = true;
};

// What the innermost axis of x is, as far as the ops that made x tell. Nothing where it is not
// computed from an image (the result of a convolution or a pooling), is its channels alone, or has
// the order of files already. What a compiled function is given or returns tells nothing.
std::optional<FlattenedImage> flattened_image(const Tensor& x);

}  // namespace sinter

#endif  // SINTER_FILE_LAYOUT_H_
