#include <cstring>
#include <vector>

#include "io/safetensors.h"
#include "sinter/io.h"

namespace sinter::io {
namespace {

enum class Content { weights, everything };

std::vector<NamedState> chosen(std::span<const NamedState> states, Content content) {
  std::vector<NamedState> result;
  for (const NamedState& named : states) {
    if (content == Content::weights && named.role == StateRole::progress) continue;
    result.push_back(named);
    if (content == Content::everything) result.back().layout = {};
  }
  return result;
}

void write(const std::string& path, std::span<const NamedState> states, Content content,
           const Texts& texts) {
  const std::vector<NamedState> list = chosen(states, content);
  std::vector<Tensor> values;  // keeps the memory that the views show
  std::vector<NamedTensor> tensors;
  for (const NamedState& named : list) {
    values.push_back(to_host(named.layout.to_file(named.state.value())));
    const Tensor& value = values.back();
    tensors.push_back(
        {.name = named.name,
         .view = {.dtype = value.dtype(),
                  .shape = value.shape(),
                  .data = value.data(),
                  .bytes = static_cast<std::size_t>(value.elements()) * size_of(value.dtype())}});
  }
  write_safetensors(path, tensors, texts);
}

std::string type_text(Dtype dtype, const Shape& shape) {
  return std::string(name_of(dtype)) + shape.to_string();
}

// All checks, and all the copies that can fail, come before the first assignment.
void read(const SafetensorsFile& file, std::span<const NamedState> states, Content content) {
  const std::vector<NamedState> list = chosen(states, content);
  std::vector<Tensor> values;
  for (const NamedState& named : list) {
    if (!file.contains(named.name)) {
      raise({.where = file.path(),
             .what = "a tensor is missing",
             .got = {},
             .expected = "'" + named.name + "'",
             .hint = "the file belongs to another model"});
    }
    const TensorView view = file.get(named.name);
    const Shape expected = named.layout.shape_in_file(named.state.shape());
    if (view.dtype != named.state.dtype() || view.shape != expected) {
      raise({.where = file.path(),
             .what = "'" + named.name + "' does not fit the model",
             .got = type_text(view.dtype, view.shape),
             .expected = type_text(named.state.dtype(), expected),
             .hint = "the file belongs to another model"});
    }
    values.push_back(named.layout.from_file(filled(view.shape, view.dtype, [&](std::byte* to) {
      if (view.bytes > 0) std::memcpy(to, view.data, view.bytes);
    })));
  }
  if (file.names().size() != list.size()) {
    for (const std::string& name : file.names()) {
      bool known = false;
      for (const NamedState& named : list) known = known || named.name == name;
      if (!known) {
        raise({.where = file.path(),
               .what = "there is a tensor that the model does not have",
               .got = "'" + name + "'",
               .expected = {},
               .hint = "the file belongs to another model"});
      }
    }
  }
  for (std::size_t i = 0; i < list.size(); ++i) list[i].state.assign(values[i]);
}

}  // namespace

void save_weights(const std::string& path, std::span<const NamedState> states, const Texts& texts) {
  write(path, states, Content::weights, texts);
}

void load_weights(const std::string& path, std::span<const NamedState> states) {
  read(SafetensorsFile(path), states, Content::weights);
}

Texts read_texts(const std::string& path) { return SafetensorsFile(path).metadata(); }

void save_checkpoint(const std::string& path, std::span<const NamedState> states,
                     const Texts& texts) {
  write(path, states, Content::everything, texts);
}

Texts load_checkpoint(const std::string& path, std::span<const NamedState> states) {
  const SafetensorsFile file(path);
  read(file, states, Content::everything);
  return file.metadata();
}

}  // namespace sinter::io
