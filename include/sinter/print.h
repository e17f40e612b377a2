// Tensors as text, for people.
#ifndef SINTER_PRINT_H_
#define SINTER_PRINT_H_

#include <iosfwd>
#include <string>

#include "sinter/tensor.h"

namespace sinter {

// The elements in nested brackets, then the type:
//   tensor([[1.0000, 2.5000],
//           [3.0000,    nan]], f32(2, 2))
// Floats have 4 decimals, or an exponent where sizes differ much; whole ones end with a point. More
// than 1000 elements are summarised by the first and last 3 along each axis. tensor.to_string() is
// the type alone. Waits for the device. Throws Error in a trace, naming the place; an empty handle
// is "tensor(empty handle)".
std::string to_string(const Tensor& tensor, SourceLocation location = SourceLocation::current());

// The same. fmt::print("{}", fmt::streamed(tensor)) prints through it.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace sinter

#endif  // SINTER_PRINT_H_
