// Philox4x32-10, a counter-based random number generator: the numbers at a position are a function
// of (key, position) alone, so any thread or device makes any part of a sequence in any order.
//
// J. Salmon, M. Moraes, R. Dror, D. Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
// Only constexpr functions on plain structures, so that CUDA code can use this header too.
#ifndef SINTER_BASE_PHILOX_H_
#define SINTER_BASE_PHILOX_H_

#include <cstdint>

namespace sinter::philox {

// 128 bits: a position on the way in, four random words on the way out. words[0] is the lowest.
struct Block {
  std::uint32_t words[4] = {0, 0, 0, 0};
};

// 64 bits that choose one of 2^64 sequences.
struct Key {
  std::uint32_t words[2] = {0, 0};
};

constexpr std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

constexpr Key key_from_seed(std::uint64_t seed) { return {{low_word(seed), high_word(seed)}}; }

// The position `index` of the sub-sequence `stream`.
constexpr Block counter_at(std::uint64_t index, std::uint64_t stream) {
  return {{low_word(index), high_word(index), low_word(stream), high_word(stream)}};
}

// One round: two 32 x 32 -> 64 bit products, crossed over and mixed with the key.
constexpr Block round_of(const Block& x, const Key& key) {
  const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * x.words[0];
  const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * x.words[2];
  return {{high_word(product1) ^ x.words[1] ^ key.words[0], low_word(product1),
           high_word(product0) ^ x.words[3] ^ key.words[1], low_word(product0)}};
}

// The four random words at a position.
constexpr Block generate(Block counter, Key key) {
  for (int round = 0; round < 10; ++round) {
    counter = round_of(counter, key);
    key.words[0] += 0x9E3779B9u;  // the golden ratio
    key.words[1] += 0xBB67AE85u;  // sqrt(3) - 1
  }
  return counter;
}

}  // namespace sinter::philox

#endif  // SINTER_BASE_PHILOX_H_
