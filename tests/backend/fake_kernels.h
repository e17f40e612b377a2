// Kernels for the fake CUDA library: the CPU's, on the same numbers.
#ifndef SINTER_TESTS_BACKEND_FAKE_KERNELS_H_
#define SINTER_TESTS_BACKEND_FAKE_KERNELS_H_

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/kernels/kernel.h"
#include "backend/cuda/api.h"
#include "backend/cuda/call.h"

namespace sinter::backend::cuda {

inline ir::Layout to_layout(const SinterCudaTensor& tensor) {
  return {Shape(std::vector<std::int64_t>(tensor.shape, tensor.shape + tensor.rank)), 0,
          std::vector<std::int64_t>(tensor.strides, tensor.strides + tensor.rank)};
}

inline ir::Attributes to_attributes(const SinterCudaCall& call) {
  ir::Attributes attributes;
  for (std::int32_t i = 0; i < call.attribute_count; ++i) {
    const SinterCudaAttribute& attribute = call.attributes[i];
    if (attribute.kind == kSinterCudaInteger) attributes.add(attribute.name, attribute.integer);
    if (attribute.kind == kSinterCudaReal) attributes.add(attribute.name, attribute.real);
    if (attribute.kind == kSinterCudaIntegers) {
      attributes.add(attribute.name, std::vector<std::int64_t>(
                                         attribute.integers, attribute.integers + attribute.count));
    }
  }
  return attributes;
}

inline ir::OpId op_of(const std::string& name) {
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<ir::OpId>(i);
    if (kernel_name(op) != nullptr && name == kernel_name(op)) return op;
  }
  return ir::OpId::count;
}

// What FakeCuda::run_kernel may be. Results are poisoned first, so that one which lies where an
// input does is found.
inline void run_cpu_kernel(const SinterCudaCall& call, void* const* inputs, void* const* outputs,
                           void*) {
  const ir::Attributes attributes = to_attributes(call);
  std::vector<Dtype> input_dtypes;
  std::vector<Dtype> output_dtypes;
  std::vector<ir::Layout> input_layouts;
  std::vector<ir::Layout> output_layouts;
  for (std::int32_t i = 0; i < call.input_count; ++i) {
    input_dtypes.push_back(static_cast<Dtype>(call.inputs[i].dtype));
    input_layouts.push_back(to_layout(call.inputs[i]));
  }
  for (std::int32_t i = 0; i < call.output_count; ++i) {
    output_dtypes.push_back(static_cast<Dtype>(call.outputs[i].dtype));
    output_layouts.push_back(to_layout(call.outputs[i]));
  }
  for (std::size_t i = 0; i < output_layouts.size(); ++i) {
    const auto elements = static_cast<std::size_t>(output_layouts[i].shape.elements());
    if (elements > 0) std::memset(outputs[i], 0xFF, elements * size_of(output_dtypes[i]));
  }
  const ir::OpId op = op_of(call.op);
  const auto kernel = cpu::prepare_kernel(
      *cpu::find_kernel(op),
      {op, attributes, input_dtypes, input_layouts, output_dtypes, output_layouts}, {}, nullptr);
  const std::size_t bytes = static_cast<std::size_t>(kernel->workspace_bytes()) / 64 * 64 + 64;
  const std::unique_ptr<void, decltype(&std::free)> workspace(std::aligned_alloc(64, bytes),
                                                              &std::free);
  kernel->run(inputs, outputs, workspace.get());
}

}  // namespace sinter::backend::cuda

#endif  // SINTER_TESTS_BACKEND_FAKE_KERNELS_H_
