// JSON by nlohmann-json: every text that is read goes through parse_json(), every text that is
// written through json_text().
#ifndef SINTER_BASE_JSON_H_
#define SINTER_BASE_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sinter {

// What is read: the members of an object are found in logarithmic time, however many there are.
using Json = nlohmann::json;
// What is written: the members of an object keep the order in which they were added.
using OrderedJson = nlohmann::ordered_json;

// How deep arrays and objects may lie in each other. Whoever walks through a value by recursion
// needs a bounded stack, and nothing that is exchanged lies deeper than a few levels.
inline constexpr int kMaxJsonDepth = 64;

// One JSON value (RFC 8259), which fills the text but for spaces. The text is not trusted: memory
// is bounded by a small multiple of its length and the stack by kMaxJsonDepth. Where an object
// names a member twice, the last counts.
//
// Throws Error, naming `where` (a file, or "line 3") and the byte, for a text that is not JSON,
// lies deeper than kMaxJsonDepth or holds a number that no f64 can hold.
Json parse_json(std::string_view text, const std::string& where);

// The value on one line, without spaces. Never throws: numbers that are not finite become null,
// bytes that are no UTF-8 (a file's name may have such) the replacement character U+FFFD.
std::string json_text(const OrderedJson& value);

// A number as short as it reads back as the same f32, where OrderedJson(value) would spell the f64
// of the same value: 0.1 instead of 0.10000000149011612. null when it is not finite.
OrderedJson json_number(float value);
// Rounded to `digits` significant decimal digits (1 to 17); null when it is not finite.
OrderedJson json_number(double value, int digits);

}  // namespace sinter

#endif  // SINTER_BASE_JSON_H_
