#include "sinter/tensor.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "backend/registry.h"
#include "base/half.h"
#include "tensor/impl.h"
#include "tensor/recorder.h"

namespace sinter {

namespace {

thread_local Recorder* recorder = nullptr;
thread_local bool training = true;
thread_local bool tracking = true;
thread_local std::string module_scope;

const Payload& payload_of(const Tensor& tensor, const char* where) {
  if (!tensor.defined()) {
    raise({.where = where,
           .what = "the Tensor handle is empty",
           .got = {},
           .expected = {},
           .hint = {}});
  }
  return tensor.impl()->payload;
}

const Payload& readable_payload(const Tensor& tensor, const char* where, SourceLocation location) {
  const Payload& payload = payload_of(tensor, where);
  if (payload.is_symbolic()) {
    const std::string place = location.to_string();
    raise({.where = place.empty() ? where : std::string(where) + " [" + place + "]",
           .what = "the value of " + payload.type.to_string() +
                   " does not exist while its function is traced",
           .got = {},
           .expected = {},
           .hint = "return the Tensor from the compiled function and read it there; choose between "
                   "values with where()"});
  }
  return payload;
}

template <class T>
Tensor from_values(std::span<const T> values, const Shape& shape) {
  if (static_cast<std::int64_t>(values.size()) != shape.elements()) {
    raise({.where = "tensor",
           .what = "the number of values does not fit the shape",
           .got = std::to_string(values.size()),
           .expected = std::to_string(shape.elements()) + " for " + shape.to_string(),
           .hint = {}});
  }
  return filled(shape, dtype_of<T>, [&](std::byte* memory) {
    if (!values.empty()) std::memcpy(memory, values.data(), values.size_bytes());
  });
}

}  // namespace

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

Recorder* current_recorder() { return recorder; }
RecorderScope::RecorderScope(Recorder* next) : previous_(recorder) { recorder = next; }
RecorderScope::~RecorderScope() { recorder = previous_; }

bool is_training() { return training; }
TrainingScope::TrainingScope(bool next) : previous_(training) { training = next; }
TrainingScope::~TrainingScope() { training = previous_; }

bool tracking_enabled() { return tracking; }
void set_tracking(bool enabled) { tracking = enabled; }

const std::string& current_module_scope() { return module_scope; }
ModuleScope::ModuleScope(const std::string& name) : previous_length_(module_scope.size()) {
  if (!name.empty()) {
    if (!module_scope.empty()) module_scope += '.';
    module_scope += name;
  }
}
ModuleScope::~ModuleScope() { module_scope.resize(previous_length_); }

Payload allocate_payload(const ir::TensorType& type) {
  return allocate_payload(type, &backend::default_backend());
}

Payload allocate_payload(const ir::TensorType& type, backend::Backend* backend) {
  Payload payload;
  payload.type = type;
  payload.storage = std::make_shared<Storage>(backend, static_cast<std::size_t>(type.bytes()));
  return payload;
}

void copy_memory(backend::Backend& to_backend, void* to, backend::Backend& from_backend,
                 const void* from, std::size_t bytes) {
  if (&to_backend == &from_backend) {
    to_backend.copy(to, from, bytes);
  } else if (from_backend.is_host()) {
    to_backend.copy_to_device(to, from, bytes);
  } else if (to_backend.is_host()) {
    from_backend.copy_to_host(to, from, bytes);
  } else {
    const HostBytes host(from_backend, from, bytes);
    to_backend.copy_to_device(to, host.data(), bytes);
  }
}

HostBytes::HostBytes(backend::Backend& backend, const void* memory, std::size_t bytes)
    : copy_(backend.is_host() ? 0 : bytes), data_(static_cast<const std::byte*>(memory)) {
  if (backend.is_host()) return;
  backend.copy_to_host(copy_.data(), memory, bytes);
  data_ = copy_.data();
}

const Shape& Tensor::shape() const { return payload_of(*this, "shape").type.shape; }
Dtype Tensor::dtype() const { return payload_of(*this, "dtype").type.dtype; }

std::string Tensor::to_string() const {
  return defined() ? impl_->payload.type.to_string() : "an empty Tensor handle";
}

const std::byte* Tensor::data(SourceLocation location) const {
  const Payload& payload = readable_payload(*this, "data", location);
  const backend::Backend& backend = *payload.storage->backend();
  if (!backend.is_host()) {
    raise({.where = "data",
           .what = payload.type.to_string() + " is not in host memory",
           .got = std::string("a Tensor on ") + backend.name(),
           .expected = {},
           .hint = "read it with to_vector() or item(), or take to_host() of it"});
  }
  return payload.memory();
}

void Tensor::copy_to(void* to, Dtype dtype, std::int64_t count, SourceLocation location) const {
  const Payload& payload = readable_payload(*this, "reading a Tensor", location);
  const Dtype stored = payload.type.dtype;
  const bool widens = dtype == Dtype::f32 && is_half(stored);
  if (stored != dtype && !widens) {
    raise({.where = "reading a Tensor",
           .what = "the C++ type does not store its elements",
           .got = std::string(name_of(dtype)),
           .expected = std::string(name_of(stored)),
           .hint = "convert with cast()"});
  }
  if (payload.type.elements() != count) {
    raise({.where = "item",
           .what = "the Tensor does not hold exactly one element",
           .got = payload.type.to_string(),
           .expected = {},
           .hint = "read several with to_vector()"});
  }
  const auto bytes = static_cast<std::size_t>(payload.type.bytes());
  if (!widens) return payload.storage->backend()->copy_to_host(to, payload.memory(), bytes);
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(count));
  payload.storage->backend()->copy_to_host(halves.data(), payload.memory(), bytes);
  std::transform(halves.begin(), halves.end(), static_cast<float*>(to), [&](std::uint16_t half) {
    return stored == Dtype::bf16 ? f32_from_bf16(half) : f32_from_f16(half);
  });
}

