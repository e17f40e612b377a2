#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <set>
#include <utility>

#include "io/safetensors_header.h"
#include "sinter/error.h"

namespace sinter::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t kLengthBytes = 8;

[[noreturn]] void refuse(const std::string& path, std::string what, std::string got = {},
                         std::string expected = {}) {
  raise({.where = path,
         .what = std::move(what),
         .got = std::move(got),
         .expected = std::move(expected),
         .hint = {}});
}

std::string bytes_text(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

std::uint64_t bytes_of(Dtype dtype, const Shape& shape) {
  return static_cast<std::uint64_t>(shape.elements()) * size_of(dtype);
}

std::string type_text(const FileDtype& dtype, const Shape& shape) {
  return std::string(dtype.computed ? name_of(*dtype.computed) : dtype.name) + " " +
         shape.to_string();
}

// The length of the header; all of it lies in the file.
std::size_t header_length(const MappedFile& file) {
  if (file.size() < kLengthBytes) {
    refuse(file.path(), "not a safetensors file: too short for the length of the header",
           bytes_text(file.size()), "at least 8");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    refuse(file.path(), "not a safetensors file: the length of the header at byte 0 is too large",
           std::to_string(length), "at most " + std::to_string(kMaxHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    refuse(file.path(), "the header goes beyond the end of the file",
           bytes_text(file.size() - kLengthBytes), std::to_string(length));
  }
  return static_cast<std::size_t>(length);
}

// Every tensor has the bytes that its shape needs, and together they cover the data once.
void check_places(const std::string& path, const std::vector<HeaderEntry>& entries,
                  std::uint64_t data_bytes) {
  std::vector<const HeaderEntry*> order;
  for (const HeaderEntry& entry : entries) {
    const std::string tensor = "tensor " + quote_name(entry.name);
    const std::string place = std::to_string(entry.begin) + " to " + std::to_string(entry.end);
    if (entry.begin > entry.end) refuse(path, tensor + " ends before it begins", place);
    if (entry.end > data_bytes) {
      refuse(path, tensor + " goes beyond the end of the file", place,
             "at most " + std::to_string(data_bytes));
    }
    const std::uint64_t bits = static_cast<std::uint64_t>(entry.shape.elements()) *
                               static_cast<unsigned>(entry.dtype.bits);
    if (bits % 8 != 0) {
      refuse(path, tensor + " does not end with a whole byte", type_text(entry.dtype, entry.shape));
    }
    if (entry.end - entry.begin != bits / 8) {
      refuse(path, tensor + " has a size that does not fit its dtype and shape",
             bytes_text(entry.end - entry.begin),
             std::to_string(bits / 8) + " for " + type_text(entry.dtype, entry.shape));
    }
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t covered = 0;
  for (const HeaderEntry* entry : order) {
    if (entry->begin != covered) {
      refuse(path,
             "tensor " + quote_name(entry->name) +
                 (entry->begin < covered ? " overlaps another" : " leaves a gap before it"),
             "offset " + std::to_string(entry->begin), std::to_string(covered));
    }
    covered = entry->end;
  }
  if (covered != data_bytes) {
    refuse(path, "bytes that belong to no tensor follow the last one",
           bytes_text(data_bytes) + " of data", std::to_string(covered));
  }
}

// Other values than 0 and 1 would be read as neither true nor false.
void check_booleans(const std::string& path, const std::string& name, const TensorInfo& info,
                    const std::byte* data, const std::byte* file) {
  if (info.computed != Dtype::boolean) return;
  const std::byte* end = data + info.bytes;
  const std::byte* bad = std::find_if(data, end, [](std::byte b) { return b > std::byte{1}; });
  if (bad == end) return;
  refuse(path,
         "tensor " + quote_name(name) + " holds what is no truth value, at byte " +
             std::to_string(bad - file) + " of the file",
         std::to_string(std::to_integer<int>(*bad)), "0 or 1");
}

void check_arguments(const std::string& path, std::span<const NamedTensor> tensors) {
  std::set<std::string_view> names;
  for (const auto& [name, view] : tensors) {
    if (!names.insert(name).second) refuse(path, "two tensors are named " + quote_name(name));
    const std::uint64_t bytes = bytes_of(view.dtype, view.shape);
    if (view.bytes != bytes || (view.data == nullptr && bytes != 0)) {
      refuse(path,
             "tensor " + quote_name(name) + " has a size that does not fit its dtype and shape",
             bytes_text(view.data == nullptr ? 0 : view.bytes), std::to_string(bytes));
    }
  }
}

// The order in which the tensors' data lie: larger elements first.
std::vector<std::size_t> data_order(std::span<const NamedTensor> tensors) {
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(tensors[a].view.dtype) > size_of(tensors[b].view.dtype);
  });
  return order;
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::string path) : file_(std::move(path)) {
  const std::size_t length = header_length(file_);
  Header header = parse_header(
      file_.path(), {reinterpret_cast<const char*>(file_.data()) + kLengthBytes, length});
  const std::size_t data_start = kLengthBytes + length;
  check_places(file_.path(), header.entries, file_.size() - data_start);
  for (HeaderEntry& entry : header.entries) {
    const Stored stored{.info = {.dtype = entry.dtype.name,
                                 .computed = entry.dtype.computed,
                                 .shape = entry.shape,
                                 .bytes = static_cast<std::size_t>(entry.end - entry.begin)},
                        .data = file_.data() + data_start + entry.begin};
    check_booleans(file_.path(), entry.name, stored.info, stored.data, file_.data());
    tensors_.emplace(entry.name, stored);
    names_.push_back(std::move(entry.name));
  }
  metadata_ = std::move(header.metadata);
}

bool SafetensorsFile::contains(std::string_view name) const {
  return tensors_.find(name) != tensors_.end();
}

TensorView SafetensorsFile::get(std::string_view name) const {
  const auto& [info, data] = find(name);
  if (!info.computed) {
    refuse(path(), "tensor " + quote_name(name) + " has a dtype that Sinter cannot read",
           std::string(info.dtype), "F64, F32, F16, BF16, I64, I32, U8 or BOOL");
  }
  return {.dtype = *info.computed, .shape = info.shape, .data = data, .bytes = info.bytes};
}

const SafetensorsFile::Stored& SafetensorsFile::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  std::string some;
  for (std::size_t i = 0; i < names_.size() && i < 5; ++i) {
    some += (i > 0 ? ", " : "") + quote_name(names_[i]);
  }
  if (names_.size() > 5) some += " and " + std::to_string(names_.size() - 5) + " more";
  refuse(path(), "there is no such tensor", quote_name(name),
         names_.empty() ? "none" : "one of " + some);
}

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata) {
  check_arguments(path, tensors);
  Header header{.entries = {}, .metadata = metadata};
  for (const auto& [name, view] : tensors) {
    header.entries.push_back({.name = name, .dtype = file_dtype(view.dtype), .shape = view.shape});
  }
  const std::vector<std::size_t> order = data_order(tensors);
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    header.entries[i].begin = end;
    end += tensors[i].view.bytes;
    header.entries[i].end = end;
  }

  constexpr std::size_t kAlignment = 64;
  std::string text = print_header(path, header);
  text.append((kAlignment - (kLengthBytes + text.size()) % kAlignment) % kAlignment, ' ');
  if (text.size() > kMaxHeaderBytes) {
    refuse(path, "too many tensors: the header is too large", bytes_text(text.size()),
           "at most " + std::to_string(kMaxHeaderBytes));
  }
  const std::uint64_t length = text.size();
  AtomicFile file(path);
  file.write(&length, sizeof(length));
  file.write(text);
  for (const std::size_t i : order) file.write(tensors[i].view.data, tensors[i].view.bytes);
  file.commit();
}

}  // namespace sinter::io
