#include "io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <utility>

#include "base/json.h"
#include "sinter/error.h"

namespace sinter::io {
namespace {

constexpr std::string_view kMetadataName = "__metadata__";
constexpr std::size_t kHeaderStart = 8;

// All that the format has.
constexpr std::array<FileDtype, 22> kDtypes = {{
    {"F64", 64, Dtype::f64}, {"F32", 32, Dtype::f32},
    {"F16", 16, Dtype::f16}, {"BF16", 16, Dtype::bf16},
    {"I64", 64, Dtype::i64}, {"I32", 32, Dtype::i32},
    {"U8", 8, Dtype::u8},    {"BOOL", 8, Dtype::boolean},
    {"C64", 64, {}},         {"U64", 64, {}},
    {"U32", 32, {}},         {"I16", 16, {}},
    {"U16", 16, {}},         {"I8", 8, {}},
    {"F8_E4M3", 8, {}},      {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},      {"F8_E4M3FNUZ", 8, {}},
    {"F8_E5M2FNUZ", 8, {}},  {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},      {"F4", 4, {}},
}};

[[noreturn]] void refuse(const std::string& path, std::string what, std::string got = {},
                         std::string expected = {}) {
  raise({.where = path,
         .what = std::move(what),
         .got = std::move(got),
         .expected = std::move(expected),
         .hint = {}});
}

// Receives the JSON piece by piece, so that nothing is kept but what a header may hold: neither
// depth nor unknown content costs memory, and names that occur twice are seen. The state is the
// depth and the names of the members that lead here.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& path, Header& header) : path_(path), header_(header) {}

  bool start_object(std::size_t) override {
    if (depth_ > 1 || in_array_) unexpected("an object");
    ++depth_;
    if (depth_ == 2 && !in_metadata_) fields_ = {};
    return true;
  }

  bool key(string_t& name) override {
    if (depth_ == 2) {
      field_ = name;
      if (!in_metadata_) open_field();
      return true;
    }
    in_metadata_ = name == kMetadataName;
    tensor_ = name;
    if (in_metadata_ ? std::exchange(metadata_seen_, true) : !names_.insert(name).second) {
      refuse(path_, "the header names " + quote_name(name) + " twice");
    }
    if (!in_metadata_) {
      header_.entries.emplace_back();
      header_.entries.back().name = name;
    }
    return true;
  }

