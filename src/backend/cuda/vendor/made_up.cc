#include "backend/cuda/vendor/made_up.h"

#include <cstdlib>
#include <string>

#include "backend/cuda/device/failure.h"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/vendor/library.h"
#include "backend/cuda/vendor/made_up_api.h"

namespace sinter::backend::cuda {
namespace {

constexpr device::Version kOldest{2, 0};

struct Library {
  std::string problem;
  decltype(&::made_up_workspace_bytes) workspace_bytes = nullptr;
  decltype(&::made_up_multiply) multiply = nullptr;
};

std::string library_path() {
  const char* const path = std::getenv("SINTER_EMULATED_PROVIDER");
  return path != nullptr ? path : "";
}

Library open_library() {
  Library library;
  device::VendorLibrary file({library_path()});
  decltype(&::made_up_version) version = nullptr;
  file.find("made_up_version", version);
  if (version != nullptr) {
    device::Version found;
    version(&found.major, &found.minor);
    file.require(found, kOldest);
  }
  file.find("made_up_workspace_bytes", library.workspace_bytes);
  file.find("made_up_multiply", library.multiply);
  library.problem = file.problem();
  return library;
}

// Looked for once, so that choices are the same at every call.
const Library& library() {
  static const Library found = open_library();
  return found;
}

struct Launch {
  decltype(&::made_up_multiply) multiply;
  MadeUpProduct product;
};

__global__ void run_product(const Launch launch) { launch.multiply(&launch.product); }

class MadeUpMatmul final : public PreparedKernel {
 public:
  MadeUpMatmul(const KernelCall& call, const EpilogueForm& form) : form_(form) {
    const ir::Layout& a = call.inputs[0];
    const ir::Layout& b = call.inputs[1];
    product_.m = a.shape[0];
    product_.k = a.shape[1];
    product_.n = b.shape[1];
    for (std::size_t axis = 0; axis < 2; ++axis) {
      product_.a_strides[axis] = a.strides[axis];
      product_.b_strides[axis] = b.strides[axis];
    }
    product_.scale = form.scale;
    product_.has_relu = form.activation == Activation::relu ? 1 : 0;
    product_.y_bits = form.output_dtype == Dtype::bf16 ? 16 : 32;
  }

  std::int64_t workspace_bytes() const override { return library().workspace_bytes(&product_); }

  void launch(const LaunchCall& call) const override {
    MadeUpProduct product = product_;
    const auto input = [&](int i) { return static_cast<const float*>(call.inputs[i]); };
    product.a = input(0);
    product.b = input(1);
    if (form_.bias >= 0) product.bias = input(2 + form_.bias);
    if (form_.residual >= 0) product.residual = input(2 + form_.residual);
    product.y = call.outputs[0];
    if (form_.has_mask) product.mask = static_cast<unsigned char*>(call.outputs[1]);
    product.workspace = static_cast<float*>(call.workspace);
    device::check(
        cuda::launch(run_product, dim3(1), dim3(1), 0, call.stream, {library().multiply, product}),
        "made_up: matmul");
  }

 private:
  EpilogueForm form_;
  MadeUpProduct product_{};
};

bool serves(const KernelCall& call) {
  return !library_path().empty() && call.input_dtypes[0] == Dtype::f32 &&
         call.output_dtypes[0] == Dtype::f32 && call.inputs[0].shape.rank() == 2 &&
         call.inputs[0].shape.elements() > 0 && call.inputs[1].shape.elements() > 0;
}

std::string problem() { return library().problem; }

std::unique_ptr<PreparedKernel> prepare(const KernelCall& call) {
  return std::make_unique<MadeUpMatmul>(call, EpilogueForm{});
}

// It reads f32 and writes f32 or bf16: a form is not all that a library has to know.
std::unique_ptr<PreparedKernel> prepare_with(const KernelCall& call, const EpilogueForm& epilogue) {
  const bool reads_f32 = epilogue.bias_dtype == Dtype::f32 && epilogue.residual_dtype == Dtype::f32;
  if (!reads_f32 || epilogue.output_dtype == Dtype::f16) return nullptr;
  return std::make_unique<MadeUpMatmul>(call, epilogue);
}

}  // namespace

const Provider kMadeUpMatmul{.name = "made_up",
                             .serves = serves,
                             .problem = problem,
                             .prepare = prepare,
                             .prepare_with = prepare_with};

}  // namespace sinter::backend::cuda
