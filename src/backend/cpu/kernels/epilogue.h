// What follows on a contraction's result (ir::Step::epilogue), run block by block: whoever has made
// a block of the result hands it over while it is in the cache.
#ifndef SINTER_BACKEND_CPU_KERNELS_EPILOGUE_H_
#define SINTER_BACKEND_CPU_KERNELS_EPILOGUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/cpu/groups/group_kernel.h"
#include "ir/group.h"

namespace sinter::backend::cpu {

class Epilogue {
 public:
  // Blocks of up to `block` of the `items` outermost parts of the result (rows of a product,
  // images). Null where the group cannot be cut so: it folds along the items, counts along them, or
  // sees them as part of an axis.
  static std::unique_ptr<Epilogue> by_items(const ir::Group& group, std::int64_t items,
                                            std::int64_t block);
  // Blocks of up to `block` columns of a result that is a matrix (rows, columns). Null where the
  // group folds along the columns, counts along them, or does not see them as one axis.
  static std::unique_ptr<Epilogue> by_columns(const ir::Group& group, std::int64_t rows,
                                              std::int64_t columns, std::int64_t block);

  // The result as one block, of any group. Null where that has too many operands.
  static std::unique_ptr<Epilogue> whole(const ir::Group& group);

  std::int64_t block() const { return block_; }
  // Bytes of 64-byte aligned memory that run() needs; a multiple of 64.
  std::int64_t scratch_bytes() const;

  // Where in an output the result from `first` on may lie, for the epilogue to run in place; null
  // where no output suits. Memory that is written anyway is then touched once.
  std::byte* place_in_output(std::int64_t first, void* const* inputs, void* const* outputs) const;

  // Items, or columns, [first, first + count) of the result, which lie densely at `result`: count
  // items, or rows of `count` elements. REQUIRES: `first` is a multiple of block(), and `count`
  // reaches from there to the next or to the end. `inputs` and `outputs`: the group's other
  // operands.
  void run(std::int64_t first, std::int64_t count, void* result, void* const* inputs,
           void* const* outputs, void* scratch) const;

 private:
  Epilogue() = default;
  // Cuts `axis` of the group, `step` of its places at a time.
  static std::unique_ptr<Epilogue> cut(const ir::Group& group, int axis, std::int64_t step,
                                       std::int64_t count, std::int64_t block);

  std::int64_t block_ = 1;
  std::size_t inputs_ = 0;               // beside the result
  std::optional<std::size_t> in_place_;  // the output that may be the result's memory
  std::vector<std::int64_t> shifts_;     // bytes from item to item, of each operand
  std::shared_ptr<const GroupKernel> whole_;
  std::shared_ptr<const GroupKernel> rest_;  // of the last block, where that is shorter
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_EPILOGUE_H_
