#include "sinter/error.h"

#include <cstring>
#include <string_view>

namespace sinter {

namespace {

// This file is base/error.cc in the folder of all our sources.
constexpr std::string_view kOwnFile = __FILE__;
constexpr std::string_view kOwnFolder =
    kOwnFile.substr(0, kOwnFile.size() - std::string_view("base/error.cc").size());

bool is_ours(SourceLocation location) {
  return std::strncmp(location.file, kOwnFolder.data(), kOwnFolder.size()) == 0;
}

thread_local SourceLocation scope_location;

}  // namespace

LocationScope::LocationScope(SourceLocation location) : previous_(scope_location) {
  if (!is_ours(location)) scope_location = location;
}
LocationScope::~LocationScope() { scope_location = previous_; }

SourceLocation users_location(SourceLocation location) {
  return scope_location.line != 0 && is_ours(location) ? scope_location : location;
}

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
