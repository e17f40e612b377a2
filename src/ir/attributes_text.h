// Attributes as text, the same in graphs and programs: {axes=[1, 0], p=0x1p-1, dtype=f32}.
#ifndef SINTER_IR_ATTRIBUTES_TEXT_H_
#define SINTER_IR_ATTRIBUTES_TEXT_H_

#include <string>

#include "ir/op.h"

namespace sinter::ir {

// With braces and a space before them; nothing when there are none. What has the schema's default
// value is left out.
std::string to_text(const Op& op, const Attributes& attributes);

}  // namespace sinter::ir

#endif  // SINTER_IR_ATTRIBUTES_TEXT_H_
