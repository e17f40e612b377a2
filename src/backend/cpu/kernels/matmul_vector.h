// f32 matrix products for processors with AVX2 and FMA, or AVX-512. oneDNN takes memory from the
// heap in every product without AVX-512, which a planned step must not, and with it gives parts of
// a product other bits than the whole.
#ifndef SINTER_BACKEND_CPU_KERNELS_MATMUL_VECTOR_H_
#define SINTER_BACKEND_CPU_KERNELS_MATMUL_VECTOR_H_

#include <memory>

#include "backend/cpu/groups/group_kernel.h"
#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

// Whether the processor has AVX2 and FMA.
bool can_multiply_vectors();

// Takes any strides. Each element is the left fold over k in ascending order by fused
// multiply-adds, so its bits depend on nothing but the operands: not on the instruction set, which
// is AVX-512 where the processor has it and SINTER_ISA does not forbid it. REQUIRES:
// can_multiply_vectors(); f32; no operand is empty.
std::unique_ptr<PreparedKernel> prepare_matmul_vector(const KernelCall& call);
// The same by a given instruction set. REQUIRES: the processor has it.
std::unique_ptr<PreparedKernel> prepare_matmul_vector_by(const KernelCall& call, Isa isa);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_MATMUL_VECTOR_H_
