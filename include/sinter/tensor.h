// Tensors are values; what changes from step to step lives in States.
//
//   const Tensor x = tensor(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});  // f32(2, 3)
//   const Tensor y = x * 2.0 + 1.0;                                         // x is as before
//   y.to_vector<float>();                                                   // 3, 5, 7, 9, 11, 13
//   const State count(scalar(0));
//   count.assign(count + 1.0);                                              // count.value() is 1
#ifndef SINTER_TENSOR_H_
#define SINTER_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sinter/dtype.h"
#include "sinter/error.h"
#include "sinter/shape.h"

namespace sinter {

struct TensorImpl;  // src/tensor/
struct StateImpl;

// An n-dimensional array of numbers on a device, row-major. A Tensor is a value handle: copying one
// copies a pointer, no op changes what an existing Tensor holds, and its memory goes back to a pool
// with the last handle. Inside a traced function (compile.h) a Tensor stands for a value to come:
// it has a shape and a dtype, but reading its elements is an Error that names the place.
//
// Threads: a Tensor is constant, so any number of threads may read it and compute with it; a handle
// that one thread assigns needs the care of a std::shared_ptr.
class Tensor {
 public:
  // Refers to nothing; only assignment, destruction and defined() are allowed.
  Tensor() = default;
  // Implementation handle; users make Tensors with the functions below and with ops.
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return impl_ != nullptr; }
  // What is known of every Tensor, in a trace too. Each throws Error for a handle that refers to
  // nothing.
  const Shape& shape() const;
  Dtype dtype() const;
  int rank() const { return shape().rank(); }
  // The length of an axis, counted from the end when negative: dim(-1) is the innermost. Throws
  // Error when there is no such axis.
  std::int64_t dim(int axis) const { return shape().dim(axis); }
  std::int64_t elements() const { return shape().elements(); }

  // The only element. T is the C++ type that stores dtype() (dtype.h: float for f32, bool for
  // boolean); nothing is converted, but bf16 and f16 are read as float, exactly. Waits for the
  // device, whose errors arrive here. Throws Error when there is not exactly one element, for
  // another T, and in a trace.
  template <class T>
  T item(SourceLocation location = SourceLocation::current()) const {
    T value{};
    copy_to(&value, dtype_of<T>, 1, location);
    return value;
  }
  // A copy of all elements in row-major order, in host memory. Same errors, but for the count.
  template <class T>
  std::vector<T> to_vector(SourceLocation location = SourceLocation::current()) const {
    std::vector<T> values(static_cast<std::size_t>(elements()));
    copy_to(values.data(), dtype_of<T>, elements(), location);
    return values;
  }
  // The elements without a copy: elements() * size_of(dtype()) bytes, dense and row-major, readable
  // while this handle lives. Throws Error in a trace and for a Tensor that is not in host memory
  // (see to_host).
  const std::byte* data(SourceLocation location = SourceLocation::current()) const;

  // The type, not the elements: "f32(128, 10)", "f32 scalar", "an empty Tensor handle". For the
  // elements see print.h.
  std::string to_string() const;

  const std::shared_ptr<TensorImpl>& impl() const { return impl_; }

 private:
  void copy_to(void* to, Dtype dtype, std::int64_t count, SourceLocation location) const;

  std::shared_ptr<TensorImpl> impl_;
};

template <>
std::vector<bool> Tensor::to_vector<bool>(SourceLocation location) const;

// A Tensor with a copy of the given elements in row-major order; its dtype is the one that stores
// the C++ type. Throws Error when their number is not shape.elements().
Tensor tensor(std::span<const float> values, const Shape& shape);
Tensor tensor(std::span<const double> values, const Shape& shape);
Tensor tensor(std::span<const std::int32_t> values, const Shape& shape);
Tensor tensor(std::span<const std::int64_t> values, const Shape& shape);
Tensor tensor(std::span<const std::uint8_t> values, const Shape& shape);
// A Tensor without axes. An integer dtype takes the number without its fraction, boolean takes
// whether it is not 0; bf16 and f16 round to f32 on the way.
Tensor scalar(double value, Dtype dtype = Dtype::f32);
// A new Tensor whose elements `fill` writes: shape.elements() * size_of(dtype) bytes of host
// memory, 64-byte aligned, undefined before, copied to the current device afterwards if that is
// another one. For data loaders; the memory comes from the pool.
Tensor filled(const Shape& shape, Dtype dtype, const std::function<void(std::byte*)>& fill);

