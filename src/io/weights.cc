#include <zlib.h>

#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "io/safetensors.h"
#include "sinter/io.h"
#include "sinter/ops.h"

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

// Of all tensors' bytes, in the order of their names: weights are exchanged with other programs,
// but a checkpoint is read by this one alone, which can tell whether a bit has changed since.
constexpr const char* kChecksum = "crc32";

std::string checksum_of(std::map<std::string, std::pair<const void*, std::size_t>> tensors) {
  uLong sum = crc32_z(0, nullptr, 0);
  for (const auto& [name, memory] : tensors) {
    if (memory.second == 0) continue;
    sum = crc32_z(sum, static_cast<const unsigned char*>(memory.first), memory.second);
  }
  std::string text(8, '0');
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = "0123456789abcdef"[(sum >> (28 - 4 * i)) & 0xfU];
  }
  return text;
}

void write(const std::string& path, std::span<const NamedState> states, Content content,
           Texts texts) {
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
  if (content == Content::everything) {
    std::map<std::string, std::pair<const void*, std::size_t>> memory;
    for (const NamedTensor& it : tensors) memory[it.name] = {it.view.data, it.view.bytes};
    texts[kChecksum] = checksum_of(std::move(memory));
  }
  write_safetensors(path, tensors, texts);
}

std::string type_text(Dtype dtype, const Shape& shape) {
  return std::string(name_of(dtype)) + shape.to_string();
}

void check_checksum(const SafetensorsFile& file) {
  const auto given = file.metadata().find(kChecksum);
  if (given == file.metadata().end()) return;  // of an older version
  std::map<std::string, std::pair<const void*, std::size_t>> memory;
  for (const std::string& name : file.names()) {
    const TensorView view = file.get(name);
    memory[name] = {view.data, view.bytes};
  }
  const std::string found = checksum_of(std::move(memory));
  if (found == given->second) return;
  raise({.where = file.path(),
         .what = "the checkpoint is damaged: its bytes are not those that were written",
         .got = "checksum " + found,
         .expected = given->second,
         .hint = "--force begins the run anew"});
}

// All checks, and all the copies that can fail, come before the first assignment.
void read(const SafetensorsFile& file, std::span<const NamedState> states, Content content) {
  const std::vector<NamedState> list = chosen(states, content);
  std::vector<Tensor> values;
  std::size_t missing = 0;
  for (const NamedState& named : list) {
    if (!file.contains(named.name)) {
      if (named.may_be_missing) {
        ++missing;
        values.push_back(zeros(named.state.shape(), named.state.dtype()));
        continue;
      }
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
  if (file.names().size() + missing != list.size()) {
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
  check_checksum(file);
  read(file, states, Content::everything);
  Texts texts = file.metadata();
  texts.erase(kChecksum);
  return texts;
}

}  // namespace sinter::io
