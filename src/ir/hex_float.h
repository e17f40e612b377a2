// Floating numbers as text that reads back as the same bits, whatever the locale.
#ifndef SINTER_IR_HEX_FLOAT_H_
#define SINTER_IR_HEX_FLOAT_H_

#include <optional>
#include <string>
#include <string_view>

namespace sinter::ir {

// "0x1.8p+0", "-0x0p+0", "inf", "-inf", "nan:7ff8000000000000" (the bits, so that payloads
// survive).
std::string hex_float(double value);
// The inverse; nothing for any other text.
std::optional<double> parse_hex_float(std::string_view text);

}  // namespace sinter::ir

#endif  // SINTER_IR_HEX_FLOAT_H_