// Tensors are made on the current device (system.h), and ops run there: an op on a Tensor of
// another device is an Error that names both. Compiled functions also take arguments in host
// memory, such as a loader's batches.
//
// The same elements on the current device, or in host memory; `tensor` itself when it is there
// already. Values only: gradients do not go through. Throws Error in a trace.
Tensor to_device(const Tensor& tensor);
Tensor to_host(const Tensor& tensor);
// "cpu", "cuda:0". Throws Error in a trace.
std::string device_of(const Tensor& tensor);

// What changes: a parameter, a moment, running statistics, a random position, a step counter. A
// State is a shared handle to one cell with an id, a fixed type and a fixed address for life;
// copies name the same cell (tied parameters are one State in two places). Reading gives a Tensor.
// Outside a trace it is a snapshot that later assignments do not change. In a trace, reads and
// assignments follow program order, the last assignment wins, and the compiled step carries the new
// value over to the next call.
//
// Threads: any number of running steps may read a State at once; one that writes it has it alone.
// Whoever comes in between gets an Error that names the State.
class State {
 public:
  // A cell on the current device, holding a copy of `initial`'s value. `name` is for people and
  // files; modules set it. Throws Error for a value of a trace: States are made before compile().
  explicit State(const Tensor& initial, std::string name = "");

  // Tracked, so that gradients can be taken with respect to this State (autograd.h), where its
  // dtype is a floating one and no NoGradScope lives.
  Tensor value() const;
  operator Tensor() const { return value(); }  // NOLINT: a State reads like a value
  // Throws Error when shape or dtype differ from the cell's, and then changes nothing.
  void assign(const Tensor& value) const;

  const Shape& shape() const;
  Dtype dtype() const;
  // Never given twice in a process; equal for copies.
  std::uint64_t id() const;
  const std::string& name() const;
  void set_name(std::string name) const;

  friend bool operator==(const State& a, const State& b) { return a.impl_ == b.impl_; }

  const std::shared_ptr<StateImpl>& impl() const { return impl_; }

 private:
  std::shared_ptr<StateImpl> impl_;
};

// What an op's parameter accepts: a Tensor, a State (read), or a number (a weak scalar: it takes
// the dtype of the tensors beside it). Carries the line of the call for error messages and the
// trace. Users never name it: `x + 1.0` and `relu(state)` make one. Throws Error for a Tensor
// handle that refers to nothing.
class Operand {
 public:
  Operand(const Tensor& tensor, SourceLocation location = SourceLocation::current())  // NOLINT
      : tensor_(tensor), location_(users_location(location)) {
    if (!tensor.defined()) raise_empty();
  }
  Operand(const State& state, SourceLocation location = SourceLocation::current())  // NOLINT
      : tensor_(state.value()), location_(users_location(location)) {}
  Operand(double number, SourceLocation location = SourceLocation::current())  // NOLINT
      : number_(number), location_(users_location(location)) {}

  bool is_number() const { return !tensor_.defined(); }
  const Tensor& tensor() const { return tensor_; }
  double number() const { return number_; }
  SourceLocation location() const { return location_; }

 private:
  [[noreturn]] void raise_empty() const;

  Tensor tensor_;
  double number_ = 0;
  SourceLocation location_;
};

// While one of these lives, the ops that its thread records belong to the named part of the model:
// scopes nest ("block1.conv2") and appear in plans, profiles and errors. Calling a Module (nn.h)
// makes one of its name.
class ModuleScope {
 public:
  explicit ModuleScope(const std::string& name);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  std::size_t previous_length_;
};

// Whether modules with two behaviours (dropout, batch norm) train or evaluate; per thread, true at
// the start. Part of a compiled step's signature.
bool is_training();

// While one of these lives, its thread's is_training() is `training`:
//
//   const TrainingScope evaluating(false);
//   const NoGradScope untracked;  // autograd.h
//   const Tensor logits = model(images);
class TrainingScope {
 public:
  explicit TrainingScope(bool training);
  ~TrainingScope();
  TrainingScope(const TrainingScope&) = delete;
  TrainingScope& operator=(const TrainingScope&) = delete;

 private:
  bool previous_;
};

}  // namespace sinter

#endif  // SINTER_TENSOR_H_
