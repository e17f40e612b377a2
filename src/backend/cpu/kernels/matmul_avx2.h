// f32 matrix products for processors with AVX2 and FMA but not AVX-512. oneDNN 2.6 is at its best
// there too, but takes memory from the heap in every product, which a planned step must not.
#ifndef SINTER_BACKEND_CPU_KERNELS_MATMUL_AVX2_H_
#define SINTER_BACKEND_CPU_KERNELS_MATMUL_AVX2_H_

#include <memory>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

// Whether f32 products are done here: the processor has AVX2 and FMA, and has no AVX-512 or is told
// by SINTER_ISA not to use it.
bool uses_matmul_avx2();

// Takes any strides. Each element is the left fold over k in ascending order by fused
// multiply-adds, so its bits depend on nothing but the operands. REQUIRES: uses_matmul_avx2() or a
// processor that could; f32; no operand is empty.
std::unique_ptr<PreparedKernel> prepare_matmul_avx2(const KernelCall& call);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_MATMUL_AVX2_H_
