// oneDNN behind one small interface: primitives' descriptors, recipes (primitives with the places
// of their arguments), which are cached, and the prepared kernel that runs one. oneDNN 2.6 to 3.7
// serve; what differs between them, onednn.cc alone knows.
//
// oneDNN's own cache keeps primitives but not their descriptors, whose making costs a tenth of a
// millisecond and more; ours makes preparing the same call again a matter of microseconds.
#ifndef SINTER_BACKEND_CPU_VENDOR_ONEDNN_H_
#define SINTER_BACKEND_CPU_VENDOR_ONEDNN_H_

#include <cstdint>
#include <dnnl.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu::onednn {

const dnnl::engine& engine();

// Attributes with which a primitive takes its scratchpad from us: it then lies in the arena.
const dnnl::primitive_attr& user_scratchpad();

// oneDNN's name of a type. REQUIRES: f32, bf16 or f16.
dnnl::memory::data_type data_type_of(Dtype dtype);

// A memory of this type, these lengths and strides (in elements).
dnnl::memory::desc plain(Dtype dtype, const dnnl::memory::dims& lengths,
                         const dnnl::memory::dims& strides);

// Whether oneDNN multiplies bf16 by the processor's own instructions (AVX512_BF16), adding up in
// f32. Elsewhere it would widen operands element by element; see kernels/widened.h.
bool multiplies_bf16();

// ---- Known faults of releases, and what avoids each; tests/backend/onednn_test.cc walks over
// shapes and layouts where there were some ----

// oneDNN 3.x, seen in 3.7.2 (brgemm on AVX-512): a product whose a is a single row with gaps (M =
// 1, neighbours in K more than one element apart) reads it as if it had none. matmul.cc asks for
// y^T = b^T a^T there, in which the row is a column, and those are read as they lie.
inline constexpr bool kMisreadsRowsWithGaps = DNNL_VERSION_MAJOR >= 3;

// oneDNN 2.6 and 3.7 without AVX-512 (its issue 6035, open in 2026, says all releases): the
// gradient of a 1x1 kernel with stride, from NHWC images with fewer channels than a vector, writes
// past its workspace: wrong, endless, or the end of the process. onednn_conv.cc gives it NCHW
// images, for which another of its kernels runs. The bound is AVX-512's vector, where the same code
// is present. Channels are counted in a group, and for images with one and three axes too.
inline constexpr std::int64_t kChannelsOfStrided1x1 = 16;

// oneDNN 3.x has no Winograd for f32 on x86-64 any more; 2.6 has it with AVX-512. conv.cc asks
// for it first; without it the direct algorithm runs, and the program's report says so.

// What a descriptor says, for which 2.x and 3.x have other names.
dnnl::memory::dims dims_of(const dnnl::memory::desc& desc);
dnnl::memory::data_type data_type_of(const dnnl::memory::desc& desc);

// ---- Primitives ----

// The descriptor of a matrix product; its scratchpad is ours (user_scratchpad()). Failures are
// thrown as dnnl::error.
dnnl::matmul::primitive_desc matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                    const dnnl::memory::desc& y);

// A convolution as oneDNN sees it: x (N, C, spatial...), w (O, C, kernel...) or of groups
// (G, O / G, C / G, kernel...), y (N, O, windows...); a layout that is `any` is oneDNN's choice.
struct Convolution {
  dnnl::algorithm algorithm = dnnl::algorithm::undef;
  dnnl::memory::desc x = {}, w = {}, y = {};
  dnnl::memory::dims stride;
  dnnl::memory::dims dilation;  // the holes between two taps: 0 for a dense kernel
  dnnl::memory::dims padding_low, padding_high;
};
// Descriptors of its primitives, as above; an algorithm that this oneDNN does not have is such a
// failure.
dnnl::convolution_forward::primitive_desc forward(const Convolution& convolution);
dnnl::convolution_backward_data::primitive_desc input_gradient(const Convolution& convolution);
dnnl::convolution_backward_weights::primitive_desc weight_gradient(const Convolution& convolution);

// Where an argument of a primitive lies when it runs.
enum class Place : std::uint8_t { input, output, workspace };

struct Argument {
  int id = 0;  // DNNL_ARG_*
  dnnl::memory::desc desc;
  Place place = Place::input;
  std::int64_t where = 0;  // number of the input or output, or byte offset in the workspace
};

struct Stage {
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
};

// Primitives that run one after the other. Immutable once made, shared by prepared kernels.
struct Recipe {
  std::vector<Stage> stages;
  std::int64_t workspace_bytes = 0;
  const char* substituted_because = nullptr;  // PreparedKernel::substituted_because()
  // How the primitive wants the weights of a convolution, for whoever reorders them for it.
  dnnl::memory::desc reordered = {};

  // Room in the workspace for a memory; gives its offset, a multiple of 64.
  std::int64_t reserve(const dnnl::memory::desc& desc);
  // Appends a primitive, with room for its scratchpad where it needs one.
  void add(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
           std::vector<Argument> arguments);
  // Appends a copy of `from` into the layout of `to`.
  void add_reorder(const Argument& from, const Argument& to);
};

// The recipe called `name` for `call`: made by `make` unless one of this name for an equal call
// (op, attributes, layouts, number of threads) is known. Null where this oneDNN has no such
// primitive; its other failures are thrown as Error naming the call's op. REQUIRES: a
// parallel::ForeignTeams lives.
using MakeRecipe = std::function<void(const KernelCall&, Recipe&)>;
std::shared_ptr<const Recipe> find_recipe(const char* name, const KernelCall& call,
                                          const MakeRecipe& make);

// A kernel that runs a recipe; failures name `where`. REQUIRES: a parallel::ForeignTeams lives
// whenever it runs, with as many threads as when the recipe was made (prepare_for_teams() sees to
// it).
std::unique_ptr<PreparedKernel> run_recipe(const char* where, std::shared_ptr<const Recipe> recipe);

}  // namespace sinter::backend::cpu::onednn

#endif  // SINTER_BACKEND_CPU_VENDOR_ONEDNN_H_
