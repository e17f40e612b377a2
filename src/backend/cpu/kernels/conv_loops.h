// Convolutions by plain loops: in f64, and in f32 where oneDNN cannot serve. Each element of the
// result is folded in a fixed order by one thread, so the bits depend on nothing else.
#ifndef SINTER_BACKEND_CPU_KERNELS_CONV_LOOPS_H_
#define SINTER_BACKEND_CPU_KERNELS_CONV_LOOPS_H_

#include <memory>

#include "backend/cpu/kernels/kernel.h"
#include "ir/window.h"

namespace sinter::backend::cpu {

// The kernel of a convolution or of one of its gradients. REQUIRES: f32 or f64.
std::unique_ptr<PreparedKernel> prepare_conv_loops(ir::OpId op, Dtype dtype,
                                                   const ir::WindowSizes& sizes);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_CONV_LOOPS_H_
