// What developers look at: where the time of a step goes, and where its memory lies.
#ifndef SINTER_COMPILE_STEP_REPORT_H_
#define SINTER_COMPILE_STEP_REPORT_H_

#include <string>
#include <vector>

#include "backend/backend.h"
#include "ir/program.h"
#include "sinter/compile.h"
#include "sinter/machine.h"

namespace sinter::compile_detail {

StepKind kind_of(const ir::Step& step);

// When each step of one run began and how long it took.
struct StepTime {
  double start_ms = 0;
  double ms = 0;
};

// Runs the program once, measuring each step.
std::vector<StepTime> run_timed(backend::Session& session, const backend::Bindings& bindings,
                                std::size_t step_count);

// A line per step: time, share of the whole, how much of the time its bound is (machine.h),
// GFLOP/s, GB/s, module, what it does.
std::string time_table(const ir::Program& program, const std::vector<StepTime>& times,
                       const MachinePeaks& peaks);

// The same as Chrome's trace events (chrome://tracing, Perfetto).
std::string chrome_trace(const ir::Program& program, const std::vector<StepTime>& times);

// The arena as a picture: steps from left to right, addresses upwards, a box for every buffer from
// the step that writes it to the last that reads it.
std::string arena_chart(const ir::Program& program);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_STEP_REPORT_H_
