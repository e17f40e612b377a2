// Runs one structured kernel on values given by a test.
#ifndef SINTER_TESTS_BACKEND_KERNEL_RUN_H_
#define SINTER_TESTS_BACKEND_KERNEL_RUN_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"
#include "ir/op.h"
#include "ir/type.h"

namespace sinter::backend::cpu {

// 64-byte aligned bytes, with a guard behind them.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes = 0, unsigned char fill = 0xA5)
      : bytes_(bytes), memory_(bytes + kAlignment + kGuard, fill) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    offset_ = (kAlignment - address % kAlignment) % kAlignment;
    std::memset(data() + bytes_, 0x5C, kGuard);
  }
  Buffer(Buffer&&) = default;
  Buffer& operator=(Buffer&&) = default;
  unsigned char* data() { return memory_.data() + offset_; }
  const unsigned char* data() const { return memory_.data() + offset_; }
  std::size_t size() const { return bytes_; }
  bool guard_is_whole() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (data()[bytes_ + i] != 0x5C) return false;
    }
    return true;
  }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data());
  }

 private:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kGuard = 4096;
  std::size_t bytes_;
  std::vector<unsigned char> memory_;
  std::size_t offset_ = 0;
};

// A tensor in a buffer of its own.
struct Value {
  Dtype dtype = Dtype::f32;
  ir::Layout layout;
  std::shared_ptr<Buffer> buffer;

  const Shape& shape() const { return layout.shape; }
  template <class T>
  T* data() const {
    return buffer->as<T>();
  }
  // The elements in memory order; all of them for a dense value.
  template <class T>
  std::vector<T> elements() const {
    const std::size_t count = buffer->size() / sizeof(T);
    return std::vector<T>(data<T>(), data<T>() + count);
  }
};

inline Value empty_value(Dtype dtype, const Shape& shape) {
  const auto bytes = static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  return {dtype, ir::dense_layout(shape), std::make_shared<Buffer>(bytes)};
}

template <class T>
Value make_value(const Shape& shape, const std::vector<T>& elements) {
  Value value = empty_value(dtype_of<T>, shape);
  EXPECT_EQ(static_cast<std::size_t>(shape.elements()), elements.size());
  for (std::size_t i = 0; i < elements.size(); ++i) value.data<T>()[i] = elements[i];
  return value;
}

// Numbers between -1 and 1 whose sums depend on their order.
template <class T>
Value random_value(const Shape& shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> distribution(-999, 999);
  std::vector<T> elements(static_cast<std::size_t>(shape.elements()));
  for (T& element : elements) element = static_cast<T>(distribution(generator)) / T{1000};
  return make_value<T>(shape, elements);
}

// The same elements seen through another layout.
inline Value seen_as(const Value& value, const ir::Layout& layout) {
  return {value.dtype, layout, value.buffer};
}

struct OutputType {
  Dtype dtype;
  Shape shape;
};

// A call with storage for what KernelCall refers to.
class Call {
 public:
  Call(ir::OpId op, ir::Attributes attributes, const std::vector<Value>& inputs,
       const std::vector<OutputType>& outputs)
      : op_(op), attributes_(std::move(attributes)), values_(inputs), types_(outputs) {
    for (const Value& input : inputs) {
      input_dtypes_.push_back(input.dtype);
      inputs_.push_back(input.layout);
    }
    for (const OutputType& output : outputs) {
      output_dtypes_.push_back(output.dtype);
      outputs_.push_back(ir::dense_layout(output.shape));
    }
  }

  KernelCall get() const {
    return {op_, attributes_, input_dtypes_, inputs_, output_dtypes_, outputs_};
  }
  bool accepts(int input) const {
    const Kernel* kernel = find_kernel(op_);
    const auto i = static_cast<std::size_t>(input);
    return kernel->accepts == nullptr ? ir::is_dense(inputs_[i]) : kernel->accepts(get(), input);
  }
  std::unique_ptr<PreparedKernel> prepare(const std::string& provider = {}) const {
    return prepare_kernel(*find_kernel(op_), get(), provider, nullptr);
  }

  std::vector<Value> run(const PreparedKernel& kernel) const {
    std::vector<void*> from, to;
    for (const Value& value : values_) {
      const auto first = static_cast<std::size_t>(value.layout.offset) * size_of(value.dtype);
      from.push_back(value.buffer->data() + first);
    }
    std::vector<Value> results;
    for (const OutputType& type : types_) {
      results.push_back(empty_value(type.dtype, type.shape));
      to.push_back(results.back().buffer->data());
    }
    Buffer workspace(static_cast<std::size_t>(kernel.workspace_bytes()));
    kernel.run(from.data(), to.data(), workspace.data());
    EXPECT_TRUE(workspace.guard_is_whole()) << "the workspace was overrun";
    for (const Value& result : results) {
      EXPECT_TRUE(result.buffer->guard_is_whole()) << "a result was overrun";
    }
    return results;
  }

 private:
  ir::OpId op_;
  ir::Attributes attributes_;
  std::vector<Value> values_;
  std::vector<OutputType> types_;
  std::vector<Dtype> input_dtypes_, output_dtypes_;
  std::vector<ir::Layout> inputs_, outputs_;
};

inline void expect_equal_bits(const Value& a, const Value& b, const char* what) {
  ASSERT_EQ(a.buffer->size(), b.buffer->size());
  EXPECT_EQ(0, std::memcmp(a.buffer->data(), b.buffer->data(), a.buffer->size())) << what;
}

// Sets the number of threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(thread_count()) { set_thread_count(count); }
  ~Threads() { set_thread_count(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// Runs the kernel twice, and once more prepared anew, and expects the same bits; where
// `any_threads`, also with 1, 2 and 3 threads.
inline std::vector<Value> run_kernel(ir::OpId op, const ir::Attributes& attributes,
                                     const std::vector<Value>& inputs,
                                     const std::vector<OutputType>& outputs,
                                     bool any_threads = true) {
  const Call call(op, attributes, inputs, outputs);
  const auto kernel = call.prepare();
  std::vector<Value> results = call.run(*kernel);
  const auto expect_same = [&](const std::vector<Value>& others, const char* what) {
    for (std::size_t i = 0; i < results.size(); ++i) expect_equal_bits(results[i], others[i], what);
  };
  expect_same(call.run(*kernel), "the second run differs");
  expect_same(call.run(*call.prepare()), "the kernel prepared anew differs");
  if (any_threads) {
    for (const int count : {1, 2, 3}) {
      const Threads threads(count);
      expect_same(call.run(*call.prepare()), "another number of threads differs");
    }
  }
  return results;
}

}  // namespace sinter::backend::cpu

#endif  // SINTER_TESTS_BACKEND_KERNEL_RUN_H_
