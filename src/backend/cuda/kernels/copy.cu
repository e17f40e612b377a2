// A dense copy of an input with any strides, for elements of any type.
//
// One pass. Axes of length 1 are left out and neighbours merged where the strides allow it. Then:
//   - where the innermost axis is dense, a thread moves one unit of a run, the widest of up to 16
//     bytes that divides runs, strides and addresses;
//   - where another axis lies closer together than the innermost (a transpose), tiles of 32 x 32
//     elements go through shared memory, so that reads and writes are both side by side; rows of
//     the tile are one element longer, so that its columns lie in different banks;
//   - else a thread moves one element: writes are side by side, reads as the strides have them.
#include <algorithm>
#include <utility>
#include <vector>

#include "backend/cuda/device/index.h"
#include "backend/cuda/kernels/kernel.h"

namespace sinter::backend::cuda {
namespace {

struct CopyAxis {
  std::int64_t length, from, to;  // strides in elements
};

// ---- runs ----

struct RunParams {
  const void* from;
  void* to;
  std::int64_t units;  // of the result
  std::int64_t run;    // units
  Walk outer;          // strides of the input in units
};

template <class Unit>
__global__ void copy_runs(RunParams p) {
  const std::int64_t i = thread_number();
  if (i >= p.units) return;
  const Quotient at = divide(i, p.run);
  static_cast<Unit*>(p.to)[i] =
      static_cast<const Unit*>(p.from)[offset_of(p.outer, at.quotient) + at.remainder];
}

class RunCopy final : public PreparedKernel {
 public:
  RunCopy(const std::vector<CopyAxis>& outer, std::int64_t run, std::int64_t size)
      : run_bytes_(run * size) {
    for (const CopyAxis& axis : outer) outer_.add(axis.length, axis.from * size);
  }

  void launch(const LaunchCall& call) const override {
    std::int64_t all = run_bytes_ | address_of(call.inputs[0]) | address_of(call.outputs[0]);
    for (int i = 0; i < outer_.count; ++i) all |= outer_.strides[i];
    const int bytes = widest_unit(all);
    const std::int64_t run = run_bytes_ / bytes;
    RunParams params{call.inputs[0], call.outputs[0], outer_.items() * run, run, outer_};
    for (int i = 0; i < outer_.count; ++i) params.outer.strides[i] /= bytes;
    with_unit(bytes, [&](auto unit) {
      launch_items("copy", copy_runs<decltype(unit)>, params.units, call.stream, params);
    });
  }

 private:
  std::int64_t run_bytes_;
  Walk outer_;  // strides of the input in bytes
};

// ---- tiles ----

constexpr int kTile = 32;
constexpr int kTileRows = 8;  // a block has kTile x kTileRows threads

struct TileParams {
  const void* from;
  void* to;
  CopyAxis across, inner;
  std::int64_t across_tiles, inner_tiles;
  Walk outer_from, outer_to;
};

template <class T>
struct Tile {
  T at[kTile][kTile + 1];  // [inner][across]
};

template <class T>
__global__ void copy_tiles(TileParams p) {
  SINTER_SHARED(Tile<T>, tile);
  const int x = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(threadIdx.y);
  const Quotient first = divide(blockIdx.x, p.inner_tiles);
  const Quotient second = divide(first.quotient, p.across_tiles);
  const std::int64_t inner = first.remainder * kTile;
  const std::int64_t across = second.remainder * kTile;
  const T* from = static_cast<const T*>(p.from) + offset_of(p.outer_from, second.quotient);
  T* to = static_cast<T*>(p.to) + offset_of(p.outer_to, second.quotient);
  for (int i = y; i < kTile; i += kTileRows) {
    if (inner + i < p.inner.length && across + x < p.across.length) {
      tile.at[i][x] = from[(inner + i) * p.inner.from + (across + x) * p.across.from];
    }
  }
  __syncthreads();
  for (int i = y; i < kTile; i += kTileRows) {
    if (inner + x < p.inner.length && across + i < p.across.length) {
      to[(inner + x) * p.inner.to + (across + i) * p.across.to] = tile.at[x][i];
    }
  }
}

template <class T>
class TileCopy final : public PreparedKernel {
 public:
  TileCopy(const std::vector<CopyAxis>& outer, const CopyAxis& across, const CopyAxis& inner) {
    params_.across = across;
    params_.inner = inner;
    params_.across_tiles = (across.length + kTile - 1) / kTile;
    params_.inner_tiles = (inner.length + kTile - 1) / kTile;
    for (const CopyAxis& axis : outer) {
      params_.outer_from.add(axis.length, axis.from);
      params_.outer_to.add(axis.length, axis.to);
    }
    blocks_ = params_.outer_from.items() * params_.across_tiles * params_.inner_tiles;
  }

