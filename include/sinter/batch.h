// What one step works on.
#ifndef SINTER_BATCH_H_
#define SINTER_BATCH_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// Tensors with names, in the order in which they were added, and how much they count together:
//
//   const Batch batch{{"images", images}, {"labels", labels}};
//   model(batch["images"])
//
// The weight is in the unit that rates and means are given in: rows, tokens, seconds of sound.
// Unless it is set it is the length of the first tensor's first axis (1 for a scalar). A mean over
// several batches weighs each by it.
class Batch {
 public:
  struct Entry {
    std::string name;
    Tensor tensor;
  };

  Batch() = default;
  // Throws Error for a name that is empty or occurs twice, and for an undefined tensor.
  Batch(std::initializer_list<Entry> entries);

  // Appends; throws as the constructor. Gives the batch itself.
  Batch& add(std::string name, Tensor tensor);

  bool has(std::string_view name) const;
  // Throws Error, listing the names that there are, when there is none of this name.
  const Tensor& operator[](std::string_view name) const;

  bool empty() const { return entries_.empty(); }
  std::span<const Entry> entries() const { return entries_; }
  std::vector<std::string> names() const;
  std::vector<Tensor> tensors() const;

  // An f64 scalar. Inside a compiled step it is an input of the program: nothing is baked in.
  Tensor weight() const;
  // The same as a number. Throws Error in a trace, as reading any Tensor does.
  double count() const;
  void set_weight(double weight);
  // Whether the weight was set.
  bool has_own_weight() const { return weight_.defined(); }
  // REQUIRES: an f64 scalar.
  void set_weight(Tensor weight) { weight_ = std::move(weight); }

  // The bytes of all tensors.
  std::int64_t bytes() const;

 private:
  std::vector<Entry> entries_;
  Tensor weight_;  // undefined: by the first tensor
};

}  // namespace sinter

#endif  // SINTER_BATCH_H_
