#include "backend/cpu/kernels/conv_by_images.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/team_kernel.h"
#include "backend/cpu/small_work.h"
#include "backend/cpu/vendor/onednn_conv.h"
#include "base/parallel.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace {

// Of a block's result: more than the second-level cache of a Zen 4 (1 MiB) holds. Where the
// epilogue still found it there (320 KiB), the pool behind was up to twice as slow: presumably the
// third level, which takes what falls out of the second, keeps best what it was asked for before.
// Measured in docs/measurements/kernels.json.
constexpr std::int64_t kBlockBytes = 1600 << 10;
constexpr std::int64_t kMostImages = 32;

std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

std::int64_t bytes_of(Dtype dtype, const Shape& shape) {
  return shape.elements() * static_cast<std::int64_t>(size_of(dtype));
}

bool is_small(const KernelCall& call) { return multiplications_of(call) < kSmallContraction; }

// A convolution's images in blocks, and how those are dealt out to threads, each with memory of its
// own for a block of the result, the epilogue's scratch and the workspace of a kernel.
class Blocks {
 public:
  // Nothing where the epilogue cannot be cut so, or too few blocks remain for the threads.
  static std::optional<Blocks> make(const KernelCall& call, const ir::Group& epilogue) {
    const std::int64_t images = call.inputs[0].shape[0];
    const std::int64_t image_bytes =
        std::max<std::int64_t>(1, bytes_of(call.output_dtypes[0], call.outputs[0].shape) / images);
    const int threads = is_small(call) ? 1 : parallel::team_size();
    std::int64_t block = std::clamp<std::int64_t>(kBlockBytes / image_bytes, 1, kMostImages);
    if (threads > 1) {
      if (images < 2 * threads) return std::nullopt;
      block = std::min(block, images / (2 * threads));
    }
    Blocks blocks;
    blocks.epilogue_ = Epilogue::by_items(epilogue, images, block);
    if (blocks.epilogue_ == nullptr) return std::nullopt;
    blocks.images_ = images;
    blocks.is_small_ = is_small(call);
    blocks.result_bytes_ = aligned(blocks.block() * image_bytes);
    const std::int64_t most = std::max<std::int64_t>(
        thread_count(), static_cast<std::int64_t>(std::thread::hardware_concurrency()));
    blocks.slots_ = blocks.is_small_ ? 1 : std::min(most, blocks.count());
    return blocks;
  }

  std::int64_t block() const { return epilogue_->block(); }
  std::int64_t rest() const { return images_ % block(); }
  std::int64_t count() const { return (images_ + block() - 1) / block(); }

  std::int64_t workspace_bytes(std::int64_t of_kernel) const {
    return slots_ * slot_bytes(of_kernel);
  }

  // For each block: make(first image, images, where the result belongs, workspace), then the
  // epilogue, whose other operands are `inputs` and `outputs`.
  template <class Make>
  void run(std::byte* workspace, std::int64_t of_kernel, void* const* inputs, void* const* outputs,
           Make make) const {
    std::optional<parallel::CallerOnly> alone;
    if (is_small_) alone.emplace();
    const std::int64_t pieces =
        std::min({count(), slots_, static_cast<std::int64_t>(parallel::team_size())});
    parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      const parallel::ForeignTeams teams(1);
      for (std::int64_t piece = begin; piece < end; ++piece) {
        std::byte* const slot = workspace + piece * slot_bytes(of_kernel);
        std::byte* const scratch = slot + result_bytes_;
        const parallel::Range range = parallel::piece_range(count(), pieces, piece);
        for (std::int64_t i = range.begin; i < range.end; ++i) {
          const std::int64_t first = i * block();
          const std::int64_t images = std::min(block(), images_ - first);
          std::byte* const place = epilogue_->place_in_output(first, inputs, outputs);
          std::byte* const result = place != nullptr ? place : slot;
          make(first, images, result, scratch);
          epilogue_->run(first, images, result, inputs, outputs, scratch);
        }
      }
    });
  }

 private:
  std::int64_t slot_bytes(std::int64_t of_kernel) const {
    return result_bytes_ + std::max(aligned(of_kernel), epilogue_->scratch_bytes());
  }

  std::unique_ptr<Epilogue> epilogue_;
  std::int64_t images_ = 0;
  std::int64_t result_bytes_ = 0;  // of a block
  std::int64_t slots_ = 1;         // threads that there is workspace for
  bool is_small_ = false;
};

