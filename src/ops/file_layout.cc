#include "sinter/file_layout.h"

#include "sinter/ops.h"
#include "tensor/impl.h"

namespace sinter {

FileLayout FileLayout::channels_last(const Shape& memory) {
  std::vector<int> order{0, memory.rank() - 1};
  for (int axis = 1; axis < memory.rank() - 1; ++axis) order.push_back(axis);
  std::vector<std::int64_t> file;
  for (const int axis : order) file.push_back(memory[axis]);
  return {memory, memory.to_vector(), order, Shape(file)};
}

FileLayout FileLayout::flattened(const Shape& memory, int axis, std::int64_t positions,
                                 std::int64_t channels) {
  const int along = normalize_axis("FileLayout::flattened", axis, memory.rank());
  if (positions < 1 || channels < 1 || positions * channels != memory[along]) {
    raise({.where = "FileLayout::flattened",
           .what = "the axis does not have as many elements as the image",
           .got = std::to_string(memory[along]) + " elements for " + std::to_string(positions) +
                  " positions of " + std::to_string(channels) + " channels",
           .expected = {},
           .hint = {}});
  }
  std::vector<std::int64_t> split;
  std::vector<int> order;
  for (int i = 0; i < memory.rank(); ++i) {
    const auto next = static_cast<int>(split.size());
    if (i == along) {
      split.insert(split.end(), {positions, channels});
      order.insert(order.end(), {next + 1, next});
    } else {
      split.push_back(memory[i]);
      order.push_back(next);
    }
  }
  return {memory, split, order, memory};
}

Tensor FileLayout::to_file(const Tensor& x) const {
  if (is_identity()) return x;
  return reshape(permute(reshape(x, split), order), file);
}

Tensor FileLayout::from_file(const Tensor& x) const {
  if (is_identity()) return x;
  std::vector<std::int64_t> permuted;
  std::vector<int> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    permuted.push_back(split[static_cast<std::size_t>(order[i])]);
    inverse[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  }
  return reshape(permute(reshape(x, permuted), inverse), memory);
}

std::optional<FlattenedImage> flattened_image(const Tensor& x) {
  const ir::AxisOrigins* const origins = x.impl()->origins.get();
  if (origins == nullptr || x.rank() == 0) return std::nullopt;
  const ir::AxisOrigin innermost = (*origins)[x.rank() - 1];
  if (innermost == ir::AxisOrigin::irregular) return FlattenedImage{.is_whole = false};
  if (innermost != ir::AxisOrigin::flattened) return std::nullopt;
  return FlattenedImage{origins->positions, origins->channels};
}

}  // namespace sinter
