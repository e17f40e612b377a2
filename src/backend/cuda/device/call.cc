#include "backend/cuda/device/call.h"

#include <string>

#include "backend/cuda/device/failure.h"

namespace sinter::backend::cuda::device {
namespace {

static_assert(static_cast<int>(kSinterCudaMaxRank) >= Shape::kMaxRank);

[[noreturn]] void refuse(const SinterCudaCall& call, const std::string& what) {
  throw Failure(kSinterCudaBadCall, std::string(call.op) + ": " + what);
}

void decode(const SinterCudaCall& call, const SinterCudaTensor* tensors, int count,
            std::vector<Dtype>& dtypes, std::vector<ir::Layout>& layouts) {
  for (int i = 0; i < count; ++i) {
    const SinterCudaTensor& tensor = tensors[i];
    if (tensor.dtype < 0 || tensor.dtype >= kDtypeCount) refuse(call, "no such element type");
    if (tensor.rank < 0 || tensor.rank > Shape::kMaxRank) refuse(call, "too many axes");
    dtypes.push_back(static_cast<Dtype>(tensor.dtype));
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

}  // namespace

DecodedCall::DecodedCall(const SinterCudaCall& call) : entry_(find_kernel(call.op)) {
  if (entry_ == nullptr) refuse(call, "there is no CUDA kernel of this name");
  decode(call, call.inputs, call.input_count, input_dtypes_, inputs_);
  decode(call, call.outputs, call.output_count, output_dtypes_, outputs_);
  for (int i = 0; i < call.attribute_count; ++i) {
    const SinterCudaAttribute& attribute = call.attributes[i];
    attributes_.add(attribute.name, value_of(call, attribute));
  }
}

bool DecodedCall::accepts(int input) const {
  if (input < 0 || input >= static_cast<int>(inputs_.size())) {
    throw Failure(kSinterCudaBadCall, std::string(entry_->name) + ": no such input");
  }
  const auto accepts = entry_->kernel->accepts;
  return accepts == nullptr ? ir::is_dense(inputs_[static_cast<std::size_t>(input)])
                            : accepts(get(), input);
}

std::unique_ptr<PreparedKernel> DecodedCall::prepare() const {
  return entry_->kernel->prepare(get());
}

}  // namespace sinter::backend::cuda::device
