// Contractions of bf16 and f16 where nothing multiplies those: operands are widened to f32 in the
// workspace, multiplied there, and the result is rounded once.
#ifndef SINTER_BACKEND_CPU_KERNELS_WIDENED_H_
#define SINTER_BACKEND_CPU_KERNELS_WIDENED_H_

#include <memory>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

// `prepare` makes the kernel of the same call in f32. Inputs may have any strides that count apart
// all elements.
std::unique_ptr<PreparedKernel> prepare_widened(
    const KernelCall& call, std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&));

// Whether products of bf16 may be left to oneDNN: it may serve, with AVX-512 as our own code, and the
// processor multiplies bf16.
bool multiplies_bf16();

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_WIDENED_H_
