#ifndef SINTER_TESTS_ERROR_MESSAGE_H_
#define SINTER_TESTS_ERROR_MESSAGE_H_

#include <string>

#include "sinter/error.h"

namespace sinter {

// What an Error says that `function` throws; "no error" when there is none.
template <class F>
std::string message_of(F function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline bool says(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

}  // namespace sinter

#endif  // SINTER_TESTS_ERROR_MESSAGE_H_
