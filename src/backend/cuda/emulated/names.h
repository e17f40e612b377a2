// The names of kernels, for messages.
#ifndef SINTER_BACKEND_CUDA_EMULATED_NAMES_H_
#define SINTER_BACKEND_CUDA_EMULATED_NAMES_H_

namespace sinter_emulated {

// The demangled name of the function at this address, from the symbol table of the file that it was
// loaded from (so also of static functions); "kernel" where that has none. Slow. Good until the
// next call.
const char* function_name(const void* function);

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_NAMES_H_
