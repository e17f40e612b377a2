// Attributes as text, the same in graphs and programs: {axes=[1, 0], p=0x1p-1, count=3}.
#ifndef SINTER_IR_ATTRIBUTES_TEXT_H_
#define SINTER_IR_ATTRIBUTES_TEXT_H_

#include <string>

#include "ir/attributes.h"

namespace sinter::ir {

// With braces; "{}" when there are none.
std::string to_text(const Attributes& attributes);

}  // namespace sinter::ir

#endif  // SINTER_IR_ATTRIBUTES_TEXT_H_
