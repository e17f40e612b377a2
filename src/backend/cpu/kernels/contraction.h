// What providers of matrix products and convolutions ask of a call.
#ifndef SINTER_BACKEND_CPU_KERNELS_CONTRACTION_H_
#define SINTER_BACKEND_CPU_KERNELS_CONTRACTION_H_

#include "backend/kernel_call.h"

namespace sinter::backend::cpu {

inline bool is_f32(const KernelCall& call) {
  return call.input_dtypes[0] == Dtype::f32 && call.output_dtypes[0] == Dtype::f32;
}

// Whether the operands are of 16 bits.
inline bool is_half(const KernelCall& call) { return is_half(call.input_dtypes[0]); }

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_CONTRACTION_H_
