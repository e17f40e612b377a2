// The JSON header of a safetensors file, as text and as entries.
#ifndef SINTER_IO_SAFETENSORS_HEADER_H_
#define SINTER_IO_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace sinter::io {

// The format's own bound.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

// An element type of the format.
struct FileDtype {
  std::string_view name;
  int bits = 0;  // of one element; those of a tensor follow each other without gaps
  std::optional<Dtype> computed;
};

const FileDtype& file_dtype(Dtype dtype);

// What a header says of one tensor; `begin` and `end` count from the end of the header.
struct HeaderEntry {
  std::string name;
  FileDtype dtype;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct Header {
  std::vector<HeaderEntry> entries;  // in the order of the text; names differ
  Metadata metadata;
};

// Reads a header that starts at byte 8 of the file `path`. Memory is bounded by the length of the
// text, whatever stands in it. Throws Error for what is not JSON or not such a header; where the
// offsets point is the caller's to check.
Header parse_header(const std::string& path, std::string_view text);

// The text of a header, without padding. Throws Error when a name or a value is no UTF-8.
std::string print_header(const std::string& path, const Header& header);

// A name from a file, for an error message: quoted, on one line, cut when it is long.
std::string quote_name(std::string_view name);

}  // namespace sinter::io

#endif  // SINTER_IO_SAFETENSORS_HEADER_H_
