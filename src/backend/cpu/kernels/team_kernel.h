// Kernels whose code is made for one number of threads (oneDNN's), kept for each number with which
// they are run.
#ifndef SINTER_BACKEND_CPU_KERNELS_TEAM_KERNEL_H_
#define SINTER_BACKEND_CPU_KERNELS_TEAM_KERNEL_H_

#include <memory>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

// A kernel that is run as `prepare` makes it for the team that there is when it is run:
// parallel::team_size(), or 1 where so few `multiplications` are small work (see small_work.h).
// `prepare` is called, and its kernels are run, under a parallel::ForeignTeams of that size: now,
// and once more for each other size that comes. A kernel for a size that was not foreseen takes
// workspace beyond the planned one from the heap.
std::unique_ptr<PreparedKernel> prepare_for_teams(
    const KernelCall& call, double multiplications,
    std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&));

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_TEAM_KERNEL_H_
