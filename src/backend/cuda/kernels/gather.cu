// Rows of a table by number: y (B, D...) = table (R, D...)[ids (B)], for elements of any type.
//
// One pass: ids and the rows wanted are read, y is written. A thread moves one unit, the widest of
// up to 16 bytes that divides rows and addresses, so that the threads of a warp write side by side.
// An id out of range is reported by the first thread of its row, and its row becomes zeros.
#include <cstdint>

#include "backend/cuda/device/ids.h"
#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/kernel_dtype.h"

namespace sinter::backend::cuda {
namespace {

struct GatherParams {
  const void* table;
  void* to;
  Ids ids;
  ErrorSlot* errors;
  std::int32_t step;
  std::int64_t units;  // of a row
  std::int64_t count;  // threads: a row without units has one too, to look at its id
};

template <class Unit>
__global__ void gather_rows(GatherParams p) {
  const std::int64_t i = thread_number();
  if (i >= p.count) return;
  const Quotient at = divide(i, p.units > 0 ? p.units : 1);
  const std::int64_t id = p.ids.at(at.quotient);
  const bool valid = p.ids.is_valid(id);
  if (!valid && at.remainder == 0) report_id(p.errors, p.step, at.quotient);
  if (p.units == 0) return;
  static_cast<Unit*>(p.to)[i] =
      valid ? static_cast<const Unit*>(p.table)[id * p.units + at.remainder] : Unit{};
}

class Gather final : public PreparedKernel {
 public:
  explicit Gather(const KernelCall& call)
      : table_rows_(call.inputs[0].shape[0]),
        count_(call.inputs[1].shape.elements()),
        row_bytes_(static_cast<std::int64_t>(size_of(call.input_dtypes[0]))),
        wide_(call.input_dtypes[1] == Dtype::i64) {
    for (int axis = 1; axis < call.inputs[0].shape.rank(); ++axis) {
      row_bytes_ *= call.inputs[0].shape[axis];
    }
  }

  void launch(const LaunchCall& call) const override {
    if (count_ == 0) return;
    const int bytes =
        widest_unit(row_bytes_, address_of(call.inputs[0]), address_of(call.outputs[0]));
    const std::int64_t units = row_bytes_ / bytes;
    const Ids ids{call.inputs[1], wide_, table_rows_};
    const GatherParams params{call.inputs[0],
                              call.outputs[0],
                              ids,
                              call.errors,
                              call.step,
                              units,
                              count_ * (units > 0 ? units : 1)};
    with_unit(bytes, [&](auto unit) {
      launch_items("gather", gather_rows<decltype(unit)>, params.count, call.stream, params);
    });
    settle_ids(call.stream, call.errors, call.step, ids);
  }

 private:
  std::int64_t table_rows_, count_, row_bytes_;
  bool wide_;
};

std::unique_ptr<PreparedKernel> prepare_gather(const KernelCall& call) {
  return for_dtype<std::int32_t, std::int64_t>(
      "gather", call.input_dtypes[1],
      [&](auto) -> std::unique_ptr<PreparedKernel> { return std::make_unique<Gather>(call); });
}

}  // namespace

const Kernel kGather{.accepts = nullptr, .prepare = prepare_gather};

}  // namespace sinter::backend::cuda
