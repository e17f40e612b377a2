// Convolutions and their gradients by oneDNN. All of these are made and run under a
// parallel::ForeignTeams, like every recipe.
//
// oneDNN reads images as they lie (nhwc), but has fast kernels for weights in its blocked layouts
// only: on plain OHWI it falls back to its reference loops (0.3 GFLOP/s), on HWIO to im2col (half
// the speed of the blocked ones). Reordering the weights costs 1 to 5 microseconds for 3x3x32x64,
// so the rule is simple: the layout is always oneDNN's choice, and every run reorders into the
// workspace.
#ifndef SINTER_BACKEND_CPU_VENDOR_ONEDNN_CONV_H_
#define SINTER_BACKEND_CPU_VENDOR_ONEDNN_CONV_H_

#include <memory>

#include "backend/cpu/vendor/onednn.h"
#include "ir/window.h"

namespace sinter::backend::cpu::onednn {

ir::WindowSizes convolution_sizes(const KernelCall& call);

// Whether Winograd's algorithm would pay; of f32 convolutions and both gradients.
bool suits_winograd(const KernelCall& call);

// The direct algorithm. `substituted_because` says so where Winograd was to be expected.
std::shared_ptr<const Recipe> direct_recipe(const KernelCall& call);
// Null where this oneDNN does not have it here.
std::shared_ptr<const Recipe> winograd_recipe(const KernelCall& call);

// ---- The same in two parts, for those who run the second image by image: `conv` and
// `conv_input_gradient` alone ----

// From the weights (input 0) to Recipe::reordered at output 0.
std::shared_ptr<const Recipe> weights_recipe(const KernelCall& call);
// The direct algorithm with such weights for input 1.
std::shared_ptr<const Recipe> direct_recipe_on_weights(const KernelCall& call);
// Winograd, whose result stays in blocks of 16 channels, image by image: as many bytes as when it
// is plain. Null where this oneDNN does not have it here.
std::shared_ptr<const Recipe> winograd_recipe_to_blocks(const KernelCall& call);
// From such a result, of the call's images, to a plain one.
std::shared_ptr<const Recipe> from_blocks_recipe(const KernelCall& call);

}  // namespace sinter::backend::cpu::onednn

#endif  // SINTER_BACKEND_CPU_VENDOR_ONEDNN_CONV_H_