template <>
std::vector<bool> Tensor::to_vector<bool>(SourceLocation location) const {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(elements()));
  copy_to(bytes.data(), Dtype::boolean, elements(), location);
  return {bytes.begin(), bytes.end()};
}

void Operand::raise_empty() const {
  raise({.where = location_.to_string(),
         .what = "an op was given an empty Tensor handle",
         .got = {},
         .expected = {},
         .hint = "a default-constructed Tensor, or a gradient that does not exist"});
}

Tensor tensor(std::span<const float> values, const Shape& shape) {
  return from_values(values, shape);
}
Tensor tensor(std::span<const double> values, const Shape& shape) {
  return from_values(values, shape);
}
Tensor tensor(std::span<const std::int32_t> values, const Shape& shape) {
  return from_values(values, shape);
}
Tensor tensor(std::span<const std::int64_t> values, const Shape& shape) {
  return from_values(values, shape);
}
Tensor tensor(std::span<const std::uint8_t> values, const Shape& shape) {
  return from_values(values, shape);
}

Tensor scalar(double value, Dtype dtype) {
  return filled({}, dtype, [&](std::byte* memory) {
    const auto store = [&](auto number) { std::memcpy(memory, &number, sizeof(number)); };
    switch (dtype) {
      case Dtype::f32:
        return store(static_cast<float>(value));
      case Dtype::f64:
        return store(value);
      case Dtype::i32:
        return store(static_cast<std::int32_t>(value));
      case Dtype::i64:
        return store(static_cast<std::int64_t>(value));
      case Dtype::u8:
        return store(static_cast<std::uint8_t>(value));
      case Dtype::boolean:
        return store(static_cast<std::uint8_t>(value != 0));
      case Dtype::bf16:
        return store(bf16_from_f32(static_cast<float>(value)));
      case Dtype::f16:
        return store(f16_from_f32(static_cast<float>(value)));
    }
  });
}

Tensor filled(const Shape& shape, Dtype dtype, const std::function<void(std::byte*)>& fill) {
  Payload payload = allocate_payload({dtype, shape});
  backend::Backend& backend = *payload.storage->backend();
  if (backend.is_host()) {
    fill(payload.memory());
  } else {
    const Payload host = allocate_payload({dtype, shape}, &backend::find_backend("cpu"));
    fill(host.memory());
    backend.copy_to_device(payload.memory(), host.memory(),
                           static_cast<std::size_t>(payload.type.bytes()));
  }
  return make_tensor(std::move(payload));
}

namespace {

Tensor moved(const Tensor& tensor, backend::Backend& backend, const char* where) {
  const Payload& source = readable_payload(tensor, where, {});
  backend::Backend& from = *source.storage->backend();
  if (&from == &backend) return tensor;
  Payload copy = allocate_payload(source.type, &backend);
  copy_memory(backend, copy.memory(), from, source.memory(),
              static_cast<std::size_t>(source.type.bytes()));
  return make_tensor(std::move(copy));
}

}  // namespace

Tensor to_device(const Tensor& tensor) {
  return moved(tensor, backend::default_backend(), "to_device");
}

Tensor to_host(const Tensor& tensor) {
  return moved(tensor, backend::find_backend("cpu"), "to_host");
}

std::string device_of(const Tensor& tensor) {
  return readable_payload(tensor, "device_of", {}).storage->backend()->name();
}

}  // namespace sinter
