// Suggestions for misspelt names.
#ifndef SINTER_TRAIN_SUGGEST_H_
#define SINTER_TRAIN_SUGGEST_H_

#include <string>
#include <string_view>
#include <vector>

namespace sinter::train {

// "did you mean 'x'?" for the nearest of `known`, or "" when none is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

// "a, b or c"
std::string list_text(const std::vector<std::string>& names);

}  // namespace sinter::train

#endif  // SINTER_TRAIN_SUGGEST_H_
