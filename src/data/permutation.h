// Orders of rows, drawn by position.
#ifndef SINTER_DATA_PERMUTATION_H_
#define SINTER_DATA_PERMUTATION_H_

#include <cstdint>
#include <vector>

namespace sinter::data {

// rows = 0, 1, 2, ...
void number_rows(std::vector<std::int32_t>& rows);

// rows = the order of epoch `epoch`: a permutation that follows from seed, epoch and count alone.
void permute_rows(std::uint64_t seed, std::int64_t epoch, std::vector<std::int32_t>& rows);

}  // namespace sinter::data

#endif  // SINTER_DATA_PERMUTATION_H_
