// The CUDA library and one device of it, for tests: the table of backend/cuda/api.h, loaded as a
// user's program loads it.
#ifndef SINTER_TESTS_BACKEND_CUDA_DEVICE_H_
#define SINTER_TESTS_BACKEND_CUDA_DEVICE_H_

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "backend/cuda/api.h"
#include "kernel_run.h"

namespace sinter::backend::cuda {

// SINTER_CUDA_LIBRARY, else the library of this build. Null, with a failed test, when it cannot be
// loaded.
inline void* library() {
  static void* const handle = [] {
    const char* name = std::getenv("SINTER_CUDA_LIBRARY");
    void* found = dlopen(name != nullptr ? name : SINTER_CUDA_LIBRARY_PATH, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(found, nullptr) << dlerror();
    return found;
  }();
  return handle;
}

inline const SinterCudaApi& api() {
  static const SinterCudaApi* const table =
      reinterpret_cast<SinterCudaApiFunction>(dlsym(library(), "sinter_cuda_api"))();
  return *table;
}

// The emulation's errors on demand; false on a real device.
inline bool set_failures(const char* list) {
  using Function = void (*)(const char*);
  const auto function = reinterpret_cast<Function>(dlsym(library(), "sinter_cuda_set_failures"));
  if (function == nullptr) return false;
  function(list);
  return true;
}

inline void expect_ok(std::int32_t status) {
  EXPECT_EQ(status, kSinterCudaOk) << api().last_error();
}

// A context on device 0.
class Device {
 public:
  Device() { expect_ok(api().create_context(0, &context_)); }
  ~Device() { api().destroy_context(context_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  SinterCudaContext* get() const { return context_; }

 private:
  SinterCudaContext* context_ = nullptr;
};

// Device memory, with a guard behind it that is looked at when it is read. AddressSanitizer sees
// what runs past the end, reads too, and so gets no guard that hides it.
class DeviceBuffer {
 public:
  DeviceBuffer(const Device& device, std::size_t bytes) : device_(device), bytes_(bytes) {
    const std::size_t all = std::max<std::size_t>(bytes + kGuard, 1);
    expect_ok(api().allocate(device.get(), all, &memory_));
    const std::vector<unsigned char> fill(all, 0x5C);
    expect_ok(api().copy_in(device.get(), memory_, fill.data(), fill.size()));
  }
  DeviceBuffer(const Device& device, const void* from, std::size_t bytes)
      : DeviceBuffer(device, bytes) {
    write(from);
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : device_(other.device_), bytes_(other.bytes_), memory_(other.memory_) {
    other.memory_ = nullptr;
  }
  ~DeviceBuffer() {
    if (memory_ != nullptr) api().release(device_.get(), memory_);
  }
  void write(const void* from) { expect_ok(api().copy_in(device_.get(), memory_, from, bytes_)); }
  void read(void* to) const {
    expect_ok(api().copy_out(device_.get(), to, memory_, bytes_));
    std::vector<unsigned char> guard(kGuard);
    if (kGuard == 0) return;
    expect_ok(api().copy_out(device_.get(), guard.data(), at(bytes_), kGuard));
    for (const unsigned char byte : guard) ASSERT_EQ(byte, 0x5C) << "the buffer was overrun";
  }
  void* at(std::size_t offset) const { return static_cast<char*>(memory_) + offset; }
  std::size_t size() const { return bytes_; }

 private:
#ifdef __SANITIZE_ADDRESS__
  static constexpr std::size_t kGuard = 0;
#else
  static constexpr std::size_t kGuard = 64;
#endif
  const Device& device_;
  std::size_t bytes_;
  void* memory_ = nullptr;
};

// A call of a structured op in the table's form, with storage for what it refers to.
class TableCall {
 public:
  // By the kernel of a name ("": the first) and with an epilogue (null: none), which outlive this.
  TableCall(const char* op, const ir::Attributes& attributes, const std::vector<cpu::Value>& inputs,
            const std::vector<cpu::OutputType>& outputs, const char* kernel = "",
            const SinterCudaEpilogue* epilogue = nullptr)
      : attribute_storage_(attributes) {
    for (const cpu::Value& input : inputs) {
      inputs_.push_back(tensor_of(input.dtype, input.layout));
    }
    for (const cpu::OutputType& output : outputs) {
      outputs_.push_back(tensor_of(output.dtype, ir::dense_layout(output.shape)));
    }
    for (const auto& [name, value] : attribute_storage_.entries()) {
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
      attributes_.push_back(attribute);
    }
    call_ = {op,
             static_cast<std::int32_t>(inputs_.size()),
             static_cast<std::int32_t>(outputs_.size()),
             static_cast<std::int32_t>(attributes_.size()),
             inputs_.data(),
             outputs_.data(),
             attributes_.data(),
             kernel,
             epilogue};
  }
  TableCall(const TableCall&) = delete;
  TableCall& operator=(const TableCall&) = delete;
  const SinterCudaCall* get() const { return &call_; }

 private:
  static SinterCudaTensor tensor_of(Dtype dtype, const ir::Layout& layout) {
    SinterCudaTensor tensor{};
    tensor.dtype = static_cast<std::int32_t>(dtype);
    tensor.rank = layout.shape.rank();
    for (int axis = 0; axis < layout.shape.rank(); ++axis) {
      tensor.shape[axis] = layout.shape[axis];
      tensor.strides[axis] = layout.strides[static_cast<std::size_t>(axis)];
    }
    return tensor;
  }

  ir::Attributes attribute_storage_;
  std::vector<SinterCudaTensor> inputs_, outputs_;
  std::vector<SinterCudaAttribute> attributes_;
  SinterCudaCall call_{};
};

// A call with its kernel and all its memory on the device.
class PreparedCall {
 public:
  PreparedCall(const Device& device, const char* op, const ir::Attributes& attributes,
               const std::vector<cpu::Value>& inputs, const std::vector<cpu::OutputType>& outputs)
      : device_(device), call_(op, attributes, inputs, outputs), types_(outputs) {
    std::int64_t bytes = 0;
    expect_ok(api().workspace_bytes(device.get(), call_.get(), &bytes));
    expect_ok(api().prepare_kernel(device.get(), call_.get(), &kernel_));
    for (const cpu::Value& input : inputs) {
      inputs_.emplace_back(device, input.buffer->data(), input.buffer->size());
      from_.push_back(
          inputs_.back().at(static_cast<std::size_t>(input.layout.offset) * size_of(input.dtype)));
    }
    for (const cpu::OutputType& output : outputs) {
      outputs_.emplace_back(
          device, static_cast<std::size_t>(output.shape.elements()) * size_of(output.dtype));
      to_.push_back(outputs_.back().at(0));
    }
    workspace_.emplace_back(device, static_cast<std::size_t>(bytes));
  }
  ~PreparedCall() { api().destroy_kernel(kernel_); }
  PreparedCall(const PreparedCall&) = delete;
  PreparedCall& operator=(const PreparedCall&) = delete;

  std::int32_t launch(std::int32_t step = 0) const {
    return api().launch_kernel(device_.get(), kernel_, step, from_.data(), to_.data(),
                               workspace_[0].at(0));
  }
  DeviceBuffer& input(std::size_t i) { return inputs_[i]; }
  void* output(std::size_t i) const { return to_[i]; }

  std::vector<cpu::Value> results() const {
    std::vector<cpu::Value> values;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      values.push_back(cpu::empty_value(types_[i].dtype, types_[i].shape));
      outputs_[i].read(values.back().buffer->data());
    }
    std::vector<unsigned char> scratch(workspace_[0].size());
    workspace_[0].read(scratch.data());  // for its guard
    return values;
  }

 private:
  const Device& device_;
  TableCall call_;
  std::vector<cpu::OutputType> types_;
  std::vector<DeviceBuffer> inputs_, outputs_, workspace_;
  std::vector<void*> from_, to_;
  SinterCudaKernel* kernel_ = nullptr;
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_TESTS_BACKEND_CUDA_DEVICE_H_
