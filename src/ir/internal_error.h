// Our own mistakes, as opposed to the user's: a broken rule of the intermediate representation.
#ifndef SINTER_IR_INTERNAL_ERROR_H_
#define SINTER_IR_INTERNAL_ERROR_H_

#include <stdexcept>
#include <string>

namespace sinter::ir {

// Thrown by verify() when a pass has made something that breaks a rule; never by anything a user
// does.
class InternalError : public std::logic_error {
 public:
  explicit InternalError(const std::string& message) : std::logic_error("internal: " + message) {}
};

}  // namespace sinter::ir

#endif  // SINTER_IR_INTERNAL_ERROR_H_
