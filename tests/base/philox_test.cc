#include "base/philox.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

namespace sinter {
namespace {

using philox::Block;
using philox::Key;

constexpr bool equal(const Block& a, const Block& b) {
  return a.words[0] == b.words[0] && a.words[1] == b.words[1] && a.words[2] == b.words[2] &&
         a.words[3] == b.words[3];
}

// The known answers that come with the authors' library (Random123, tests/kat_vectors).
TEST(Philox, GivesTheKnownAnswers) {
  static_assert(equal(philox::generate({{0, 0, 0, 0}}, {{0, 0}}),
                      {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  static_assert(equal(philox::generate({{kOnes, kOnes, kOnes, kOnes}}, {{kOnes, kOnes}}),
                      {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  static_assert(equal(philox::generate({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
                                       {{0xa4093822, 0x299f31d0}}),
                      {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
  // Once more at run time, where the compiler chose the instructions.
  volatile std::uint32_t zero = 0;
  EXPECT_TRUE(equal(philox::generate({{zero, zero, zero, zero}}, {{zero, zero}}),
                    {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
}

TEST(Philox, SplitsSeedsAndPositionsIntoWordsLowestFirst) {
  constexpr Key key = philox::key_from_seed(0x1122334455667788u);
  static_assert(key.words[0] == 0x55667788 && key.words[1] == 0x11223344);
  static_assert(equal(philox::counter_at(0x0102030405060708u, 0x1112131415161718u),
                      {{0x05060708, 0x01020304, 0x15161718, 0x11121314}}));
}

TEST(Philox, EveryBitOfKeyAndPositionMattersToHalfOfTheResult) {
  const Block base = philox::generate({}, {});
  for (int bit = 0; bit < 192; ++bit) {
    Block counter;
    Key key;
    const std::uint32_t mask = 1u << (bit % 32);
    if (bit < 128) {
      counter.words[bit / 32] = mask;
    } else {
      key.words[bit / 32 - 4] = mask;
    }
    const Block other = philox::generate(counter, key);
    int changed = 0;
    for (int i = 0; i < 4; ++i) changed += std::popcount(base.words[i] ^ other.words[i]);
    EXPECT_GT(changed, 36) << bit;  // 64 expected, standard deviation 5.7
    EXPECT_LT(changed, 92) << bit;
  }
}

}  // namespace
}  // namespace sinter
