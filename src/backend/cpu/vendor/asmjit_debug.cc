// asmjit::DebugUtils, in place of the object of Debian's libasmjit.a that no shared library can be
// linked with: it is compiled for programs and reaches for stderr by its distance. The linker takes
// these, which come before the archive, and leaves that object in it. Compiled only where linking
// showed that it is needed (cmake/asmjit.cmake).
#include <asmjit/core.h>

#include <cstdio>
#include <cstdlib>

ASMJIT_BEGIN_NAMESPACE

namespace DebugUtils {

// What can happen to a program that makes code; the rest are mistakes of the code that makes it.
const char* errorAsString(Error error) noexcept {
  switch (error) {
    case kErrorOk:
      return "Ok";
    case kErrorOutOfMemory:
      return "OutOfMemory";
    case kErrorTooManyHandles:
      return "TooManyHandles";
    case kErrorFailedToOpenAnonymousMemory:
      return "FailedToOpenAnonymousMemory";
    case kErrorFeatureNotEnabled:
      return "FeatureNotEnabled";
    case kErrorTooLarge:
      return "TooLarge";
    default:
      return "InvalidCode";
  }
}

void debugOutput(const char* text) noexcept { std::fputs(text, stderr); }

void assertionFailed(const char* file, int line, const char* text) noexcept {
  std::fprintf(stderr, "%s:%d: AsmJit's assertion failed: %s\n", file, line, text);
  std::abort();
}

}  // namespace DebugUtils

ASMJIT_END_NAMESPACE