// A call for a part of the images.
class PartOfCall {
 public:
  PartOfCall(const KernelCall& call, std::int64_t images)
      : call_(call),
        input_(with_images(call.inputs[0].shape, images)),
        inputs_{input_, call.inputs[1]},
        outputs_{ir::dense_layout(with_images(call.outputs[0].shape, images).shape)} {}

  KernelCall get() const {
    return {call_.op, call_.attributes, call_.input_dtypes, inputs_, call_.output_dtypes, outputs_};
  }

 private:
  static ir::Layout with_images(const Shape& shape, std::int64_t images) {
    std::vector<std::int64_t> lengths = shape.to_vector();
    lengths[0] = images;
    return ir::dense_layout(Shape(lengths));
  }

  const KernelCall& call_;
  ir::Layout input_;
  std::array<ir::Layout, 2> inputs_;
  std::array<ir::Layout, 1> outputs_;
};

// The kernels of a whole block and of the last one, made for one thread.
struct BlockKernels {
  // Whether all recipes are there and want the weights alike.
  bool add(const KernelCall& call, std::int64_t images,
           std::shared_ptr<const onednn::Recipe> (*recipe_of)(const KernelCall&)) {
    const PartOfCall part(call, images);
    std::shared_ptr<const onednn::Recipe> recipe = recipe_of(part.get());
    if (recipe == nullptr) return false;
    if (whole != nullptr && recipe->reordered != reordered) return false;
    reordered = recipe->reordered;
    workspace_bytes = std::max(workspace_bytes, recipe->workspace_bytes);
    (whole == nullptr ? whole : rest) =
        onednn::run_recipe(ir::convolution_name(call.op), std::move(recipe));
    return true;
  }

  static std::optional<BlockKernels> make(
      const KernelCall& call, const Blocks& blocks,
      std::shared_ptr<const onednn::Recipe> (*recipe_of)(const KernelCall&)) {
    BlockKernels kernels;
    if (!kernels.add(call, blocks.block(), recipe_of)) return std::nullopt;
    if (blocks.rest() != 0 && !kernels.add(call, blocks.rest(), recipe_of)) return std::nullopt;
    kernels.block = blocks.block();
    return kernels;
  }

  const PreparedKernel& of(std::int64_t images) const { return images == block ? *whole : *rest; }

  std::unique_ptr<PreparedKernel> whole, rest;
  std::int64_t block = 0;
  std::int64_t workspace_bytes = 0;
  dnnl::memory::desc reordered = {};
};

class DirectByImages final : public PreparedKernel {
 public:
  DirectByImages(const KernelCall& call, Blocks blocks, BlockKernels kernels,
                 std::unique_ptr<PreparedKernel> reorder)
      : blocks_(std::move(blocks)),
        kernels_(std::move(kernels)),
        reorder_(std::move(reorder)),
        image_bytes_(bytes_of(call.input_dtypes[0], call.inputs[0].shape) /
                     call.inputs[0].shape[0]),
        weights_bytes_(aligned(static_cast<std::int64_t>(kernels_.reordered.get_size()))) {}

  std::int64_t workspace_bytes() const override {
    return weights_bytes_ +
           std::max(reorder_->workspace_bytes(), blocks_.workspace_bytes(kernels_.workspace_bytes));
  }

  const char* substituted_because() const override { return kernels_.whole->substituted_because(); }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    auto* const weights = static_cast<std::byte*>(workspace);
    std::byte* const rest = weights + weights_bytes_;
    {
      const parallel::ForeignTeams teams(1);
      const std::array<void*, 1> from{inputs[1]}, to{weights};
      reorder_->run(from.data(), to.data(), rest);
    }
    auto* const images = static_cast<std::byte*>(inputs[0]);
    blocks_.run(rest, kernels_.workspace_bytes, inputs + 2, outputs,
                [&](std::int64_t first, std::int64_t count, std::byte* result, std::byte* scratch) {
                  const std::array<void*, 2> from{images + first * image_bytes_, weights};
                  const std::array<void*, 1> to{result};
                  kernels_.of(count).run(from.data(), to.data(), scratch);
                });
  }

 private:
  Blocks blocks_;
  BlockKernels kernels_;
  std::unique_ptr<PreparedKernel> reorder_;
  std::int64_t image_bytes_;
  std::int64_t weights_bytes_;
};

