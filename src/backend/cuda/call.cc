#include "backend/cuda/call.h"

#include <array>

#include "ir/internal_error.h"

namespace sinter::backend::cuda {

namespace {

static_assert(int{kSinterCudaMaxRank} >= Shape::kMaxRank);

SinterCudaTensor to_tensor(Dtype dtype, const ir::Layout& layout) {
  SinterCudaTensor tensor{};
  tensor.dtype = static_cast<std::int32_t>(dtype);
  tensor.rank = layout.shape.rank();
  for (int axis = 0; axis < layout.shape.rank(); ++axis) {
    tensor.shape[axis] = layout.shape[axis];
    tensor.strides[axis] = layout.strides[static_cast<std::size_t>(axis)];
  }
  return tensor;
}

SinterCudaAttribute to_attribute(const std::string& name, const ir::AttributeValue& value) {
  SinterCudaAttribute attribute{};
  attribute.name = name.c_str();
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    attribute.kind = kSinterCudaInteger;
    attribute.integer = *integer;
  } else if (const auto* real = std::get_if<double>(&value)) {
    attribute.kind = kSinterCudaReal;
    attribute.real = *real;
  } else {
    const auto& integers = std::get<std::vector<std::int64_t>>(value);
    attribute.kind = kSinterCudaIntegers;
    attribute.count = static_cast<std::int32_t>(integers.size());
    attribute.integers = integers.data();
  }
  return attribute;
}

SinterCudaEpilogue to_epilogue(const EpilogueForm& form) {
  return {
      .scale = form.scale,
      .bias = form.bias,
      .residual = form.residual,
      .bias_dtype = static_cast<std::int32_t>(form.bias_dtype),
      .residual_dtype = static_cast<std::int32_t>(form.residual_dtype),
      .output_dtype = static_cast<std::int32_t>(form.output_dtype),
      .activation = form.activation == Activation::relu ? kSinterCudaRelu : kSinterCudaNoActivation,
      .has_mask = form.has_mask ? 1 : 0};
}

// By OpId; null where an op has no kernel.
constexpr std::array<const char*, ir::kStructuredOpCount> kKernelNames = {
#define SINTER_NO_KERNEL(Name, id) nullptr,
#define SINTER_KERNEL(Name, id) #id,
    SINTER_STRUCTURED_OPS(SINTER_NO_KERNEL, SINTER_KERNEL)
#undef SINTER_NO_KERNEL
#undef SINTER_KERNEL
};

}  // namespace

const char* kernel_name(ir::OpId op) {
  const auto i = static_cast<std::size_t>(op);
  return i < kKernelNames.size() ? kKernelNames[i] : nullptr;
}

CudaCall::CudaCall(const KernelCall& call, std::string kernel, const EpilogueForm* epilogue)
    : kernel_(std::move(kernel)) {
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    inputs_.push_back(to_tensor(call.input_dtypes[i], call.inputs[i]));
  }
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    outputs_.push_back(to_tensor(call.output_dtypes[i], call.outputs[i]));
  }
  for (const auto& [name, value] : call.attributes.entries()) {
    attributes_.push_back(to_attribute(name, value));
  }
  call_.op = kernel_name(call.op);
  if (call_.op == nullptr) {
    throw ir::InternalError("an op without a CUDA kernel was planned as a step");
  }
  call_.input_count = static_cast<std::int32_t>(inputs_.size());
  call_.output_count = static_cast<std::int32_t>(outputs_.size());
  call_.attribute_count = static_cast<std::int32_t>(attributes_.size());
  call_.inputs = inputs_.data();
  call_.outputs = outputs_.data();
  call_.attributes = attributes_.data();
  call_.kernel = kernel_.c_str();
  if (epilogue != nullptr) {
    epilogue_ = to_epilogue(*epilogue);
    call_.epilogue = &epilogue_;
  }
}

std::optional<EpilogueForm> form_of(const KernelCall& call, const ir::Group& epilogue) {
  return epilogue_form(epilogue, call.outputs[0].shape);
}

}  // namespace sinter::backend::cuda
