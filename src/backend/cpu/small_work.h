// What is too little work for a second thread. Decided by shapes alone, never by what the machine
// is busy with, so that a contraction always has the same bits.
//
// Measured on two Zen 5 cores (networks 64-width-2 with AdamW): a step of 32 us gained nothing from
// a second thread, one of 57 us 6 %, one of 107 us 14 %. And wherever another process runs, whoever
// waits for a thread waits until the system lets it run: the mean of these steps rose two- to
// sevenfold with two threads beside ten busy processes.
#ifndef SINTER_BACKEND_CPU_SMALL_WORK_H_
#define SINTER_BACKEND_CPU_SMALL_WORK_H_

#include <algorithm>

#include "ir/program.h"

namespace sinter::backend::cpu {

// Multiplications, with as many additions, that one core does in a nanosecond, about.
inline constexpr double kMultiplicationsPerNs = 100;

// A contraction of less work runs in the caller's thread,
inline constexpr double kSmallContraction = 20e3 * kMultiplicationsPerNs;
// and a program of less work as a whole, in nanoseconds.
inline constexpr double kSmallProgramNs = 50e3;

// Whether a whole run of the program is small work. What its steps cost is the plan's estimate; a
// program without one is not small.
inline bool is_small_work(const ir::Program& program) {
  double nanoseconds = 0;
  for (const ir::Step& step : program.steps) {
    const double flops_per_ns = step.group != nullptr ? 32 : 2 * kMultiplicationsPerNs;
    nanoseconds += std::max(step.cost.flops / flops_per_ns, step.cost.bytes / 16);
  }
  return nanoseconds > 0 && nanoseconds < kSmallProgramNs;
}

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_SMALL_WORK_H_
