#include "backend/cuda/device/call.h"

#include <algorithm>
#include <string>

#include "backend/cuda/device/failure.h"

namespace sinter::backend::cuda::device {
namespace {

static_assert(static_cast<int>(kSinterCudaMaxRank) >= Shape::kMaxRank);

[[noreturn]] void refuse(const SinterCudaCall& call, const std::string& what) {
  throw Failure(kSinterCudaBadCall, std::string(call.op) + ": " + what);
}

Dtype dtype_of(const SinterCudaCall& call, std::int32_t number) {
  if (number < 0 || number >= kDtypeCount) refuse(call, "no such element type");
  return static_cast<Dtype>(number);
}

void decode(const SinterCudaCall& call, const SinterCudaTensor* tensors, int count,
            std::vector<Dtype>& dtypes, std::vector<ir::Layout>& layouts) {
  for (int i = 0; i < count; ++i) {
    const SinterCudaTensor& tensor = tensors[i];
    if (tensor.rank < 0 || tensor.rank > Shape::kMaxRank) refuse(call, "too many axes");
    dtypes.push_back(dtype_of(call, tensor.dtype));
    layouts.push_back({Shape(std::vector<std::int64_t>(tensor.shape, tensor.shape + tensor.rank)),
                       0,
                       {tensor.strides, tensor.strides + tensor.rank}});
  }
}

ir::AttributeValue value_of(const SinterCudaCall& call, const SinterCudaAttribute& attribute) {
  switch (attribute.kind) {
    case kSinterCudaInteger:
      return attribute.integer;
    case kSinterCudaReal:
      return attribute.real;
    case kSinterCudaIntegers:
      return std::vector<std::int64_t>(attribute.integers, attribute.integers + attribute.count);
    default:
      refuse(call, "no such kind of attribute");
  }
}

EpilogueForm decode(const SinterCudaCall& call, const SinterCudaEpilogue& epilogue) {
  const bool is_known =
      epilogue.activation == kSinterCudaNoActivation || epilogue.activation == kSinterCudaRelu;
  if (!is_known) refuse(call, "no such activation");
  const std::int32_t first = std::min(epilogue.bias, epilogue.residual);
  const std::int32_t last = std::max(epilogue.bias, epilogue.residual);
  const bool are_inputs = first == -1 ? last == -1 || last == 0 : first == 0 && last == 1;
  if (!are_inputs) refuse(call, "no such inputs of an epilogue");
  return {
      .scale = epilogue.scale,
      .bias = epilogue.bias,
      .residual = epilogue.residual,
      .bias_dtype = dtype_of(call, epilogue.bias_dtype),
      .residual_dtype = dtype_of(call, epilogue.residual_dtype),
      .output_dtype = dtype_of(call, epilogue.output_dtype),
      .activation = epilogue.activation == kSinterCudaRelu ? Activation::relu : Activation::none,
      .has_mask = epilogue.has_mask != 0};
}

}  // namespace

DecodedCall::DecodedCall(const SinterCudaCall& call)
    : entry_(find_kernel(call.op)), kernel_(call.kernel) {
  if (entry_ == nullptr) refuse(call, "there is no CUDA kernel of this name");
  decode(call, call.inputs, call.input_count, input_dtypes_, inputs_);
  decode(call, call.outputs, call.output_count, output_dtypes_, outputs_);
  for (int i = 0; i < call.attribute_count; ++i) {
    const SinterCudaAttribute& attribute = call.attributes[i];
    attributes_.add(attribute.name, value_of(call, attribute));
  }
  if (call.epilogue != nullptr) epilogue_ = decode(call, *call.epilogue);
}

bool DecodedCall::accepts(int input) const {
  if (input < 0 || input >= static_cast<int>(inputs_.size())) {
    throw Failure(kSinterCudaBadCall, std::string(entry_->name) + ": no such input");
  }
  const auto accepts = entry_->kernel->accepts;
  return accepts == nullptr ? ir::is_dense(inputs_[static_cast<std::size_t>(input)])
                            : accepts(get(), input);
}

ChosenKernel DecodedCall::prepare() const {
  ChosenKernel chosen = prepare_kernel(*entry_, get(), kernel_, epilogue_ ? &*epilogue_ : nullptr);
  if (chosen.kernel != nullptr) return chosen;
  throw Failure(kSinterCudaNotTaken,
                std::string(entry_->name) + ": the kernel \"" + kernel_ + "\"");
}

}  // namespace sinter::backend::cuda::device
