// Rows of a table by number: embeddings and their like, for elements of any type.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "backend/cpu/kernels/kernel.h"
#include "backend/kernel_dtype.h"
#include "base/parallel.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 32 * 1024;

template <class Id>
class Gather final : public PreparedKernel {
 public:
  explicit Gather(const KernelCall& call)
      : table_rows_(call.inputs[0].shape[0]), count_(call.inputs[1].shape.elements()) {
    row_bytes_ = static_cast<std::int64_t>(size_of(call.input_dtypes[0]));
    for (int axis = 1; axis < call.inputs[0].shape.rank(); ++axis) {
      row_bytes_ *= call.inputs[0].shape[axis];
    }
  }

  void run(void* const* inputs, void* const* outputs, void*) const override {
    const auto* table = static_cast<const char*>(inputs[0]);
    const auto* ids = static_cast<const Id*>(inputs[1]);
    auto* to = static_cast<char*>(outputs[0]);
    // Ids are looked at first even where rows are empty. A loop over pieces throws the lowest
    // error.
    parallel_for(count_, std::max<std::int64_t>(1, kGrainBytes / (row_bytes_ + 16)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t id = ids[i];
                     if (id < 0 || id >= table_rows_) raise_id(i, id);
                     if (row_bytes_ == 0) continue;
                     std::memcpy(to + i * row_bytes_, table + id * row_bytes_,
                                 static_cast<std::size_t>(row_bytes_));
                   }
                 });
  }

 private:
  [[noreturn]] void raise_id(std::int64_t position, std::int64_t id) const {
    raise({.where = "gather",
           .what = "the id at position " + std::to_string(position) + " is not a row of the table",
           .got = std::to_string(id),
           .expected = "0 to " + std::to_string(table_rows_ - 1),
           .hint = {}});
  }

  std::int64_t table_rows_, count_, row_bytes_;
};

std::unique_ptr<PreparedKernel> prepare_gather(const KernelCall& call) {
  return for_dtype<std::int32_t, std::int64_t>(
      "gather", call.input_dtypes[1], [&](auto id) -> std::unique_ptr<PreparedKernel> {
        return std::make_unique<Gather<decltype(id)>>(call);
      });
}

}  // namespace

const Kernel kGather{.accepts = nullptr, .prepare = prepare_gather};

}  // namespace sinter::backend::cpu
