#include <cmath>

#include "base/philox.h"
#include "sinter/nn.h"

namespace sinter {
namespace {

// The initial weights of a thread's modules: one Philox sequence, taken a block of four words at a
// time so that what one module draws does not depend on how it uses its words.
struct InitialStream {
  std::uint64_t seed = 0;
  std::uint64_t position = 0;

  philox::Block next() {
    return philox::generate(philox::counter_at(position++, 0), philox::key_from_seed(seed));
  }
};

thread_local InitialStream initial_stream;

}  // namespace

void manual_seed(std::uint64_t seed) { initial_stream = {seed, 0}; }

std::uint64_t next_seed() {
  const philox::Block block = initial_stream.next();
  return (std::uint64_t{block.words[1]} << 32) | block.words[0];
}

namespace nn {

Tensor uniform_weights(const Shape& shape, double bound) {
  const auto count = static_cast<std::size_t>(shape.elements());
  std::vector<float> values(count);
  philox::Block block;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 4 == 0) block = initial_stream.next();
    // 24 bits: exact in f32, also after doubling and shifting, so only the scaling rounds.
    const float unit = static_cast<float>(block.words[i % 4] >> 8) * 0x1p-24f;
    values[i] = (2.0f * unit - 1.0f) * static_cast<float>(bound);
  }
  return tensor(values, shape);
}

}  // namespace nn
}  // namespace sinter
