// From the element type of a call to the C++ type that a kernel is instantiated with.
#ifndef SINTER_BACKEND_KERNEL_DTYPE_H_
#define SINTER_BACKEND_KERNEL_DTYPE_H_

#include <string>

#include "ir/internal_error.h"
#include "sinter/dtype.h"

namespace sinter::backend {

// Calls `f` with a value of that of the types T, More... which stores `dtype`. What an op's inputs
// may be says ir::Op::inputs, and infer refuses the rest: InternalError for any other.
template <class T, class... More, class F>
auto for_dtype(const char* kernel, Dtype dtype, const F& f) {
  if (dtype == dtype_of<T>) return f(T{});
  if constexpr (sizeof...(More) > 0) {
    return for_dtype<More...>(kernel, dtype, f);
  } else {
    throw ir::InternalError(std::string(kernel) + ": no kernel for " + std::string(name_of(dtype)));
  }
}

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_KERNEL_DTYPE_H_
