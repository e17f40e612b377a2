// Zeros around a tensor, of any type: zero is all bits zero in each of them.
//
// The result is seen as rows: the innermost padded axis with all axes after it. One pass, in which
// every unit of the result is written once, side by side, and every one of x read once. A thread
// moves one unit, the widest of up to 16 bytes that divides the parts of a row and the addresses.
#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"

namespace sinter::backend::cuda {
namespace {

struct PadAxis {
  std::int64_t low, length, total;  // total = low + length + high
};

struct PadParams {
  const void* from;
  void* to;
  std::int64_t units;  // of the result
  PadAxis row;         // in units
  int outer_count;
  PadAxis outer[Shape::kMaxRank];  // innermost first
};

template <class Unit>
__global__ void pad_rows(PadParams p) {
  const std::int64_t i = thread_number();
  if (i >= p.units) return;
  Quotient at = divide(i, p.row.total);
  const std::int64_t column = at.remainder - p.row.low;
  bool inside = column >= 0 && column < p.row.length;
  std::int64_t source = column;
  std::int64_t stride = p.row.length;
  std::int64_t row = at.quotient;
  for (int axis = 0; axis < p.outer_count; ++axis) {
    const PadAxis& outer = p.outer[axis];
    at = divide(row, outer.total);
    const std::int64_t position = at.remainder - outer.low;
    inside = inside && position >= 0 && position < outer.length;
    source += position * stride;
    stride *= outer.length;
    row = at.quotient;
  }
  static_cast<Unit*>(p.to)[i] = inside ? static_cast<const Unit*>(p.from)[source] : Unit{};
}

class Pad final : public PreparedKernel {
 public:
  explicit Pad(const KernelCall& call) {
    const Shape& x = call.inputs[0].shape;
    const Shape& y = call.outputs[0].shape;
    const auto& low = call.attributes.integers("low");
    const auto size = static_cast<std::int64_t>(size_of(call.input_dtypes[0]));
    params_.row = {0, size, size};
    bool padded = false;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      const std::int64_t before = low[static_cast<std::size_t>(axis)];
      PadAxis& row = params_.row;
      if (padded) {
        params_.outer[params_.outer_count++] = {before, x[axis], y[axis]};
      } else {
        row = {before * row.total, x[axis] * row.total, y[axis] * row.total};
        padded = x[axis] != y[axis];
      }
    }
    bytes_ = y.elements() * size;
  }

  void launch(const LaunchCall& call) const override {
    const PadAxis& row = params_.row;  // in bytes
    const int bytes = widest_unit(row.low, row.length, row.total, address_of(call.inputs[0]),
                                  address_of(call.outputs[0]));
    PadParams params = params_;
    params.from = call.inputs[0];
    params.to = call.outputs[0];
    params.units = bytes_ / bytes;
    params.row = {row.low / bytes, row.length / bytes, row.total / bytes};
    with_unit(bytes, [&](auto unit) {
      launch_items("pad", pad_rows<decltype(unit)>, params.units, call.stream, params);
    });
  }

 private:
  PadParams params_{};
  std::int64_t bytes_ = 0;
};

std::unique_ptr<PreparedKernel> prepare_pad(const KernelCall& call) {
  return std::make_unique<Pad>(call);
}

}  // namespace

const Kernel kPad{.accepts = nullptr, .prepare = prepare_pad};

}  // namespace sinter::backend::cuda
