// How single rows become a batch, rows of different lengths too.
//
// A compiled function has a program for each shape it is called with, so lengths are rounded up to
// few buckets and rows padded; and what is computed must not depend on the padding. Whoever joins
// the rows knows their lengths, so both happen here, and the lengths become a tensor of the batch:
//
//   const std::vector<data::Collate> how = {{.field = "ids", .kind = data::Collate::Kind::pad,
//                                            .buckets = data::length_buckets(20, 400),
//                                            .lengths = "lengths"}};
//   const Batch batch = data::collate(rows, how);          // ids (B, L), lengths (B,)
//   // In the compiled function:
//   const Tensor valid = sequence_mask(batch["lengths"], batch["ids"].dim(1));        // (B, L)
//   const Tensor shares = softmax(where(valid, scores, -INFINITY));                    // (B, L)
//   const Tensor mean = sum(where(reshape(valid, {B, L, 1}), x, 0.0), {1}) /           // (B, D)
//                       reshape(cast(batch["lengths"], Dtype::f32), {B, 1});
//
// Masked in this way, sums, means, softmax and their gradients have the bits that they have
// without padding: zeros behind the end of a reduced axis change nothing (what contractions and
// convolutions round may differ with the shape). A row of length 0 has no mean.
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
  // that few programs serve many lengths. Empty: L is the length of the longest row. What runs the
  // batches keeps at least as many programs (CompileOptions, train::StepOptions, train::Task).
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

// Buckets for rows of `shortest` to `longest`: multiples of `multiple`, each at most `growth` times
// the one before where that is a multiple at all. A row of n is padded to less than growth * n +
// multiple. Throws Error unless 0 <= shortest <= longest, 1 < growth and 1 <= multiple.
std::vector<std::int64_t> length_buckets(std::int64_t shortest, std::int64_t longest,
                                         double growth = 1.25, std::int64_t multiple = 8);

// The rows of a padded tensor, results of a padded batch for example, without the padding:
// (B, L, S...) and lengths (B,), i32 or i64 -> B tensors (L_i, S...) in host memory. Throws Error
// for other shapes, and for a length outside [0, L].
std::vector<Tensor> unpad(const Tensor& padded, const Tensor& lengths);

}  // namespace sinter::data

#endif  // SINTER_COLLATE_H_
