#include "data/permutation.h"

#include <numeric>
#include <utility>

#include "base/philox.h"

namespace sinter::data {
namespace {

// Apart from the sequences of augmentation and dropout that the same seed gives.
constexpr std::uint64_t kPermutationKey = 0x7065726D75746564u;

}  // namespace

void number_rows(std::vector<std::int32_t>& rows) { std::iota(rows.begin(), rows.end(), 0); }

void permute_rows(std::uint64_t seed, std::int64_t epoch, std::vector<std::int32_t>& rows) {
  number_rows(rows);
  const philox::Key key = philox::key_from_seed(seed ^ kPermutationKey);
  philox::Block block;
  for (std::size_t i = rows.size(); i > 1; --i) {
    const std::size_t drawn = rows.size() - i;
    if (drawn % 4 == 0) {
      block =
          philox::generate(philox::counter_at(drawn / 4, static_cast<std::uint64_t>(epoch)), key);
    }
    const std::uint64_t j = (std::uint64_t{block.words[drawn % 4]} * i) >> 32;
    std::swap(rows[i - 1], rows[static_cast<std::size_t>(j)]);
  }
}

}  // namespace sinter::data
