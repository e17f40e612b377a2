#include "sinter/view.h"

#include "backend/registry.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

template <class T>
View of_values(std::span<const T> values, const Shape& shape) {
  if (static_cast<std::int64_t>(values.size()) != shape.elements()) {
    raise({.where = "view",
           .what = "the number of values does not fit the shape",
           .got = std::to_string(values.size()),
           .expected = std::to_string(shape.elements()) + " for " + shape.to_string(),
           .hint = {}});
  }
  return {values.data(), dtype_of<T>, shape};
}

}  // namespace

View::View(const void* data, Dtype dtype, const Shape& shape)
    : data_(static_cast<const std::byte*>(data)), dtype_(dtype), shape_(shape) {
  if (data == nullptr && shape.elements() > 0) {
    raise({.where = "view",
           .what = "there is no memory",
           .got = "a null pointer",
           .expected = "the elements of " + shape.to_string(),
           .hint = {}});
  }
}

View::operator Tensor() const {
  Payload payload;
  payload.type = {dtype_, shape_};
  payload.storage = std::make_shared<Storage>(&backend::find_backend("cpu"), data_, bytes());
  return make_tensor(std::move(payload));
}

View view(std::span<const float> values, const Shape& shape) { return of_values(values, shape); }
View view(std::span<const double> values, const Shape& shape) { return of_values(values, shape); }
View view(std::span<const std::int32_t> values, const Shape& shape) {
  return of_values(values, shape);
}
View view(std::span<const std::int64_t> values, const Shape& shape) {
  return of_values(values, shape);
}
View view(std::span<const std::uint8_t> values, const Shape& shape) {
  return of_values(values, shape);
}

}  // namespace sinter