  void launch(const LaunchCall& call) const override {
    TileParams params = params_;
    params.from = call.inputs[0];
    params.to = call.outputs[0];
    device::check(cuda::launch(copy_tiles<T>, dim3(static_cast<unsigned>(blocks_)),
                               dim3(kTile, kTileRows), 0, call.stream, params),
                  "copy");
  }

 private:
  TileParams params_{};
  std::int64_t blocks_;
};

// ---- which ----

// The axes of the copy, innermost last: those of length 1 left out, neighbours merged where the
// input's strides allow it.
std::vector<CopyAxis> axes_of(const ir::Layout& input) {
  std::vector<CopyAxis> axes;
  for (int i = 0; i < input.shape.rank(); ++i) {
    const CopyAxis next{input.shape[i], input.strides[static_cast<std::size_t>(i)], 0};
    if (next.length == 1) continue;
    if (!axes.empty() && axes.back().from == next.from * next.length) {
      axes.back() = {axes.back().length * next.length, next.from, 0};
    } else {
      axes.push_back(next);
    }
  }
  std::int64_t stride = 1;
  for (std::size_t i = axes.size(); i-- > 0;) {
    axes[i].to = stride;
    stride *= axes[i].length;
  }
  return axes;
}

std::unique_ptr<PreparedKernel> tiles_of(const std::vector<CopyAxis>& outer, const CopyAxis& across,
                                         const CopyAxis& inner, std::int64_t size) {
  switch (size) {
    case 1:
      return std::make_unique<TileCopy<std::uint8_t>>(outer, across, inner);
    case 2:
      return std::make_unique<TileCopy<std::uint16_t>>(outer, across, inner);
    case 4:
      return std::make_unique<TileCopy<std::uint32_t>>(outer, across, inner);
    default:
      return std::make_unique<TileCopy<std::uint64_t>>(outer, across, inner);
  }
}

class NoCopy final : public PreparedKernel {
 public:
  void launch(const LaunchCall&) const override {}
};

bool accepts_copy(const KernelCall&, int) { return true; }

std::unique_ptr<PreparedKernel> prepare_copy(const KernelCall& call) {
  if (call.inputs[0].shape.elements() == 0) return std::make_unique<NoCopy>();
  const auto size = static_cast<std::int64_t>(size_of(call.input_dtypes[0]));
  std::vector<CopyAxis> axes = axes_of(call.inputs[0]);
  if (axes.empty()) return std::make_unique<RunCopy>(axes, 1, size);
  const CopyAxis inner = axes.back();
  if (inner.from == 1) {
    axes.pop_back();
    return std::make_unique<RunCopy>(axes, inner.length, size);
  }
  const auto closest =
      std::min_element(axes.begin(), axes.end() - 1, [](const CopyAxis& a, const CopyAxis& b) {
        return (a.from == 0) != (b.from == 0) ? b.from == 0 : a.from < b.from;
      });
  if (closest != axes.end() - 1 && closest->from != 0 && closest->from < inner.from) {
    const CopyAxis across = *closest;
    axes.erase(closest);
    axes.pop_back();
    return tiles_of(axes, across, inner, size);
  }
  return std::make_unique<RunCopy>(axes, 1, size);
}

}  // namespace

const Kernel kCopy{.accepts = accepts_copy, .prepare = prepare_copy};

}  // namespace sinter::backend::cuda
