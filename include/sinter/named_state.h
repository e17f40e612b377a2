// States with the names they have in files.
#ifndef SINTER_NAMED_STATE_H_
#define SINTER_NAMED_STATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sinter/ops.h"
#include "sinter/tensor.h"

namespace sinter {

// How the elements of a State lie in files. Files hold PyTorch's layouts, memory holds ours (images
// are NHWC): in files a convolution's weight is (O, I, KH, KW), and the columns of a linear layer
// after a flattened image are in channel-major order. A layout is a permutation of a reshape: the
// shape in memory is split into `split`, those axes are taken in the order `order`, and the result
// is seen as `file`. The default layout is the same in memory and in files.
struct FileLayout {
  Shape memory;
  std::vector<std::int64_t> split;
  std::vector<int> order;
  Shape file;

  // Memory (O, kernel..., I), file (O, I, kernel...).
  static FileLayout conv_weight(const Shape& memory) {
    std::vector<int> order{0, memory.rank() - 1};
    for (int axis = 1; axis < memory.rank() - 1; ++axis) order.push_back(axis);
    std::vector<std::int64_t> file;
    for (const int axis : order) file.push_back(memory[axis]);
    return {memory, memory.to_vector(), order, Shape(file)};
  }
  // Memory (O, positions * channels) with the channel innermost, file (O, channels * positions).
  static FileLayout image_columns(const Shape& memory, std::int64_t channels) {
    const std::int64_t positions = memory[1] / channels;
    return {memory, {memory[0], positions, channels}, {0, 2, 1}, memory};
  }

  bool is_identity() const { return order.empty(); }

  // The shape in files of a State of shape `in_memory`.
  Shape shape_in_file(const Shape& in_memory) const { return is_identity() ? in_memory : file; }

  // The same elements in the order of files, and back. Throws Error for another shape.
  Tensor to_file(const Tensor& x) const {
    if (is_identity()) return x;
    return reshape(permute(reshape(x, split), order), file);
  }
  Tensor from_file(const Tensor& x) const {
    if (is_identity()) return x;
    std::vector<std::int64_t> permuted;
    std::vector<int> inverse(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      permuted.push_back(split[static_cast<std::size_t>(order[i])]);
      inverse[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
    }
    return reshape(permute(reshape(x, permuted), inverse), memory);
  }
};

// What a State is for.
enum class StateRole : std::uint8_t {
  parameter,  // trained; in weight files
  statistic,  // follows the data (running means); in weight files
  progress,   // where training stands (random positions, moments, steps); in checkpoints only
};

// A State with the name that files and messages give it: what Module::states() and
// Optimizer::states() list, and what io.h saves and loads.
struct NamedState {
  std::string name;  // "conv1.weight", unique in a list
  State state;
  StateRole role = StateRole::parameter;
  FileLayout layout = {};
  bool may_be_missing = false;  // in checkpoints of older versions; it then becomes zero
};

}  // namespace sinter

#endif  // SINTER_NAMED_STATE_H_