  bool end_object() override {
    if (depth_ == 2 && !in_metadata_) close_tensor();
    --depth_;
    return true;
  }

  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata_) {
      if (!header_.metadata.emplace(field_, text).second) {
        refuse(path_, "the header's metadata name " + quote_name(field_) + " twice");
      }
      return true;
    }
    if (depth_ != 2 || in_array_ || field_ != "dtype") unexpected("a string");
    for (const FileDtype& row : kDtypes) {
      if (row.name == text) {
        header_.entries.back().dtype = row;
        return true;
      }
    }
    refuse(path_, "tensor " + quote_name(tensor_) + " has a dtype that the format does not have",
           quote_name(text), "F32, BF16 or another of its names");
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || field_ == "dtype") unexpected("an array");
    in_array_ = true;
    numbers_.clear();
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    if (!in_array_) unexpected("a number");
    if (field_ == "shape" && numbers_.size() == Shape::kMaxRank) {
      refuse(path_, "tensor " + quote_name(tensor_) + " has too many axes", {},
             "at most " + std::to_string(Shape::kMaxRank));
    }
    if (field_ == "data_offsets" && numbers_.size() == 2) bad_offsets();
    numbers_.push_back(number);
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    HeaderEntry& entry = header_.entries.back();
    if (field_ == "shape") {
      entry.shape = shape_of(numbers_);
    } else {
      if (numbers_.size() != 2) bad_offsets();
      entry.begin = numbers_[0];
      entry.end = numbers_[1];
    }
    return true;
  }

  // Some programs write null for metadata that there are none of.
  bool null() override {
    if (depth_ != 1 || !in_metadata_) unexpected("null");
    return true;
  }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool number_integer(number_integer_t number) override { unexpected(std::to_string(number)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(quote_name(text)); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    refuse(path_, "the header is not valid JSON at byte " +
                      std::to_string(kHeaderStart + (position > 0 ? position - 1 : 0)));
  }

 private:
  struct Fields {
    bool dtype = false;
    bool shape = false;
    bool data_offsets = false;
  };

  // Marks the field just named as seen.
  void open_field() {
    bool* seen = nullptr;
    if (field_ == "dtype") seen = &fields_.dtype;
    if (field_ == "shape") seen = &fields_.shape;
    if (field_ == "data_offsets") seen = &fields_.data_offsets;
    if (seen == nullptr) {
      refuse(path_, "tensor " + quote_name(tensor_) + " has an unknown field", quote_name(field_),
             "dtype, shape and data_offsets");
    }
    if (std::exchange(*seen, true)) {
      refuse(path_,
             "tensor " + quote_name(tensor_) + " has the field " + quote_name(field_) + " twice");
    }
  }

  void close_tensor() {
    const char* missing = nullptr;
    if (!fields_.data_offsets) missing = "data_offsets";
    if (!fields_.shape) missing = "shape";
    if (!fields_.dtype) missing = "dtype";
    if (missing != nullptr) {
      refuse(path_, "tensor " + quote_name(tensor_) + " lacks the field " + quote_name(missing));
    }
  }

  Shape shape_of(const std::vector<std::uint64_t>& numbers) const {
    std::vector<std::int64_t> lengths;
    // From 2^63 on they become negative, which Shape refuses as it does large ones.
    for (const std::uint64_t number : numbers) {
      lengths.push_back(static_cast<std::int64_t>(number));
    }
    try {
      return Shape(lengths);
    } catch (const Error&) {
      bad_shape(numbers);
    }
  }

  [[noreturn]] void bad_shape(const std::vector<std::uint64_t>& numbers) const {
    std::string text;
    for (const std::uint64_t number : numbers) {
      text += (text.empty() ? "(" : ", ") + std::to_string(number);
    }
    refuse(path_, "tensor " + quote_name(tensor_) + " has a shape too large for any memory",
           text + ")");
  }

  [[noreturn]] void bad_offsets() const {
    refuse(path_, "tensor " + quote_name(tensor_) + " has a wrong number of data_offsets", {}, "2");
  }

  [[noreturn]] void unexpected(const std::string& what) const {
    std::string place = "the header";
    if (depth_ >= 1) place = (in_metadata_ ? "the entry " : "tensor ") + quote_name(tensor_);
    if (depth_ >= 2) place += ", field " + quote_name(field_) + ",";
    refuse(path_, place + " has content that the format forbids", what);
  }

  const std::string& path_;
  Header& header_;
  std::set<std::string> names_;
  bool metadata_seen_ = false;
  int depth_ = 0;  // of objects
  bool in_metadata_ = false;
  bool in_array_ = false;
  std::string tensor_;  // the last name at depth 1
  std::string field_;   // and at depth 2
  Fields fields_;
  std::vector<std::uint64_t> numbers_;
};

void check_utf8(const std::string& path, const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
  } catch (const Json::exception&) {
    refuse(path, "a name or metadata value is not UTF-8", quote_name(text));
  }
}

// Appends a member. Names differ, and looking for each among those before would take quadratic
// time.
void add(OrderedJson& object, const std::string& name, OrderedJson value) {
  object.get_ref<OrderedJson::object_t&>().emplace_back(name, std::move(value));
}

}  // namespace

const FileDtype& file_dtype(Dtype dtype) {
  return *std::find_if(kDtypes.begin(), kDtypes.end(),
                       [&](const FileDtype& row) { return row.computed == dtype; });
}

std::string quote_name(std::string_view name) {
  constexpr std::size_t kMost = 80;
  std::string text = "\"";
  for (const char c : name.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(byte < 0x20 || byte == 0x7F ? '?' : c);
  }
  if (name.size() > kMost) {
    while ((static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (static_cast<unsigned char>(text.back()) >= 0xC0) text.pop_back();
    text += "...";
  }
  return text + "\"";
}

Header parse_header(const std::string& path, std::string_view text) {
  if (text.empty() || text[0] != '{') {
    refuse(path, "not a safetensors file: the header does not begin with '{' at byte 8");
  }
  // The JSON reader would take it for the end.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    refuse(path, "the header is not valid JSON at byte " + std::to_string(kHeaderStart + zero));
  }
  Header header;
  HeaderReader reader(path, header);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return header;
}

std::string print_header(const std::string& path, const Header& header) {
  OrderedJson json = OrderedJson::object();
  if (!header.metadata.empty()) {
    OrderedJson metadata = OrderedJson::object();
    for (const auto& [name, value] : header.metadata) {
      check_utf8(path, name);
      check_utf8(path, value);
      add(metadata, name, value);
    }
    add(json, std::string(kMetadataName), std::move(metadata));
  }
  for (const HeaderEntry& entry : header.entries) {
    if (entry.name == kMetadataName) {
      refuse(path, "no tensor may be named " + quote_name(entry.name));
    }
    check_utf8(path, entry.name);
    add(json, entry.name,
        {{"dtype", entry.dtype.name},
         {"shape", entry.shape.to_vector()},
         {"data_offsets", {entry.begin, entry.end}}});
  }
  return json_text(json);
}

}  // namespace sinter::io
