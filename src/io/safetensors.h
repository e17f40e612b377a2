// The safetensors format: named tensors in one file, as PyTorch and others read and write them.
//
// A file is the length of the header (8 bytes, little-endian), the header (a JSON object: name ->
// dtype, shape and place) and the tensors' bytes, row-major, little-endian, without gaps.
#ifndef SINTER_IO_SAFETENSORS_H_
#define SINTER_IO_SAFETENSORS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "sinter/dtype.h"
#include "sinter/shape.h"

namespace sinter::io {

// A tensor's bytes, owned by somebody else. `data` need not be aligned for `dtype`.
struct TensorView {
  Dtype dtype = Dtype::f32;
  Shape shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;  // shape.elements() * size_of(dtype)
};

// What a file says of a tensor, also of one whose values Sinter cannot hold.
struct TensorInfo {
  std::string_view dtype;         // the format's name: "F32", "F8_E4M3"; lives for ever
  std::optional<Dtype> computed;  // the Dtype of that name; nothing where there is none
  Shape shape;
  std::size_t bytes = 0;
};

struct NamedTensor {
  std::string name;
  TensorView view;
};

using Metadata = std::map<std::string, std::string>;

// A file open for reading. Its tensors lie in mapped memory: opening costs as much as the header,
// and data are loaded when they are looked at. Any number of threads may read at once.
//
// The file is not trusted: whatever the header says is checked before anything believes it.
class SafetensorsFile {
 public:
  // Throws Error, naming the file and the tensor or byte, for anything that the format forbids, and
  // for more than 8 axes. A tensor of a dtype that the format has and Sinter does not (I8, U16, the
  // 8-bit floats ...) hinders nobody who reads the others.
  explicit SafetensorsFile(std::string path);

  // In the order of the header.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(std::string_view name) const;
  // Throws Error when there is no such tensor.
  TensorInfo info(std::string_view name) const { return find(name).info; }
  // Good as long as this object. Throws Error when there is no such tensor, and when Sinter does
  // not have its dtype.
  TensorView get(std::string_view name) const;
  const Metadata& metadata() const { return metadata_; }
  const std::string& path() const { return file_.path(); }

 private:
  struct Stored {
    TensorInfo info;
    const std::byte* data = nullptr;
  };
  const Stored& find(std::string_view name) const;

  MappedFile file_;
  std::vector<std::string> names_;
  std::map<std::string, Stored, std::less<>> tensors_;
  Metadata metadata_;
};

// Writes a file through AtomicFile. The same arguments give the same bytes. The header lists
// metadata, then tensors in the order given. The data start at a multiple of 64 bytes and lie in
// order of falling element size (in the order given among equals), so that every tensor is aligned
// for its elements; the format has no room for more.
//
// Throws Error for a name that occurs twice, is "__metadata__" or is no UTF-8, a view whose bytes
// do not fit its shape, and when the file cannot be written.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata = {});

}  // namespace sinter::io

#endif  // SINTER_IO_SAFETENSORS_H_
