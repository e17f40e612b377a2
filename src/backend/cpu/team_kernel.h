// Kernels whose code is made for one number of threads (oneDNN's), kept for each number with which
// they are run.
#ifndef SINTER_BACKEND_CPU_TEAM_KERNEL_H_
#define SINTER_BACKEND_CPU_TEAM_KERNEL_H_

#include <memory>

#include "backend/cpu/kernel.h"

namespace sinter::backend::cpu {

// A contraction of fewer multiplications than this runs in the caller's thread: a second one would
// take longer to start than it saves. By shape alone, so that its bits do not depend on what else
// the machine does.
inline constexpr double kSmallContraction = 1 << 20;

// A kernel that is run as `prepare` makes it for the team that there is when it is run
// (parallel::team_size(), or 1 if it `is_small`). `prepare` is called, and its kernels are run,
// under a parallel::ForeignTeams of that size: now, and once more for each other size that comes. A
// kernel for another size that needs more workspace than the first gets it from the heap.
std::unique_ptr<PreparedKernel> prepare_for_teams(
    const KernelCall& call, bool is_small,
    std::unique_ptr<PreparedKernel> (*prepare)(const KernelCall&));

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_TEAM_KERNEL_H_
