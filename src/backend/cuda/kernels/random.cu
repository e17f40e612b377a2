// Random numbers by position (Philox4x32-10): any thread makes any part, and the bits are the
// CPU's.
//
// The input holds {seed, offset}, read by the kernel, so that a captured graph draws anew at every
// replay. A thread runs one counter, offset + its number, which gives 128 bits: 8 booleans of 16
// bits each, or 4 numbers in [0, 1) of 24 bits each. One pass, writes only; the last thread's may
// be short.
#include <cmath>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "base/philox.h"

namespace sinter::backend::cuda {
namespace {

struct RandomParams {
  const std::int64_t* position;  // {seed, offset}
  void* to;
  std::int64_t elements;
  std::uint32_t limit;  // bernoulli: the half words below it give true
};

__device__ philox::Block words_of(const RandomParams& p, std::int64_t number) {
  const auto seed = static_cast<std::uint64_t>(p.position[0]);
  const auto offset = static_cast<std::uint64_t>(p.position[1]);
  return philox::generate(philox::counter_at(offset + static_cast<std::uint64_t>(number), 0),
                          philox::key_from_seed(seed));
}

struct alignas(8) Booleans {
  std::uint8_t at[8];
};

__global__ void bernoulli(RandomParams p) {
  const std::int64_t i = thread_number();
  const std::int64_t begin = i * 8;
  if (begin >= p.elements) return;
  const philox::Block block = words_of(p, i);
  Booleans all;
  for (int word = 0; word < 4; ++word) {
    all.at[2 * word] = (block.words[word] & 0xFFFFU) < p.limit ? 1 : 0;
    all.at[2 * word + 1] = (block.words[word] >> 16) < p.limit ? 1 : 0;
  }
  auto* to = static_cast<std::uint8_t*>(p.to) + begin;
  if (begin + 8 <= p.elements) {
    *reinterpret_cast<Booleans*>(to) = all;
    return;
  }
  for (int k = 0; k < 8; ++k) {
    if (begin + k < p.elements) to[k] = all.at[k];
  }
}

struct alignas(16) Numbers {
  float at[4];
};

__global__ void uniform(RandomParams p) {
  const std::int64_t i = thread_number();
  const std::int64_t begin = i * 4;
  if (begin >= p.elements) return;
  const philox::Block block = words_of(p, i);
  Numbers all;
  for (int word = 0; word < 4; ++word) {
    all.at[word] = static_cast<float>(static_cast<std::int32_t>(block.words[word] >> 8)) * 0x1p-24F;
  }
  auto* to = static_cast<float*>(p.to) + begin;
  if (begin + 4 <= p.elements) {
    *reinterpret_cast<Numbers*>(to) = all;
    return;
  }
  for (int k = 0; k < 4; ++k) {
    if (begin + k < p.elements) to[k] = all.at[k];
  }
}

class Bernoulli final : public PreparedKernel {
 public:
  explicit Bernoulli(const KernelCall& call) : elements_(call.outputs[0].shape.elements()) {
    // The whole range for p >= 1, none for p <= 0 and NaN.
    const double scaled = std::round(call.attributes.real("p") * 65536);
    limit_ = scaled >= 65536 ? 65536 : scaled > 0 ? static_cast<std::uint32_t>(scaled) : 0;
  }

  void launch(const LaunchCall& call) const override {
    launch_items("bernoulli", bernoulli, (elements_ + 7) / 8, call.stream,
                 RandomParams{static_cast<const std::int64_t*>(call.inputs[0]), call.outputs[0],
                              elements_, limit_});
  }

 private:
  std::int64_t elements_;
  std::uint32_t limit_;
};

class Uniform final : public PreparedKernel {
 public:
  explicit Uniform(const KernelCall& call) : elements_(call.outputs[0].shape.elements()) {}

  void launch(const LaunchCall& call) const override {
    launch_items("uniform", uniform, (elements_ + 3) / 4, call.stream,
                 RandomParams{static_cast<const std::int64_t*>(call.inputs[0]), call.outputs[0],
                              elements_, 0});
  }

 private:
  std::int64_t elements_;
};

std::unique_ptr<PreparedKernel> prepare_bernoulli(const KernelCall& call) {
  return std::make_unique<Bernoulli>(call);
}
std::unique_ptr<PreparedKernel> prepare_uniform(const KernelCall& call) {
  return std::make_unique<Uniform>(call);
}

}  // namespace

const Kernel kBernoulli{.accepts = nullptr, .prepare = prepare_bernoulli};
const Kernel kUniform{.accepts = nullptr, .prepare = prepare_uniform};

}  // namespace sinter::backend::cuda
