// Convolutions of images (N, spatial..., C) with weights (O, kernel..., C / groups): oneDNN in f32,
// and in bf16 where the processor multiplies it; loops in f64, and in f32 where oneDNN cannot
// serve. Other 16-bit convolutions are f32 ones of widened operands.
#include <cstdint>
#include <string>
#include <utility>

#include "backend/cpu/kernels/contraction.h"
#include "backend/cpu/kernels/conv_by_images.h"
#include "backend/cpu/kernels/conv_loops.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/small_then.h"
#include "backend/cpu/kernels/team_kernel.h"
#include "backend/cpu/kernels/widened.h"
#include "backend/cpu/kernels/zero_kernel.h"
#include "backend/cpu/machine_code.h"
#include "backend/cpu/vendor/onednn_conv.h"
#include "base/parallel.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {
namespace {

bool is_of_nothing(const KernelCall& call) {
  return call.inputs[0].shape.elements() == 0 || call.inputs[1].shape.elements() == 0 ||
         call.outputs[0].shape.elements() == 0;
}

// ---- Winograd ----

// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016) takes a quarter of the products of
// a 3x3 convolution.
bool serves_winograd(const KernelCall& call) {
  if (!is_f32(call) || !may_use_onednn() || is_of_nothing(call)) return false;
  if (!onednn::suits_winograd(call)) return false;
  const parallel::ForeignTeams teams(parallel::team_size());
  return onednn::winograd_recipe(call) != nullptr;
}

std::unique_ptr<PreparedKernel> run_direct(const KernelCall& call) {
  const char* const name = ir::convolution_name(call.op);
  std::shared_ptr<const onednn::Recipe> recipe = onednn::direct_recipe(call);
  if (recipe == nullptr) throw ir::InternalError(std::string(name) + ": oneDNN has no primitive");
  return onednn::run_recipe(name, std::move(recipe));
}

// A team of another size may find that oneDNN has it for the first one only.
std::unique_ptr<PreparedKernel> run_winograd(const KernelCall& call) {
  std::shared_ptr<const onednn::Recipe> recipe = onednn::winograd_recipe(call);
  if (recipe == nullptr) return run_direct(call);
  return onednn::run_recipe(ir::convolution_name(call.op), std::move(recipe));
}

std::unique_ptr<PreparedKernel> prepare_winograd(const KernelCall& call) {
  return prepare_for_teams(call, multiplications_of(call), run_winograd);
}

// ---- the direct algorithm ----

// Fewer channels than are multiplied at once: slower than in f32 (one channel: half as fast).
constexpr std::int64_t kFewChannels = 8;

bool serves_onednn(const KernelCall& call) {
  if (!may_use_onednn() || is_of_nothing(call)) return false;
  if (is_f32(call)) return true;
  return call.input_dtypes[0] == Dtype::bf16 && multiplies_bf16() &&
         onednn::convolution_sizes(call).c_of_group() >= kFewChannels;
}

std::unique_ptr<PreparedKernel> prepare_direct(const KernelCall& call) {
  return prepare_for_teams(call, multiplications_of(call), run_direct);
}

// ---- others ----

bool serves_loops(const KernelCall& call) {
  return !is_of_nothing(call) && (is_f32(call) || call.output_dtypes[0] == Dtype::f64);
}

std::unique_ptr<PreparedKernel> prepare_loops(const KernelCall& call) {
  return prepare_conv_loops(call.op, call.output_dtypes[0], onednn::convolution_sizes(call));
}

bool serves_widened(const KernelCall& call) { return is_half(call) && !is_of_nothing(call); }

std::unique_ptr<PreparedKernel> prepare_f32(const KernelCall& call) {
  return prepare_kernel(kConv, call, {}, nullptr);
}

std::unique_ptr<PreparedKernel> prepare_widened_conv(const KernelCall& call) {
  return prepare_widened(call, prepare_f32);
}

using PrepareWith = std::unique_ptr<PreparedKernel> (*)(const KernelCall&, const ir::Group&);

// Block by block where there is a way, else as small work.
template <std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&), PrepareWith by_blocks>
std::unique_ptr<PreparedKernel> prepare_then(const KernelCall& call, const ir::Group& epilogue) {
  if (std::unique_ptr<PreparedKernel> kernel = by_blocks(call, epilogue)) return kernel;
  return prepare_small_then(call, multiplications_of(call), epilogue, prepare);
}

std::unique_ptr<PreparedKernel> no_blocks(const KernelCall&, const ir::Group&) { return nullptr; }

// The first that serves is the fastest, as far as measured.
constexpr Provider kProviders[] = {
    {"zero", is_of_nothing, prepare_zero},
    {"winograd", serves_winograd, prepare_winograd,
     prepare_then<prepare_winograd, prepare_winograd_then>},
    {"onednn", serves_onednn, prepare_direct,
     prepare_then<prepare_direct, prepare_direct_by_images>},
    {"loops", serves_loops, prepare_loops, prepare_then<prepare_loops, no_blocks>},
    {"widened", serves_widened, prepare_widened_conv,
     prepare_then<prepare_widened_conv, no_blocks>},
};

}  // namespace

const Kernel kConv{.providers = kProviders};
const Kernel kConvInputGradient{.providers = kProviders};
const Kernel kConvWeightGradient{.providers = kProviders};

}  // namespace sinter::backend::cpu
