// Where the axes of a value come from, as far as that decides in which order files hold parameters.
//
// Images lie in memory with their channels innermost and in files, as PyTorch has them, with their
// channels before their positions. For a convolution's weight that is an order of axes. But once
// positions and channels have become one axis (a flattened image in front of a linear layer), the
// elements of that axis have another order in files, and so have the parameters along it. Which
// axes those are is followed from op to op: it starts where an image is made (a convolution, a
// pooling) and holds for every value that is computed from it. Nothing that runs depends on it.
#ifndef SINTER_IR_AXIS_ORIGINS_H_
#define SINTER_IR_AXIS_ORIGINS_H_

#include <array>
#include <cstdint>
#include <span>

#include "ir/attributes.h"
#include "sinter/shape.h"

namespace sinter::ir {

// Where two values with different origins meet, the later one in this list holds.
enum class AxisOrigin : std::uint8_t {
  plain,      // not known to come from an image, its batch, or of length 1
  channel,    // channels, or a part of them
  position,   // one or several spatial axes
  flattened,  // positions outside, channels inside, all of them
  irregular,  // positions and channels in another order, or only some of them
};

struct AxisOrigins {
  std::array<AxisOrigin, Shape::kMaxRank> axes{};  // by axis, outermost first
  // Of the flattened axis.
  std::int64_t positions = 0;
  std::int64_t channels = 0;

  AxisOrigin operator[](int axis) const { return axes[static_cast<std::size_t>(axis)]; }
  bool any() const;

  friend bool operator==(const AxisOrigins&, const AxisOrigins&) = default;
};

// How the axes of an op's results follow from those of its inputs (Op::axes).
enum class AxisRule : std::uint8_t {
  aligned,  // counted from the innermost, axes are those of the inputs
  image,    // the results are images (N, spatial..., C)
  reshape,  // the input's elements in row-major order
  permute,  // axis i is axis axes[i] of the input
  matmul,   // (B..., M, K) x (B..., K, N)
};

// An input of a call; without origins all its axes are plain.
struct AxisSource {
  Shape shape;
  const AxisOrigins* origins = nullptr;
};

AxisOrigins follow_axes(AxisRule rule, std::span<const AxisSource> inputs,
                        const Attributes& attributes, const Shape& result);

}  // namespace sinter::ir

#endif  // SINTER_IR_AXIS_ORIGINS_H_