class WinogradThen final : public PreparedKernel {
 public:
  WinogradThen(const KernelCall& call, Blocks blocks, BlockKernels kernels,
               std::unique_ptr<PreparedKernel> winograd)
      : blocks_(std::move(blocks)),
        kernels_(std::move(kernels)),
        winograd_(std::move(winograd)),
        image_bytes_(bytes_of(call.output_dtypes[0], call.outputs[0].shape) /
                     call.outputs[0].shape[0]),
        result_bytes_(aligned(bytes_of(call.output_dtypes[0], call.outputs[0].shape))) {}

  std::int64_t workspace_bytes() const override {
    return result_bytes_ + std::max(winograd_->workspace_bytes(),
                                    blocks_.workspace_bytes(kernels_.workspace_bytes));
  }

  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    auto* const images = static_cast<std::byte*>(workspace);
    std::byte* const rest = images + result_bytes_;
    const std::array<void*, 1> result{images};
    winograd_->run(inputs, result.data(), rest);
    blocks_.run(rest, kernels_.workspace_bytes, inputs + 2, outputs,
                [&](std::int64_t first, std::int64_t count, std::byte* to, std::byte* scratch) {
                  const std::array<void*, 1> from_blocks{images + first * image_bytes_};
                  const std::array<void*, 1> plain{to};
                  kernels_.of(count).run(from_blocks.data(), plain.data(), scratch);
                });
  }

 private:
  Blocks blocks_;
  BlockKernels kernels_;
  std::unique_ptr<PreparedKernel> winograd_;
  std::int64_t image_bytes_;
  std::int64_t result_bytes_;
};

std::unique_ptr<PreparedKernel> run_winograd_to_blocks(const KernelCall& call) {
  const char* const name = ir::convolution_name(call.op);
  std::shared_ptr<const onednn::Recipe> recipe = onednn::winograd_recipe_to_blocks(call);
  if (recipe == nullptr) {
    throw ir::InternalError(std::string(name) + ": oneDNN has no Winograd for so many threads");
  }
  return onednn::run_recipe(name, std::move(recipe));
}

}  // namespace

double multiplications_of(const KernelCall& call) {
  const ir::WindowSizes s = onednn::convolution_sizes(call);
  return static_cast<double>(s.n * s.positions()) *
         static_cast<double>(s.o * s.window.taps() * s.c_of_group());
}

std::unique_ptr<PreparedKernel> prepare_direct_by_images(const KernelCall& call,
                                                         const ir::Group& epilogue) {
  if (call.op == ir::OpId::conv_weight_gradient) return nullptr;
  std::optional<Blocks> blocks = Blocks::make(call, epilogue);
  if (!blocks) return nullptr;
  const parallel::ForeignTeams teams(1);
  auto kernels = BlockKernels::make(call, *blocks, onednn::direct_recipe_on_weights);
  if (!kernels) return nullptr;
  const PartOfCall block(call, blocks->block());
  auto reorder = onednn::weights_recipe(block.get());
  if (reorder == nullptr || reorder->reordered != kernels->reordered) return nullptr;
  return std::make_unique<DirectByImages>(
      call, std::move(*blocks), std::move(*kernels),
      onednn::run_recipe(ir::convolution_name(call.op), std::move(reorder)));
}

std::unique_ptr<PreparedKernel> prepare_winograd_then(const KernelCall& call,
                                                      const ir::Group& epilogue) {
  if (call.op == ir::OpId::conv_weight_gradient) return nullptr;
  std::optional<Blocks> blocks = Blocks::make(call, epilogue);
  if (!blocks) return nullptr;
  std::optional<BlockKernels> kernels;
  {
    const parallel::ForeignTeams teams(is_small(call) ? 1 : parallel::team_size());
    if (onednn::winograd_recipe_to_blocks(call) == nullptr) return nullptr;
  }
  {
    const parallel::ForeignTeams teams(1);
    kernels = BlockKernels::make(call, *blocks, onednn::from_blocks_recipe);
  }
  if (!kernels) return nullptr;
  return std::make_unique<WinogradThen>(
      call, std::move(*blocks), std::move(*kernels),
      prepare_for_teams(call, multiplications_of(call), run_winograd_to_blocks));
}

}  // namespace sinter::backend::cpu
