#include <algorithm>
#include <cstring>

#include "sinter/data.h"
#include "sinter/error.h"

namespace sinter::data {

TensorDataset::TensorDataset(const Batch& all) {
  const auto refuse = [](const std::string& name, const char* what, const std::string& got,
                         const std::string& expected) {
    raise({.where = "tensor data set" + (name.empty() ? "" : ", '" + name + "'"),
           .what = what,
           .got = got,
           .expected = expected,
           .hint = "rows lie along the first axis of every tensor"});
  };
  if (all.empty()) refuse("", "there is no tensor", "", "at least one");
  for (const auto& [name, tensor] : all.entries()) {
    if (tensor.rank() == 0) refuse(name, "a scalar has no rows", tensor.to_string(), "");
    if (!all_.empty() && tensor.dim(0) != size_) {
      refuse(name, "the tensors do not have equally many rows", std::to_string(tensor.dim(0)),
             std::to_string(size_));
    }
    size_ = tensor.dim(0);
    all_.add(name, to_host(tensor));
  }
}

Batch TensorDataset::batch(std::span<const std::int32_t> rows, const Draw& /*draw*/) const {
  Batch batch;
  for (const auto& [name, tensor] : all_.entries()) {
    std::vector<std::int64_t> lengths = tensor.shape().to_vector();
    lengths[0] = static_cast<std::int64_t>(rows.size());
    const auto row_bytes =
        static_cast<std::size_t>(tensor.elements() / std::max<std::int64_t>(size_, 1)) *
        size_of(tensor.dtype());
    const auto* from = reinterpret_cast<const std::byte*>(tensor.data());
    batch.add(name, filled(Shape(lengths), tensor.dtype(), [&](std::byte* to) {
                for (const std::int32_t row : rows) {
                  if (row_bytes > 0) {
                    std::memcpy(to, from + static_cast<std::size_t>(row) * row_bytes, row_bytes);
                  }
                  to += row_bytes;
                }
              }));
  }
  return batch;
}

}  // namespace sinter::data
