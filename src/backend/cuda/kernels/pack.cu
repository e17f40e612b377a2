// Several tensors of one type side by side in one flat tensor, zeros in the gaps.
//
// One pass over the result for each kParts inputs: a thread writes one unit (16 bytes where all
// offsets, lengths and addresses allow it, else an element), which it finds by bisection among the
// parts that came with the launch.
#include <algorithm>
#include <vector>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"

namespace sinter::backend::cuda {
namespace {

constexpr int kParts = 64;  // of one launch: parameters may have 4 KiB

struct PackPart {
  const void* from;
  std::int64_t begin, end;  // units of the result
};

struct PackParams {
  void* to;
  std::int64_t begin, end;  // units of the result that this launch writes
  int count;
  PackPart parts[kParts];
};

template <class Unit>
__global__ void pack_parts(PackParams p) {
  const std::int64_t i = p.begin + thread_number();
  if (i >= p.end) return;
  int low = 0;
  int high = p.count;  // the first part that ends behind i
  while (low < high) {
    const int middle = (low + high) / 2;
    if (p.parts[middle].end <= i) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const bool inside = low < p.count && p.parts[low].begin <= i;
  static_cast<Unit*>(p.to)[i] =
      inside ? static_cast<const Unit*>(p.parts[low].from)[i - p.parts[low].begin] : Unit{};
}

class Pack final : public PreparedKernel {
 public:
  explicit Pack(const KernelCall& call) {
    const auto size = static_cast<std::int64_t>(size_of(call.output_dtypes[0]));
    const auto& offsets = call.attributes.integers("offsets");
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      const std::int64_t bytes = call.inputs[i].shape.elements() * size;
      if (bytes > 0) parts_.push_back({i, offsets[i] * size, offsets[i] * size + bytes});
    }
    bytes_ = call.outputs[0].shape.elements() * size;
  }

  void launch(const LaunchCall& call) const override {
    std::int64_t all = bytes_ | address_of(call.outputs[0]);
    for (const Part& part : parts_) {
      all |= part.begin | part.end | address_of(call.inputs[part.input]);
    }
    const int bytes = widest_unit(all);
    with_unit(bytes, [&](auto unit) { launch_parts<decltype(unit)>(call, bytes); });
  }

 private:
  struct Part {
    std::size_t input;
    std::int64_t begin, end;  // bytes of the result
  };

  template <class Unit>
  void launch_parts(const LaunchCall& call, std::int64_t bytes) const {
    std::int64_t begin = 0;
    std::size_t first = 0;
    do {
      const std::size_t last = std::min(parts_.size(), first + kParts);
      PackParams params{};
      params.to = call.outputs[0];
      for (std::size_t i = first; i < last; ++i) {
        const Part& part = parts_[i];
        params.parts[params.count++] = {call.inputs[part.input], part.begin / bytes,
                                        part.end / bytes};
      }
      params.begin = begin;
      params.end = (last < parts_.size() ? parts_[last].begin : bytes_) / bytes;
      launch_items("pack", pack_parts<Unit>, params.end - params.begin, call.stream, params);
      begin = params.end;
      first = last;
    } while (first < parts_.size());
  }

  std::vector<Part> parts_;  // those that have elements
  std::int64_t bytes_ = 0;
};

std::unique_ptr<PreparedKernel> prepare_pack(const KernelCall& call) {
  return std::make_unique<Pack>(call);
}

}  // namespace

const Kernel kPack{.accepts = nullptr, .prepare = prepare_pack};

}  // namespace sinter::backend::cuda
