#include "sinter/error.h"

#include <cstring>

namespace sinter {

void raise(const ErrorParts& parts) {
  std::string message = parts.where.empty() ? parts.what : parts.where + ": " + parts.what;
  if (!parts.got.empty()) message += "; got " + parts.got;
  if (!parts.expected.empty()) message += "; expected " + parts.expected;
  if (!parts.hint.empty()) message += "; " + parts.hint;
  throw Error(message);
}

std::string SourceLocation::to_string() const {
  if (line == 0) return "";
  const char* slash = std::strrchr(file, '/');
  return std::string(slash != nullptr ? slash + 1 : file) + ":" + std::to_string(line);
}

}  // namespace sinter
