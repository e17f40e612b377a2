// How single rows become a batch.
#ifndef SINTER_COLLATE_H_
#define SINTER_COLLATE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sinter/batch.h"

namespace sinter::data {

// What is done with one field of the rows.
struct Collate {
  enum class Kind : std::uint8_t {
    stack,        // (S...) of one shape -> (B, S...)
    pad,          // (L_i, S...) -> (B, L, S...), with `fill` behind each row's end
    concatenate,  // (L_i, S...) -> (L_1 + ... + L_B, S...)
  };

  std::string field;
  Kind kind = Kind::stack;
  double fill = 0;
  // Of pad: the lengths L to choose from, ascending: the least one that holds the longest row, so
  // that few programs serve many lengths. Empty: L is the length of the longest row.
  std::vector<std::int64_t> buckets = {};
  // The name of a further tensor, none when empty. Of pad: each row's length, i32 (B,). Of
  // concatenate: where each row begins, and the end, i32 (B + 1,).
  std::string lengths = {};
};

// One batch of the rows, with the fields that `how` names, in its order. Its weight is the sum of
// the rows' weights where these have been set, else the number of rows. Throws Error for no rows, a
// field that a row lacks, rows whose dtypes or shapes do not go together, and a row longer than
// every bucket.
Batch collate(std::span<const Batch> rows, std::span<const Collate> how);

}  // namespace sinter::data

#endif  // SINTER_COLLATE_H_
