// Texts in files.
#ifndef SINTER_TRAIN_QUOTE_H_
#define SINTER_TRAIN_QUOTE_H_

#include <string>
#include <string_view>

namespace sinter::train {

// The text as a string of TOML and of JSON (both read it alike), with its quotes.
std::string quoted(std::string_view text);

}  // namespace sinter::train

#endif  // SINTER_TRAIN_QUOTE_H_
