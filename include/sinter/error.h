// The one exception type of the library, and the source lines that messages name.
#ifndef SINTER_ERROR_H_
#define SINTER_ERROR_H_

#include <stdexcept>
#include <string>

namespace sinter {

// Everything a user can do wrong, and everything a machine can fail at, is reported by this type.
// what() reads `where: what is wrong; got ...; expected ...; hint` on one line:
//
//   conv [model.cc:12]: the number of groups is out of range; got 0; expected at least 1
//
// The conv here stands in line 12 of the user's program.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// The parts of an error message; empty parts are left out.
struct ErrorParts {
  std::string where;     // the op, file or option: "conv", "model.safetensors"
  std::string what;      // "the images have the wrong number of axes"
  std::string got;       // "(28, 28)"
  std::string expected;  // "4 axes (N, H, W, C)"
  std::string hint;      // "images are NHWC: (batch, height, width, channels)"
};

// Throws the Error of these parts.
[[noreturn]] void raise(const ErrorParts& parts);

// A place in the user's program. std::source_location with the two fields that messages use; clang
// 14 lacks the standard one.
struct SourceLocation {
  const char* file = "";
  int line = 0;

  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          int line = __builtin_LINE()) {
    return {file, line};
  }
  // "train.cc:42"; "" when nothing is known.
  std::string to_string() const;
};

// While one of these lives, what its thread calls from the library's own sources is located at
// `location`: an op inside of a module belongs to the line where the user called the module. Lines
// of the user's own code stay what they are, and of nested scopes the one of the innermost line
// that is the user's counts.
class LocationScope {
 public:
  explicit LocationScope(SourceLocation location);
  ~LocationScope();
  LocationScope(const LocationScope&) = delete;
  LocationScope& operator=(const LocationScope&) = delete;

 private:
  SourceLocation previous_;
};

// The line to name for a call at `location`: the scope's where `location` is in the library's own
// sources and there is a scope; else `location`.
SourceLocation users_location(SourceLocation location);

}  // namespace sinter

#endif  // SINTER_ERROR_H_
