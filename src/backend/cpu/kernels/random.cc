// Random numbers by position (Philox4x32-10): any thread makes any part.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"
#include "base/philox.h"

namespace sinter::backend::cpu {
namespace {

// Counters handled together, one in each lane.
constexpr int kLanes = 16;
constexpr std::int64_t kGrainBlocks = 2048;

// words[i][lane]: word i of the numbers at position first + lane.
using Words = std::uint32_t[4][kLanes];

// philox::generate for kLanes positions at once.
[[gnu::always_inline]] inline void generate(std::uint64_t first, std::uint64_t seed, Words& words) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t position = first + static_cast<std::uint64_t>(lane);
    words[0][lane] = philox::low_word(position);
    words[1][lane] = philox::high_word(position);
    words[2][lane] = 0;
    words[3][lane] = 0;
  }
  philox::Key key = philox::key_from_seed(seed);
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t key0 = key.words[0], key1 = key.words[1];
#pragma omp simd
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * words[0][lane];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * words[2][lane];
      words[0][lane] = philox::high_word(product1) ^ words[1][lane] ^ key0;
      words[1][lane] = philox::low_word(product1);
      words[2][lane] = philox::high_word(product0) ^ words[3][lane] ^ key1;
      words[3][lane] = philox::low_word(product0);
    }
    key.words[0] += 0x9E3779B9U;
    key.words[1] += 0xBB67AE85U;
  }
}

// Batches of kLanes positions, 8 booleans each; the last batch may be short.
struct BernoulliBatch {
  std::uint64_t seed, offset;
  std::uint32_t limit;
  std::int64_t count;
  std::uint8_t* to;

  [[gnu::always_inline]] static inline void call(const BernoulliBatch& b, std::int64_t batch) {
    constexpr std::int64_t kElements = kLanes * 8;
    Words words;
    generate(b.offset + static_cast<std::uint64_t>(batch) * kLanes, b.seed, words);
    std::uint8_t bits[kElements];
    for (int i = 0; i < 4; ++i) {
#pragma omp simd
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::uint32_t word = words[i][lane];
        bits[lane * 8 + i * 2] = (word & 0xFFFFU) < b.limit ? 1 : 0;
        bits[lane * 8 + i * 2 + 1] = (word >> 16) < b.limit ? 1 : 0;
      }
    }
    const std::int64_t begin = batch * kElements;
    std::copy_n(bits, std::min(kElements, b.count - begin), b.to + begin);
  }
};

struct UniformBatch {
  std::uint64_t seed, offset;
  std::int64_t count;
  float* to;

  [[gnu::always_inline]] static inline void call(const UniformBatch& b, std::int64_t batch) {
    constexpr std::int64_t kElements = kLanes * 4;
    Words words;
    generate(b.offset + static_cast<std::uint64_t>(batch) * kLanes, b.seed, words);
    float numbers[kElements];
    for (int i = 0; i < 4; ++i) {
#pragma omp simd
      for (int lane = 0; lane < kLanes; ++lane) {
        // 24 bits are exact in f32, through i32 because that conversion is one instruction.
        const auto bits = static_cast<std::int32_t>(words[i][lane] >> 8);
        numbers[lane * 4 + i] = static_cast<float>(bits) * 0x1p-24F;
      }
    }
    const std::int64_t begin = batch * kElements;
    std::copy_n(numbers, std::min(kElements, b.count - begin), b.to + begin);
  }
};

template <class Batch>
void run_batches(const Batch& batch, std::int64_t per_batch) {
  parallel_for(
      (batch.count + per_batch - 1) / per_batch, kGrainBlocks / kLanes,
      [&](std::int64_t begin, std::int64_t end) { for_this_isa<Batch>(begin, end, batch); });
}

class Bernoulli final : public PreparedKernel {
 public:
  explicit Bernoulli(const KernelCall& call) : count_(call.outputs[0].shape.elements()) {
    const double p = call.attributes.real("p");
    // The whole range for p >= 1, none for p <= 0 and NaN.
    const double scaled = std::round(p * 65536);
    limit_ = scaled >= 65536 ? 65536 : scaled > 0 ? static_cast<std::uint32_t>(scaled) : 0;
  }

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* position = static_cast<const std::int64_t*>(inputs[0]);
    run_batches(BernoulliBatch{static_cast<std::uint64_t>(position[0]),
                               static_cast<std::uint64_t>(position[1]), limit_, count_,
                               static_cast<std::uint8_t*>(outputs[0])},
                kLanes * 8);
  }

 private:
  std::int64_t count_;
  std::uint32_t limit_;
};

class Uniform final : public PreparedKernel {
 public:
  explicit Uniform(const KernelCall& call) : count_(call.outputs[0].shape.elements()) {}

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* position = static_cast<const std::int64_t*>(inputs[0]);
    run_batches(UniformBatch{static_cast<std::uint64_t>(position[0]),
                             static_cast<std::uint64_t>(position[1]), count_,
                             static_cast<float*>(outputs[0])},
                kLanes * 4);
  }

 private:
  std::int64_t count_;
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

}  // namespace sinter::backend::cpu
