// Small contractions with an epilogue: both run in the caller's thread, one after the other, on a
// result that stays in the cache. So any kernel takes any epilogue.
#ifndef SINTER_BACKEND_CPU_KERNELS_SMALL_THEN_H_
#define SINTER_BACKEND_CPU_KERNELS_SMALL_THEN_H_

#include <memory>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

// Null where the contraction, of so many products of two numbers, is not small work
// (small_work.h), or its result larger than half of a usual second-level cache.
std::unique_ptr<PreparedKernel> prepare_small_then(
    const KernelCall& call, double multiplications, const ir::Group& epilogue,
    std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&));

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_SMALL_THEN_H_
